//! Looks a typed command up in the table, checks its arguments, and runs it.

use super::lexer::{Typed, What, Word};
use super::local;
use super::table::{self, NotAVerb};
use crate::net::command_error::{CommandError, CommandResult};
use crate::net::session::Session;
use crate::terminal::format::escape_name;

/// Does one command. What it has to say, it says itself; a failure is the caller's to tell.
pub(crate) fn run(session: &mut Session, typed: &Typed) -> CommandResult {
    let done = match &typed.what {
        What::Local(line) => local::run_local_shell(line),
        What::Verb(words) => run_verb(session, words),
    };
    // Codes that nobody answers still have to leave.
    session.link.flush(&session.interrupt)?;
    // A Ctrl-C that came too late to stop this must not stop the next.
    session.interrupt.take();
    done
}

fn run_verb(session: &mut Session, words: &[Word]) -> CommandResult {
    let Some((typed, arguments)) = words.split_first() else {
        return Ok(());
    };
    let typed = typed.text();
    let verb = table::find(&typed).map_err(|error| not_a_verb(&typed, error))?;
    let given = verb
        .accept(arguments)
        .map_err(|why| CommandError::refused(verb.name, why))?;
    (verb.run)(session, &given)
}

fn not_a_verb(typed: &str, error: NotAVerb) -> CommandError {
    let typed = escape_name(typed.as_bytes());
    CommandError::Refused(match error {
        NotAVerb::Unknown => format!("{typed}: no such command; help lists them"),
        NotAVerb::Ambiguous(candidates) => {
            format!("{typed}: ambiguous, it could be: {}", candidates.join(" "))
        }
    })
}
