//! How a command ends when it does not simply succeed.

use skiff_sessions::wire::native::answers::Answered;

use crate::link::LinkError;
use crate::show;
use crate::trouble::Trouble;

/// What a command comes to.
pub type Done = Result<(), Failure>;

#[derive(Debug)]
pub enum Failure {
    /// Not done, and why; the session goes on.
    Refused(String),
    /// The person stopped it.
    Stopped(String),
    /// The person leaves: no failure at all, but nothing comes behind it.
    Quit,
    /// The session is over.
    Over(LinkError),
    /// The program is.
    Ended(Trouble),
}

impl From<LinkError> for Failure {
    fn from(error: LinkError) -> Self {
        Self::Over(error)
    }
}

impl Failure {
    /// About a file, a path, a verb.
    pub fn about(what: impl std::fmt::Display, why: impl std::fmt::Display) -> Self {
        Self::Refused(format!("{what}: {why}"))
    }

    /// The server's refusal, `404 a.iso: no such file or directory`.
    pub fn reply(what: &[u8], answered: &Answered) -> Self {
        let (code, text) = (answered.code, show::name(answered.text.as_bytes()));
        match what {
            [] => Self::Refused(format!("{code} {text}")),
            what => Self::Refused(format!("{code} {}: {text}", show::name(what))),
        }
    }
}
