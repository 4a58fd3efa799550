//! Rewords the errors of the RON parser for the person who wrote the file.

use ron::error::Error;

/// The text of the complaint about a parse error in the setting `path` (empty at the top).
pub(crate) fn describe(error: &Error, path: &str) -> String {
    match error {
        Error::NoSuchStructField {
            expected, found, ..
        } => {
            format!(
                "unknown key {found:?}{}; {}",
                in_section(path),
                suggest(found, expected)
            )
        }
        Error::DuplicateStructField { field, .. } => {
            format!(
                "key {field:?} stands twice{}; keep one of them",
                in_section(path)
            )
        }
        Error::MissingStructField { field, .. } => {
            with_key(path, &format!("the key {field:?} is missing; add it"))
        }
        Error::NoSuchEnumVariant {
            expected, found, ..
        } => with_key(
            path,
            &format!("{found:?} is not known; {}", suggest(found, expected)),
        ),
        other => with_key(path, &advice_for(other)),
    }
}

/// What to write instead.
fn advice_for(error: &Error) -> String {
    let advice = match error {
        Error::Message(text) => text,
        Error::ExpectedBoolean => "write true or false, without quotes",
        Error::ExpectedString => "write a text in double quotes",
        Error::ExpectedInteger | Error::InvalidIntegerDigit { .. } => "write a whole number",
        Error::IntegerOutOfBounds => "the number is negative or too large",
        Error::ExpectedArray => "write a list in brackets: [ .. ]",
        Error::ExpectedArrayEnd => "the list is not closed; write ] after its last item",
        Error::ExpectedMap => "write names and values in braces: { .. }",
        Error::ExpectedMapColon => "a colon is missing between a key and its value",
        Error::ExpectedMapEnd => "the braces are not closed; write } after the last item",
        Error::ExpectedStructLike
        | Error::ExpectedNamedStructLike(_)
        | Error::ExpectedDifferentStructName { .. } => {
            "write keys and values in parentheses: ( .. )"
        }
        Error::ExpectedStructLikeEnd => {
            "the parentheses are not closed; write ) after the last key"
        }
        Error::ExpectedIdentifier => "write a word without quotes",
        Error::ExpectedComma => "a comma is missing before this, or a bracket is not closed",
        Error::ExpectedStringEnd => "the text that starts here has no closing quote",
        Error::Eof => "the file ends here, but a bracket is still open",
        Error::TrailingCharacters => "nothing may follow the last closing parenthesis",
        Error::InvalidValueForType { expected, found } => {
            return format!("{found} is not right; write {expected}");
        }
        other => return lower(&other.to_string()),
    };
    advice.to_owned()
}

fn with_key(path: &str, text: &str) -> String {
    match path {
        "" => text.to_owned(),
        path => format!("{path}: {text}"),
    }
}

fn in_section(path: &str) -> String {
    match path {
        "" => String::new(),
        path => format!(" in {path}"),
    }
}

/// Advice to write the most similar of the known words, or one of them.
pub(crate) fn suggest(found: &str, known: &[&str]) -> String {
    let nearest = known.iter().min_by_key(|word| distance(found, word));
    match nearest {
        Some(word) if distance(found, word) <= 1 + found.len() / 4 => {
            format!("did you mean {word:?}?")
        }
        Some(_) => format!("write one of {}", known.join(", ")),
        None => "nothing may stand here".to_owned(),
    }
}

/// The number of edits (insert, delete, replace) between two words; case does not count.
fn distance(a: &str, b: &str) -> usize {
    let b = b.to_lowercase();
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.to_lowercase().chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.chars().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.chars().count()]
}

fn lower(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_lowercase().chain(chars).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_suggested_and_far_ones_listed() {
        assert_eq!(
            suggest("quotta", &["homes", "quota"]),
            "did you mean \"quota\"?"
        );
        assert_eq!(suggest("off", &["On", "Off"]), "did you mean \"Off\"?");
        assert_eq!(suggest("banana", &["On", "Off"]), "write one of On, Off");
        assert_eq!(suggest("x", &[]), "nothing may stand here");
    }

    #[test]
    fn distance_counts_edits() {
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", ""), 3);
        assert_eq!(distance("sitting", "kitten"), 3);
        assert_eq!(distance("Tls", "tls"), 0);
    }
}
