//! Makes the manual page `skiff.1` from the tables, in the man macros of roff(7).

use super::argv::FORMS;
use super::exit::EXITS;
use crate::commands::account::VERSION;
use crate::commands::options::Group;
use crate::commands::table::COMMANDS;
use crate::commands::topics::{TOPICS, TopicText};

const DESCRIPTION: &str = "\
skiff talks to a skiffd server: at a prompt on a terminal, else by the commands of -c, -f \
or standard input, one a line; or it does one command, whose arguments are names as they \
are, with nothing quoted a second time.

HOST is [user@]host[:port], with an IPv6 address in brackets, or the name of one of the \
hosts of the settings. HOST:PATH is a path there.

each transfer is verified by a digest, an interrupted one is gone on with from the prefix \
that both ends have, and no password crosses the wire.
";

/// Files, and what they are for.
const FILES: [(&str, &str); 4] = [
    (
        "~/.config/skiff/client.ron",
        "the settings: server, user, hosts, aliases; below XDG_CONFIG_HOME where that is set",
    ),
    (
        "~/.config/skiff/known_hosts",
        "the certificates of servers that were met",
    ),
    (
        "~/.local/state/skiff/history",
        "the lines that were typed; below XDG_STATE_HOME where that is set",
    ),
    (
        "NAME.skiff-part",
        "what has come of an interrupted download",
    ),
];

/// Environment variables, and what they are for.
const ENVIRONMENT: [(&str, &str); 6] = [
    (
        "SKIFF_PASSWORD_FILE",
        "a file with the password for what the command line asks for",
    ),
    ("PAGER", "shows what is longer than the screen"),
    ("VISUAL, EDITOR", "changes files for edit"),
    ("LS_COLORS, NO_COLOR", "colours of listings"),
    ("TZ", "the time zone of listings"),
    ("TERM", "of the kind dumb, progress is told in lines"),
];

/// Returns the page.
pub(crate) fn page() -> String {
    let mut page = Page(String::new());
    page.request(&format!(
        "TH SKIFF 1 \"\" \"{}\"",
        VERSION.replace('/', " ")
    ));
    page.section("NAME");
    page.text("skiff - line-mode client of the file server skiffd");
    page.section("SYNOPSIS");
    page.syntax("skiff [options] [[user@]host[:port]]");
    for form in FORMS {
        page.request("br");
        page.syntax(&format!("skiff [options] {}", form.syntax));
    }
    page.section("DESCRIPTION");
    page.paragraphs(DESCRIPTION);
    page.section("OPTIONS");
    for group in Group::ALL {
        page.subsection(group.title());
        for option in group.options() {
            page.term(&option.syntax(), option.help);
        }
    }
    page.section("COMMANDS");
    page.paragraphs("any unambiguous beginning of a command will do. these need no prompt:\n");
    for form in FORMS {
        page.term(&format!("skiff {}", form.syntax), form.help());
    }
    page.paragraphs("these are for the prompt and for scripts:\n");
    for command in COMMANDS {
        page.subsection(command.syntax);
        page.paragraphs(command.help);
        page.paragraphs(command.details);
        if !command.aliases.is_empty() {
            page.paragraphs(&format!("also: {}", command.aliases.join(" ")));
        }
    }
    for topic in TOPICS {
        if let TopicText::Words(text) = topic.text {
            page.section(&topic.name.to_uppercase());
            page.paragraphs(text);
        }
    }
    page.section("EXIT STATUS");
    for (exit, meaning) in EXITS {
        page.term(&exit.code().to_string(), meaning);
    }
    page.section("FILES");
    FILES.iter().for_each(|(file, what)| page.term(file, what));
    page.section("ENVIRONMENT");
    ENVIRONMENT
        .iter()
        .for_each(|(name, what)| page.term(name, what));
    page.0
}

/// The page so far.
struct Page(String);

impl Page {
    fn request(&mut self, request: &str) {
        self.0.push_str(&format!(".{request}\n"));
    }

    fn section(&mut self, title: &str) {
        self.request(&format!("SH {}", quoted(title)));
    }

    fn subsection(&mut self, title: &str) {
        self.request(&format!("SS {}", quoted(title)));
    }

    fn syntax(&mut self, syntax: &str) {
        self.request(&format!("B {}", quoted(syntax)));
    }

    fn term(&mut self, term: &str, text: &str) {
        self.request("TP");
        self.syntax(term);
        self.text(text);
    }

    fn text(&mut self, text: &str) {
        self.0.push_str(&format!("{}\n", escaped(text)));
    }

    /// Adds paragraphs, which empty lines part; a line of two parts is a term and its text.
    fn paragraphs(&mut self, text: &str) {
        let mut is_between = true;
        for line in text.lines() {
            match line.split_once("  ") {
                _ if line.is_empty() => is_between = true,
                Some((term, text)) if !term.is_empty() => {
                    self.term(term, text.trim_start());
                    is_between = true;
                }
                _ => {
                    if is_between {
                        self.request("PP");
                    }
                    self.text(line);
                    is_between = false;
                }
            }
        }
    }
}

/// Escapes text: backslashes and hyphens are themselves, and no line is a request.
fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    match text.starts_with(['.', '\'']) {
        true => format!("\\&{text}"),
        false => text,
    }
}

/// Escapes an argument of a request.
fn quoted(text: &str) -> String {
    format!("\"{}\"", escaped(text).replace('"', "\\(dq"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_in_the_repository_is_the_tables() {
        let kept = include_str!("../../skiff.1");
        assert!(kept == page(), "run: skiff man > client/skiff.1");
    }

    #[test]
    fn no_text_is_a_request() {
        assert_eq!(escaped(".. and \\x -r"), "\\&.. and \\ex \\-r");
        assert_eq!(quoted("'a\" b"), "\"\\&'a\\(dq b\"");
    }
}
