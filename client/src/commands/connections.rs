//! Implements the commands on the connection: open, reconnect, close.

use super::spec::ParsedArgs;
use crate::net::command_error::{CommandError, CommandResult};
use crate::net::known_hosts::host_and_port;
use crate::net::session::Session;
use crate::terminal::format::{escape_name, format_reply};
use crate::terminal::output::{print_line, print_reply};

/// `open`: logs in at another server, or anew at this one.
pub(crate) fn open(_: &mut Session, args: &ParsedArgs) -> CommandResult {
    let target = args.words.first().map(|word| word.to_text());
    Err(CommandError::Open(target))
}

/// `reconnect`: makes the connection anew, with the same login and in the same directory.
pub(crate) fn reconnect(session: &mut Session, _: &ParsedArgs) -> CommandResult {
    session.hang_up();
    match session.connect_again() {
        Err(CommandError::SessionEnded(cause)) => session.restore(cause)?,
        connected => {
            connected?;
            print_line(format_args!(
                "230 {}: connected, in {}",
                host_and_port(&session.account.server),
                escape_name(&session.cwd)
            ));
        }
    }
    Ok(())
}

/// `close`: ends the connection and stays.
pub(crate) fn close(session: &mut Session, _: &ParsedArgs) -> CommandResult {
    match session.hang_up() {
        Some(goodbye) => print_reply(&format_reply(&goodbye)),
        None => print_line("closed"),
    }
    Ok(())
}
