//! The commands of the control socket, and the lines that answer them.

use std::fmt;

use crossbeam_channel::Sender;

/// What the operator wants of the daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Counts homes again.
    Recount(Who),
    /// Lets the sessions of a user stay at the next change of the accounts.
    KeepSessions(String),
    /// Reads the configuration again.
    Reload,
    /// Says what it listens on, an address a line.
    Addresses,
}

/// Whose homes a command is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    All,
    User(String),
}

impl Command {
    /// Parses a line without its end.
    pub(super) fn parse(line: &str) -> Result<Self, String> {
        let words: Vec<_> = line.split(' ').collect();
        match words[..] {
            ["addresses"] => Ok(Self::Addresses),
            ["reload"] => Ok(Self::Reload),
            ["recount", "--all"] => Ok(Self::Recount(Who::All)),
            ["recount", user] if !user.is_empty() => Ok(Self::Recount(Who::User(user.to_owned()))),
            ["keep-sessions", user] if !user.is_empty() => Ok(Self::KeepSessions(user.to_owned())),
            _ => Err("the daemon does not know this command; is it of another version?".to_owned()),
        }
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Recount(Who::All) => f.write_str("recount --all"),
            Self::Recount(Who::User(user)) => write!(f, "recount {user}"),
            Self::Addresses => f.write_str("addresses"),
            Self::Reload => f.write_str("reload"),
            Self::KeepSessions(user) => write!(f, "keep-sessions {user}"),
        }
    }
}

/// A line of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    Say(String),
    Fail(String),
    Done,
}

impl Line {
    /// Parses a line without its end; `None` where it is none of these.
    pub(super) fn parse(line: &str) -> Option<Self> {
        match line.split_once(' ') {
            Some(("say", text)) => Some(Self::Say(text.to_owned())),
            Some(("fail", text)) => Some(Self::Fail(text.to_owned())),
            None if line == "done" => Some(Self::Done),
            _ => None,
        }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A name may hold what would end the line.
        let one_line = |text: &str| text.replace(|c: char| c.is_control(), "?");
        match self {
            Self::Say(text) => write!(f, "say {}", one_line(text)),
            Self::Fail(text) => write!(f, "fail {}", one_line(text)),
            Self::Done => f.write_str("done"),
        }
    }
}

/// A command and the way of its answer.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) command: Command,
    pub(crate) answer: Answer,
}

/// Where the lines of an answer go. Dropping it without [`Answer::done`] cuts the connection.
#[derive(Debug)]
pub(crate) struct Answer(pub(super) Sender<Line>);

impl Answer {
    /// Sends a line of the result; false where the client is gone.
    pub(crate) fn say(&self, text: impl Into<String>) -> bool {
        self.0.send(Line::Say(text.into())).is_ok()
    }

    /// Says that something went wrong; false where the client is gone.
    pub(crate) fn fail(&self, text: impl Into<String>) -> bool {
        self.0.send(Line::Fail(text.into())).is_ok()
    }

    /// Ends the answer.
    pub(crate) fn done(self) {
        // A client that is gone needs no end.
        let _ = self.0.send(Line::Done);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_and_lines_are_read_as_they_are_written() {
        for command in [
            Command::Recount(Who::All),
            Command::Recount(Who::User("tom".to_owned())),
            Command::KeepSessions("tom".to_owned()),
            Command::Reload,
            Command::Addresses,
        ] {
            assert_eq!(Command::parse(&command.to_string()), Ok(command));
        }
        for line in [
            Line::Say("two words".to_owned()),
            Line::Fail("no".to_owned()),
            Line::Done,
        ] {
            assert_eq!(Line::parse(&line.to_string()), Some(line));
        }
        for bad in [
            "",
            "recount",
            "recount ",
            "recount a b",
            "RECOUNT tom",
            "quit",
            "reload x",
        ] {
            assert!(Command::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(Line::parse("done it"), None);
        let forged = Line::Say("a\ndone".to_owned()).to_string();
        assert_eq!(forged, "say a?done");
    }
}
