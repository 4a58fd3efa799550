//! Sends requests without files ahead of the answers to those before, so that a long line costs one
//! turn for many.

use skiff_sessions::digest::Sum;
use skiff_sessions::path::{LinkTarget, PathArg};
use skiff_sessions::wire::command::{Command, SetAttributes};
use skiff_sessions::wire::native::replies::ReplyLine;

use crate::net::changes::{self, Change};
use crate::net::command_error::{CommandError, CommandResult};
use crate::net::session::Session;

/// How many requests are under way.
const AHEAD_MAX: usize = 32;

/// How many bytes the server may have to read for them: what is stopped must not take long.
const AHEAD_BYTES_MAX: u64 = 64 << 20;

/// A request that may be done twice, and what the server may have to read for it, in bytes.
pub(super) struct Request {
    pub(super) command: Command,
    pub(super) reads: u64,
}

impl Request {
    /// Asks for the digest of a file of `size` bytes.
    pub(super) fn digest_of(session: &Session, path: PathArg, size: u64) -> Self {
        let algorithm = session.digest;
        Self {
            command: Command::Hash { path, algorithm },
            reads: size,
        }
    }

    pub(super) fn set(attributes: SetAttributes) -> Self {
        Self {
            command: Command::SetAttributes(attributes),
            reads: 0,
        }
    }
}

/// Sends the requests and calls `on_reply` with the index and the reply of each.
pub(super) fn request_all(
    session: &mut Session,
    requests: &[Request],
    mut on_reply: impl FnMut(usize, &ReplyLine),
) -> CommandResult {
    let (mut sent, mut answered) = (0, 0);
    let mut connection = session.connections;
    while answered < requests.len() {
        if session.connections != connection {
            connection = session.connections;
            sent = answered;
        }
        while sent < requests.len() && may_send(&requests[answered..sent]) {
            session.send_ahead(&requests[sent].command);
            sent += 1;
        }
        match session.reply_to_request() {
            Ok(reply) => {
                on_reply(answered, &reply);
                answered += 1;
            }
            Err(CommandError::SessionEnded(cause)) => session.restore(cause)?,
            Err(other) => return Err(other),
        }
    }
    Ok(())
}

/// Deletes files and links at the server; calls `on_end` with how each ended, in their order.
pub(super) fn delete_all(
    session: &mut Session,
    paths: &[PathArg],
    on_end: impl FnMut(Result<(), CommandError>) -> CommandResult,
) -> CommandResult {
    let command = |path: &PathArg| (path.clone(), Command::Delete(path.clone()));
    change_all(session, paths, command, changes::delete_again, on_end)
}

/// Makes links at the server; calls `on_end` with how each ended, in their order.
pub(super) fn make_links(
    session: &mut Session,
    links: &[(PathArg, LinkTarget)],
    on_end: impl FnMut(Result<(), CommandError>) -> CommandResult,
) -> CommandResult {
    let command = |(path, target): &(PathArg, LinkTarget)| {
        let (path, target) = (path.clone(), target.clone());
        (path.clone(), Command::MakeLink { path, target })
    };
    let again = |session: &mut Session, (path, target): &(PathArg, LinkTarget)| {
        changes::make_link_again(session, path, target)
    };
    change_all(session, links, command, again, on_end)
}

/// Makes changes, each of a path by a command. Of what was under way when a connection was lost the
/// server is asked first what became of it, by `again`.
fn change_all<T>(
    session: &mut Session,
    all: &[T],
    command: impl Fn(&T) -> (PathArg, Command),
    again: impl Fn(&mut Session, &T) -> Result<(), CommandError>,
    mut on_end: impl FnMut(Result<(), CommandError>) -> CommandResult,
) -> CommandResult {
    let (mut sent, mut answered) = (0, 0);
    while answered < all.len() {
        while sent < all.len() && sent - answered < AHEAD_MAX {
            session.send_ahead(&command(&all[sent]).1);
            sent += 1;
        }
        match session.reply_to_request() {
            Ok(reply) => {
                let change = Change::Answered(Box::new(reply));
                let ended = change.or_refused(command(&all[answered]).0.as_bytes());
                on_end(ended.map(|_| ()))?;
                answered += 1;
            }
            Err(CommandError::SessionEnded(cause)) => {
                session.restore(cause)?;
                for one in &all[answered..sent] {
                    on_end(again(session, one))?;
                }
                answered = sent;
            }
            Err(other) => return Err(other),
        }
    }
    Ok(())
}

fn may_send(under_way: &[Request]) -> bool {
    let reads: u64 = under_way.iter().map(|request| request.reads).sum();
    under_way.len() < AHEAD_MAX && reads < AHEAD_BYTES_MAX
}

/// Returns the digests of files at the server; `None` where it has none to tell.
pub(super) fn digests(
    session: &mut Session,
    files: Vec<(PathArg, u64)>,
) -> Result<Vec<Option<Sum>>, CommandError> {
    let digest_of = |(path, size)| Request::digest_of(session, path, size);
    let requests: Vec<Request> = files.into_iter().map(digest_of).collect();
    let mut sums = vec![None; requests.len()];
    request_all(session, &requests, |index, reply| sums[index] = reply.sum)?;
    Ok(sums)
}
