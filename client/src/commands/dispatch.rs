//! Looks a typed command up in the table, checks its arguments, and runs it.

use super::lexer::{Typed, What, Word};
use super::local;
use super::table::{self, NotAVerb};
use crate::net::command_error::{Done, Failure};
use crate::net::session::Shell;
use crate::terminal::format::escape_name;

/// Does one command. What it has to say, it says itself; a failure is the caller's to tell.
pub(crate) fn run(shell: &mut Shell, typed: &Typed) -> Done {
    let done = match &typed.what {
        What::Local(line) => local::shell(line),
        What::Verb(words) => run_verb(shell, words),
    };
    // Codes that nobody answers still have to leave.
    shell.link.flush(&shell.interrupt)?;
    // A Ctrl-C that came too late to stop this must not stop the next.
    shell.interrupt.take();
    done
}

fn run_verb(shell: &mut Shell, words: &[Word]) -> Done {
    let Some((typed, arguments)) = words.split_first() else {
        return Ok(());
    };
    let typed = typed.text();
    let verb = table::find(&typed).map_err(|error| not_a_verb(&typed, error))?;
    let given = verb
        .accept(arguments)
        .map_err(|why| Failure::about(verb.name, why))?;
    (verb.run)(shell, &given)
}

fn not_a_verb(typed: &str, error: NotAVerb) -> Failure {
    let typed = escape_name(typed.as_bytes());
    Failure::Refused(match error {
        NotAVerb::Unknown => format!("{typed}: no such command; help lists them"),
        NotAVerb::Ambiguous(candidates) => {
            format!("{typed}: ambiguous, it could be: {}", candidates.join(" "))
        }
    })
}
