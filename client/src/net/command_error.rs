//! How a command ends when it does not simply succeed.

use skiff_sessions::wire::native::answers::Answered;

use super::link::LinkError;
use crate::terminal::format::escape_name;

/// What a command comes to.
pub(crate) type CommandResult = Result<(), CommandError>;

#[derive(Debug)]
pub(crate) enum CommandError {
    /// Not done, and why; the session goes on.
    Refused(String),
    /// Not done because of this end's file, or of data that this end cannot take:
    /// commands that were sent ahead have had their answers, which are forgotten.
    Local(String),
    /// The person stopped it.
    Stopped(String),
    /// The person leaves: no failure at all, but nothing comes behind it.
    Quit,
    /// The session is over.
    SessionEnded(LinkError),
}

impl From<LinkError> for CommandError {
    fn from(error: LinkError) -> Self {
        Self::SessionEnded(error)
    }
}

impl CommandError {
    /// About a file, a path, a verb.
    pub(crate) fn refused(what: impl std::fmt::Display, why: impl std::fmt::Display) -> Self {
        Self::Refused(format!("{what}: {why}"))
    }

    /// The server's refusal, `404 a.iso: no such file or directory`.
    pub(crate) fn from_reply(what: &[u8], answered: &Answered) -> Self {
        let (code, text) = (answered.code, escape_name(answered.text.as_bytes()));
        match what {
            [] => Self::Refused(format!("{code} {text}")),
            what => Self::Refused(format!("{code} {}: {text}", escape_name(what))),
        }
    }
}
