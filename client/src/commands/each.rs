//! Runs a command for each of its names: one that fails does not keep the others from being tried.

use super::lexer::Word;
use crate::net::command_error::{CommandError, CommandResult};
use crate::net::session::Session;
use crate::terminal::output::print_error;

/// Runs `run` for each of `words`.
///
/// # Errors
///
/// That of a single word; where some of several failed, how many: each was told when it failed.
/// Ctrl-C and the end of the connection end the loop.
pub(crate) fn for_each(
    session: &mut Session,
    words: &[Word],
    mut run: impl FnMut(&mut Session, &Word) -> CommandResult,
) -> CommandResult {
    if let [only] = words {
        return run(session, only);
    }
    let mut failed = 0;
    for word in words {
        if session.interrupt.is_stopped() {
            return Err(CommandError::Stopped("stopped".into()));
        }
        match run(session, word) {
            Ok(()) => {}
            Err(
                CommandError::Refused(why) | CommandError::Local(why) | CommandError::NoRoom(why),
            ) => {
                print_error(why);
                failed += 1;
            }
            Err(
                error @ (CommandError::Stopped(_)
                | CommandError::Quit
                | CommandError::Open(_)
                | CommandError::SessionEnded(_)),
            ) => return Err(error),
        }
    }
    match failed {
        0 => Ok(()),
        failed => Err(CommandError::Refused(format!(
            "{failed} of {} failed",
            words.len()
        ))),
    }
}
