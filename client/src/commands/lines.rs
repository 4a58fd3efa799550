//! Implements the commands on command lines: alias, history.

use super::lexer::{Word, escape_word};
use super::spec::ParsedArgs;
use crate::net::command_error::{CommandError, CommandResult};
use crate::net::session::Session;
use crate::terminal::format::{IoCause, escape_name};
use crate::terminal::output::print_line;

/// `alias`: gives a command a name, lists the names, drops one.
pub(crate) fn alias(session: &mut Session, args: &ParsedArgs) -> CommandResult {
    let aliases = &mut session.lines.aliases;
    let Some((first, rest)) = args.words.split_first() else {
        for (name, command) in aliases.iter() {
            print_alias(name, command);
        }
        return Ok(());
    };
    let first = first.to_text();
    let (name, begin) = match first.split_once('=') {
        Some((name, command)) => (name, Some(command.to_owned())),
        None => (first.as_str(), None),
    };
    let shown = || escape_name(name.as_bytes());
    if args.has_option('d') {
        return match aliases.remove(name) {
            true => Ok(()),
            false => Err(CommandError::refused(shown(), "no such alias")),
        };
    }
    let command: Vec<String> = begin
        .into_iter()
        .chain(rest.iter().map(Word::to_text))
        .collect();
    if command.is_empty() {
        let command = aliases.get(name);
        let command = command.ok_or_else(|| CommandError::refused(shown(), "no such alias"))?;
        print_alias(name, command);
        return Ok(());
    }
    if name.parse::<skiff_conf::Alias>().is_err() {
        let why = "no name for a command; letters, digits, dots, _ and - make one";
        return Err(CommandError::refused(shown(), why));
    }
    aliases.set(name.to_owned(), command.join(" "));
    Ok(())
}

/// Prints an alias as it can be typed.
fn print_alias(name: &str, command: &str) {
    let quoted = match command.contains('\'') {
        true => escape_word(command).into_owned(),
        false => format!("'{command}'"),
    };
    print_line(format_args!("alias {name} {}", escape_quoted(&quoted)));
}

/// Makes what may stand in a line of the settings harmless; backslashes stay, they are typed so.
fn escape_quoted(text: &str) -> String {
    escape_name(text.as_bytes()).replace(r"\\", r"\")
}

/// `history`: prints the lines that were typed.
pub(crate) fn history(session: &mut Session, args: &ParsedArgs) -> CommandResult {
    let history = &mut session.lines.history;
    if args.has_option('c') {
        let cleared = history.clear();
        return cleared.map_err(|error| CommandError::refused("history", IoCause(&error)));
    }
    let lines = history.lines();
    let count = match args.words.first() {
        None => lines.len(),
        Some(word) => {
            let count = word.to_text().parse::<usize>();
            count.map_err(|_| CommandError::refused(word.to_text(), "no number of lines"))?
        }
    };
    for line in &lines[lines.len().saturating_sub(count)..] {
        print_line(escape_quoted(line));
    }
    Ok(())
}
