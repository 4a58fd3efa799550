//! Looks a typed command up in the table, checks its arguments, and runs it.

use super::expand::expand_args;
use super::jobs;
use super::lexer::{CommandKind, Ground, TypedCommand, Word};
use super::local;
use super::output::unless_left;
use super::spec::{CommandSpec, OutputKind, ParsedArgs};
use super::table::{self, LookupError};
use crate::net::command_error::{CommandError, CommandResult};
use crate::net::session::Session;
use crate::terminal::format::escape_name;
use crate::terminal::output::{LineKind, begin_lines};
use crate::terminal::pager;
use crate::terminal::redirect::Redirection;

/// Runs one command, which prints its own output; the caller prints the error.
pub(crate) fn run(session: &mut Session, typed: &TypedCommand) -> CommandResult {
    let done = match &typed.kind {
        CommandKind::LocalShell(line) => local::run_local_shell(line),
        CommandKind::Named(words) => typed.output.of(|| run_named(session, words, typed.ground)),
    };
    finish(session, done)
}

/// Runs the command `name` with arguments that were separated already.
pub(crate) fn run_args(session: &mut Session, name: &str, args: &ParsedArgs) -> CommandResult {
    let done = match table::find(name) {
        Ok(command) => run_command(session, command, args),
        Err(error) => Err(lookup_error(name, error)),
    };
    finish(session, done)
}

/// Leaves the session ready for the next command.
fn finish(session: &mut Session, done: CommandResult) -> CommandResult {
    begin_lines(LineKind::Result);
    if pager::take_ended() {
        // What was pressed in the pager was meant for it.
        session.interrupt.begin_command();
    }
    // Some commands end with a line that gets no answer: send it now.
    session.connection.flush(&session.interrupt)?;
    done
}

/// Looks the first word up and runs its command with the rest.
fn run_named(session: &mut Session, words: &[Word], ground: Ground) -> CommandResult {
    let Some((typed, arguments)) = words.split_first() else {
        return Ok(());
    };
    let typed = typed.to_text();
    let command = table::find(&typed).map_err(|error| lookup_error(&typed, error))?;
    let args = command
        .parse_args(arguments)
        .map_err(|why| CommandError::refused(command.name, why))?;
    if ground == Ground::Back {
        return jobs::begin(session, command, args, words);
    }
    let args = expand_args(session, command, args)?;
    run_command(session, command, &args)
}

fn run_command(session: &mut Session, command: &CommandSpec, args: &ParsedArgs) -> CommandResult {
    begin_lines(match command.output {
        OutputKind::Text | OutputKind::Pages => LineKind::Result,
        OutputKind::Report | OutputKind::Transfer => LineKind::Report,
    });
    let _pages = match command.output {
        OutputKind::Pages => Redirection::to_pages(),
        OutputKind::Text | OutputKind::Report | OutputKind::Transfer => None,
    };
    unless_left((command.run)(session, args))
}

/// Words why no command was found.
pub(super) fn lookup_error(typed: &str, error: LookupError) -> CommandError {
    let typed = escape_name(typed.as_bytes());
    CommandError::Refused(match error {
        LookupError::Unknown(None) => format!("{typed}: no such command; help lists them"),
        LookupError::Unknown(Some(meant)) => {
            format!("{typed}: no such command; did you mean {meant}?")
        }
        LookupError::Ambiguous(candidates) => {
            format!("{typed}: ambiguous, it could be: {}", candidates.join(" "))
        }
    })
}
