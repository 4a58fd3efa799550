//! Implements `help`: the commands, one of them, or a topic.

use super::dispatch::lookup_error;
use super::options::OPTIONS;
use super::spec::{CommandSpec, ParsedArgs};
use super::table::{self, COMMANDS};
use super::topics::{TOPICS, Topic, TopicText};
use crate::net::command_error::{CommandError, CommandResult};
use crate::net::session::Session;
use crate::terminal::output::{print_line, print_wrapped};

/// The columns that names of commands and topics take.
const NAME_WIDTH: usize = 9;

/// The columns that options of the program take.
const OPTION_WIDTH: usize = 22;

/// `help`: prints the table of commands, or what is said of one word.
pub(crate) fn help(_: &mut Session, args: &ParsedArgs) -> CommandResult {
    match args.words.first() {
        None => print_table(),
        Some(word) => print_about(&word.to_text())?,
    }
    Ok(())
}

/// Prints what there is.
pub(crate) fn print_table() {
    for command in COMMANDS {
        print_wrapped(&format!("{:<NAME_WIDTH$}  {}", command.name, command.help));
    }
    print_line("");
    print_wrapped("help COMMAND says all of one. there are these topics too:");
    for topic in TOPICS {
        print_wrapped(&format!("{:<NAME_WIDTH$}  {}", topic.name, topic.help));
    }
}

/// Prints what is said of a command or a topic, or of both.
///
/// # Errors
///
/// `Refused` where there is neither.
pub(crate) fn print_about(typed: &str) -> Result<(), CommandError> {
    let topic = TOPICS.iter().find(|topic| topic.name == typed);
    match (table::find(typed), topic) {
        (Ok(command), None) => print_command(command),
        (Ok(command), Some(topic)) if command.names().any(|name| name == typed) => {
            print_command(command);
            print_line("");
            print_topic(topic);
        }
        (_, Some(topic)) => print_topic(topic),
        (Err(error), None) => return Err(lookup_error(typed, error)),
    }
    Ok(())
}

fn print_command(command: &CommandSpec) {
    print_wrapped(&format!("usage: {}\n  {}", command.syntax, command.help));
    for line in command.details.lines() {
        print_wrapped(&format!("  {line}"));
    }
    if !command.aliases.is_empty() {
        print_wrapped(&format!("  also: {}", command.aliases.join(" ")));
    }
}

fn print_topic(topic: &Topic) {
    match topic.text {
        TopicText::Words(text) => text.lines().for_each(print_wrapped),
        TopicText::Options => {
            for option in OPTIONS {
                print_wrapped(&format!(
                    "{:<OPTION_WIDTH$}  {}",
                    option.syntax(),
                    option.help
                ));
            }
        }
    }
}
