//! Decides which lines are kept in the history: none that may hold a secret.

use crate::commands::lexer::{self, CommandKind};
use crate::commands::table;
use crate::terminal::lines::Aliases;

/// The commands that people give secrets to though they take none.
const SECRETIVE: [&str; 1] = ["passwd"];

/// Returns whether a line is kept. One that begins with a blank is not (as in shells with
/// HISTCONTROL=ignorespace), nor one with something behind `passwd`, or a password before the `@`
/// of a server.
pub(super) fn is_kept(line: &str) -> bool {
    if line.trim().is_empty() || line.starts_with([' ', '\t']) {
        return false;
    }
    // What cannot be read is kept to be corrected, unless it looks like a secret.
    let Ok(commands) = lexer::parse_commands(line, &Aliases::default()) else {
        return !has_secret_words(line.split([' ', '\t', ';']));
    };
    !commands.iter().any(|typed| match &typed.kind {
        CommandKind::Named(words) => {
            let words: Vec<String> = words.iter().map(|word| word.to_text()).collect();
            has_secret_words(words.iter().map(String::as_str))
        }
        CommandKind::LocalShell(line) => has_secret_words(line.split([' ', '\t', ';'])),
    })
}

/// True where a command that takes no secret got words, or a word is like `user:password@host`.
fn has_secret_words<'a>(words: impl Iterator<Item = &'a str>) -> bool {
    let mut after_secretive = false;
    for word in words.filter(|word| !word.is_empty()) {
        if after_secretive || has_password(word) {
            return true;
        }
        let command = table::find(word).ok();
        after_secretive = command.is_some_and(|found| SECRETIVE.contains(&found.name));
    }
    false
}

fn has_password(word: &str) -> bool {
    let Some((user, _)) = word.rsplit_once('@') else {
        return false;
    };
    let user = user.rsplit_once("//").map_or(user, |(_, user)| user);
    user.contains(':') && !user.contains('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_secret_is_kept() {
        for line in [
            "",
            "  ",
            " ls",
            "passwd new",
            "ls; passwd old new",
            "password 'x y'",
            "passwd x 'y",
            "open tom:secret@nas",
            "open \"tom:secret@nas:8001\"",
            "!curl ftp://tom:secret@nas/",
        ] {
            assert!(!is_kept(line), "{line}");
        }
        for line in [
            "ls",
            "passwd",
            "passwd; ls",
            "open tom@nas:8001",
            "get 'a:b' x@y",
            "put dir/a:b@c",
            "put 'a",
        ] {
            assert!(is_kept(line), "{line}");
        }
    }
}
