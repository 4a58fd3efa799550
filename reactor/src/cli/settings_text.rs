//! Parses the commented settings into what a manual says of each key.

/// One key of the settings, or a group of them.
#[derive(Debug, PartialEq)]
pub(super) struct Setting {
    /// With those of its groups, such as `ftp.listen`.
    pub(super) name: String,
    /// `None` for a group.
    pub(super) default: Option<String>,
    pub(super) about: Vec<Block>,
    pub(super) examples: Vec<String>,
}

/// A piece of a comment.
#[derive(Debug, PartialEq)]
pub(super) enum Block {
    Paragraph(String),
    /// A value, and what it means.
    Term(String, String),
    /// A line of its own.
    Verbatim(String),
}

/// The columns that set lists and lines off from text.
const LIST_INDENT: usize = 3;

/// Returns what a file says of itself, and of each key.
///
/// A comment is `// text`; `//key: value,` a key with its default, and `// e.g. ` an example. What
/// they say stands before the key.
pub(super) fn settings(sample: &str) -> (Vec<Block>, Vec<Setting>) {
    let (mut about, mut examples) = (Vec::new(), Vec::new());
    let (mut file, mut settings) = (Vec::new(), Vec::new());
    let mut groups: Vec<&str> = Vec::new();
    // A comment goes on in the next line, unless an empty one or a key was between.
    let mut goes_on = false;
    for line in sample.lines().map(str::trim) {
        let name = |key: &str| [groups.as_slice(), &[key]].concat().join(".");
        match line.strip_prefix("//") {
            Some(comment) => match comment.strip_prefix(' ') {
                Some(text) if text.starts_with("e.g. ") => {
                    let example = text["e.g. ".len()..].trim_end_matches(',');
                    let within = |text: String, group: &&str| format!("{group}: ({text})");
                    examples.push(groups.iter().rev().fold(example.to_owned(), within));
                }
                Some(text) => {
                    add_comment(&mut about, text, goes_on);
                    goes_on = true;
                    continue;
                }
                None => {
                    if let Some((key, value)) = comment.split_once(": ") {
                        settings.push(Setting {
                            name: name(key),
                            default: Some(value.trim_end_matches(',').to_owned()),
                            about: std::mem::take(&mut about),
                            examples: std::mem::take(&mut examples),
                        });
                    }
                }
            },
            None if line == "(" => file = std::mem::take(&mut about),
            None => match line.strip_suffix(": (") {
                Some(group) => {
                    settings.push(Setting {
                        name: name(group),
                        default: None,
                        about: std::mem::take(&mut about),
                        examples: Vec::new(),
                    });
                    groups.push(group);
                }
                None if line.starts_with(')') => {
                    groups.pop();
                }
                None => {}
            },
        }
        goes_on = false;
    }
    (file, settings)
}

/// Adds one line of a comment.
fn add_comment(blocks: &mut Vec<Block>, line: &str, goes_on: bool) {
    // One blank was taken with the slashes.
    let indent = line.len() - line.trim_start().len() + 1;
    let text = line.trim();
    match (blocks.last_mut(), indent) {
        (Some(Block::Paragraph(last)), 1) if goes_on => {
            last.push('\n');
            last.push_str(text);
        }
        (_, 1) => blocks.push(Block::Paragraph(text.to_owned())),
        (Some(Block::Term(_, meaning)), LIST_INDENT..) if goes_on && indent > LIST_INDENT => {
            meaning.push('\n');
            meaning.push_str(text);
        }
        _ => blocks.push(match text.split_once("  ") {
            Some((term, meaning)) => Block::Term(term.to_owned(), meaning.trim_start().to_owned()),
            None => Block::Verbatim(text.to_owned()),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = "\
// about
// the file.
//
// More.
(
    // A group.
    a: (
        // Yes | No. Whether:
        //   Yes  it is so,
        //        or nearly.
        //   a line
        // e.g. key: No,
        //key: Yes,
    ),
    //other: \"x\",
)
";

    #[test]
    fn comments_keys_and_groups_are_told_apart() {
        let paragraph = |text: &str| Block::Paragraph(text.to_owned());
        let (file, settings) = settings(SAMPLE);
        assert_eq!(file, [paragraph("about\nthe file."), paragraph("More.")]);
        let names: Vec<_> = settings.iter().map(|setting| &*setting.name).collect();
        assert_eq!(names, ["a", "a.key", "other"]);
        assert_eq!(settings[0].about, [paragraph("A group.")]);
        assert_eq!(settings[1].default.as_deref(), Some("Yes"));
        assert_eq!(settings[1].examples, ["a: (key: No)"]);
        assert_eq!(
            settings[1].about,
            [
                paragraph("Yes | No. Whether:"),
                Block::Term("Yes".to_owned(), "it is so,\nor nearly.".to_owned()),
                Block::Verbatim("a line".to_owned()),
            ]
        );
    }

    #[test]
    fn every_key_of_the_settings_is_told() {
        let (_, settings) = settings(skiff_conf::SERVER_SAMPLE);
        for setting in &settings {
            assert!(!setting.name.contains(' '), "{}", setting.name);
            let default = setting.default.as_deref().unwrap_or_default();
            assert!(!default.ends_with(['[', '{', '(']), "{}", setting.name);
        }
        let told = |name: &str| settings.iter().any(|setting| setting.name == name);
        for name in [
            "ftp.data_tls_resumption",
            "walls",
            "limits.drain",
            "log.xferlog",
        ] {
            assert!(told(name), "{name}");
        }
    }
}
