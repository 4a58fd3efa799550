//! Defines the error that ends one command, as opposed to the whole program.

use std::fmt::{Arguments, Display};
use std::process::ExitStatus;

use skiff_sessions::scram::ScramError;
use skiff_sessions::wire::native::causes::Cause;
use skiff_sessions::wire::native::replies::ReplyLine;

use super::link::LinkError;
use crate::terminal::format::{IoCause, escape_name};

/// What a command returns.
pub(crate) type CommandResult = Result<(), CommandError>;

/// Why a command did not succeed.
#[derive(Debug)]
pub(crate) enum CommandError {
    /// The command was not done; the message says why. The session goes on.
    Refused(String),
    /// The command was not done because of a local file, or of data that this client cannot take.
    /// The answers to commands that were sent ahead have been read and dropped.
    Local(String),
    /// The command was not done because a disk or the quota is full, or the disk is read-only: so
    /// would others that store something there.
    NoRoom(String),
    /// The user stopped the command with Ctrl-C.
    Stopped(String),
    /// The user quits: not an error, but no command follows.
    Quit,
    /// The user wants a session elsewhere, or a new one: not an error, but whoever started the
    /// command logs in there.
    Open(Option<String>),
    /// The connection cannot be used any more, by this command and those that follow.
    SessionEnded(LinkError),
}

impl From<LinkError> for CommandError {
    fn from(error: LinkError) -> Self {
        Self::SessionEnded(error)
    }
}

/// A cause in words for people. Errors of the system are none: [`IoCause`] words them.
pub(crate) trait Reason: Display {}

impl Reason for str {}
impl Reason for String {}
impl Reason for Arguments<'_> {}
impl Reason for IoCause<'_> {}
impl Reason for ScramError {}
impl Reason for ExitStatus {}
impl<T: Reason + ?Sized> Reason for &T {}

impl CommandError {
    /// Returns `Refused` with `what: why`; `what` is a file, a path, or a command.
    pub(crate) fn refused(what: impl Display, why: impl Reason) -> Self {
        Self::Refused(format!("{what}: {why}"))
    }

    /// Returns `Refused` or `NoRoom` with the server's reply, such as `404 a.iso: no such file or directory`;
    /// `what` may be empty.
    pub(crate) fn from_reply(what: &[u8], answered: &ReplyLine) -> Self {
        let (code, text) = (answered.code, escape_name(answered.text.as_bytes()));
        let why = match what {
            [] => format!("{code} {text}"),
            what => format!("{code} {}: {text}", escape_name(what)),
        };
        match answered.why {
            Some(
                Cause::QuotaBytes | Cause::QuotaEntries | Cause::DiskFull | Cause::DiskReadOnly,
            ) => Self::NoRoom(why),
            _ => Self::Refused(why),
        }
    }
}
