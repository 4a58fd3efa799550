//! The commands of the control socket, and how they reach the reactor with the way of their answers.

use std::net::IpAddr;
use std::os::fd::OwnedFd;

use crossbeam_channel::Sender;
use serde::{Deserialize, Serialize};

use super::answer::{Handed, Line};

/// What the operator wants of the daemon; in JSON, `do` names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Command {
    /// Says who is connected, and what each does.
    Who {},
    /// Ends sessions.
    Kick(Whom),
    /// Says who may not log in at the moment.
    Bans {},
    /// Ends the bans of an address or a user.
    Unban(Banned),
    UnbanAll {},
    /// Says what homes hold: of one user, or of all.
    Quota {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<String>,
    },
    /// Says what the daemon has counted since its start.
    Stats {},
    /// Stops listening, lets transfers finish, and ends.
    Drain {
        /// How long transfers may go on, instead of `limits.drain`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seconds: Option<u32>,
    },
    /// Counts the home of a user again.
    Recount {
        user: String,
    },
    RecountAll {},
    /// Lets the sessions of a user stay at the next change of the accounts.
    KeepSessions {
        user: String,
    },
    /// Reads the configuration again.
    Reload {},
    /// Says what it listens on.
    Addresses {},
    /// Hands its sockets and locks to a process that is to replace it, and goes on as before.
    HandOver {},
    /// Leaves new sessions to that process, lets transfers finish, and ends.
    GiveWay {
        process: u32,
        /// How long transfers may go on, instead of `limits.drain`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seconds: Option<u32>,
    },
}

/// Whose sessions are ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Whom {
    /// The one of this number.
    Session(u64),
    User(String),
    Address(IpAddr),
}

/// Whose bans are ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Banned {
    Address(IpAddr),
    User(String),
}

/// Whose homes a command is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    All,
    User(String),
}

impl Command {
    /// Parses a line.
    pub(super) fn parse(line: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(line).map_err(|error| {
            format!("the daemon does not know this command; is it of another version? {error}")
        })
    }

    /// That of a recount.
    pub(crate) fn recount(who: Who) -> Self {
        match who {
            Who::All => Self::RecountAll {},
            Who::User(user) => Self::Recount { user },
        }
    }
}

/// A command and the way of its answer.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) command: Command,
    /// Where the answer goes on: 0, or what [`Answer::more`] was given.
    pub(crate) from: usize,
    pub(crate) answer: Answer,
}

/// A part of an answer.
#[derive(Debug)]
pub(super) enum Part {
    Line(Box<Line>),
    /// A line that a descriptor comes with.
    Handed(Handed, OwnedFd),
    /// The rest is to be asked for, from here on.
    More(usize),
    Done,
}

/// Where the lines of an answer go. Dropping it without [`Answer::done`] or [`Answer::more`] cuts
/// the connection.
#[derive(Debug)]
pub(crate) struct Answer(pub(super) Sender<Part>);

impl Answer {
    /// Sends a line of the result; false where the client is gone.
    pub(crate) fn line(&self, line: Line) -> bool {
        self.0.send(Part::Line(Box::new(line))).is_ok()
    }

    /// Sends a text for people; false where the client is gone.
    pub(crate) fn say(&self, text: impl Into<String>) -> bool {
        self.line(Line::Said { text: text.into() })
    }

    /// Says that something went wrong; false where the client is gone.
    pub(crate) fn fail(&self, why: impl Into<String>) -> bool {
        self.line(Line::Failed { why: why.into() })
    }

    /// Hands a descriptor over; false where the client is gone.
    pub(crate) fn hand(&self, what: Handed, descriptor: OwnedFd) -> bool {
        self.0.send(Part::Handed(what, descriptor)).is_ok()
    }

    /// Ends a piece of a long answer: the same command comes again, with `from`, once the client
    /// has read the piece.
    pub(crate) fn more(self, from: usize) {
        let _ = self.0.send(Part::More(from));
    }

    /// Ends the answer.
    pub(crate) fn done(self) {
        // A client that is gone needs no end.
        let _ = self.0.send(Part::Done);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_command_is_refused_and_why_is_told() {
        for bad in [
            "",
            "who",
            "{}",
            r#"{"do":"dance"}"#,
            r#"{"do":"who","what":1}"#,
            r#"{"do":"kick"}"#,
            r#"{"do":"kick","session":"seven"}"#,
            r#"{"do":"kick","session":1,"user":"tom"}"#,
            r#"{"do":"kick","address":"nowhere"}"#,
            r#"{"do":"recount"}"#,
            r#"{"do":"who"} {"do":"who"}"#,
        ] {
            let why = Command::parse(bad.as_bytes()).unwrap_err();
            assert_eq!(why.lines().count(), 1, "{bad}: {why}");
        }
    }
}
