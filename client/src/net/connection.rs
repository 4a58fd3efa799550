//! Holds the connection of a session: a link that serves one dialogue after another, or why there
//! is none any more.

use std::time::Instant;

use skiff_sessions::client::{Dialogue, Effect, Outcome};
use skiff_sessions::scram::Binding;
use skiff_sessions::wire::command::Command;
use skiff_sessions::wire::native::replies::ReplyLine;

use super::dialogue::{Patience, Ran, Unfinished, run_dialogue};
use super::link::{Link, LinkError, WaitLimits};
use super::local_end::LocalEnd;
use crate::terminal::interrupt::Interrupt;

/// A connection that is logged in, or was.
pub(crate) enum Connection {
    Open(Box<OpenConnection>),
    /// No later answer can be taken for that of another command: the link is gone.
    Closed(Closed),
}

/// A connection that is gone.
pub(crate) struct Closed {
    why: String,
    /// Bytes of files and listings that it carried.
    carried: u64,
    renewal: Renewal,
}

/// Whether the next command makes the connection again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Renewal {
    Unasked,
    /// Only where the user says so.
    Asked,
}

/// A link, and the dialogue that was left on it.
pub(crate) struct OpenConnection {
    link: Link,
    unfinished: Option<Box<Unfinished>>,
    /// When the last dialogue ended.
    used_at: Instant,
}

/// Whether there is a server to talk to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ConnectionState {
    Open,
    Closed,
}

impl Connection {
    /// Takes a link that is logged in.
    pub(crate) fn over(link: Link) -> Self {
        Self::Open(Box::new(OpenConnection {
            link,
            unfinished: None,
            used_at: Instant::now(),
        }))
    }

    /// No connection, until the user wants one.
    pub(crate) fn shut(why: String) -> Self {
        Self::Closed(Closed {
            why,
            carried: 0,
            renewal: Renewal::Asked,
        })
    }

    /// Returns when the last dialogue ended; `None` where the connection is gone.
    pub(crate) fn used_at(&self) -> Option<Instant> {
        match self {
            Self::Open(open) => Some(open.used_at),
            Self::Closed(_) => None,
        }
    }

    /// Returns how many bytes of files and listings the connection has carried, or had when it
    /// went.
    pub(crate) fn carried(&self) -> u64 {
        match self {
            Self::Open(open) => open.link.carried(),
            Self::Closed(closed) => closed.carried,
        }
    }

    pub(crate) fn state(&self) -> ConnectionState {
        match self {
            Self::Open(_) => ConnectionState::Open,
            Self::Closed(_) => ConnectionState::Closed,
        }
    }

    /// Runs a dialogue to its end, after what is left of the one before.
    ///
    /// # Errors
    ///
    /// Any error closes the connection.
    pub(crate) fn run_dialogue(
        &mut self,
        interrupt: &Interrupt,
        patience: Patience,
        begin: impl FnOnce(&mut Vec<Effect>) -> Dialogue,
        local: &mut impl LocalEnd,
    ) -> Result<Outcome, LinkError> {
        self.attempt(|open| {
            if open.finish_last(interrupt, patience)? == Last::Unfinished {
                return Ok(Outcome::Stopped);
            }
            let mut effects = Vec::new();
            let dialogue = begin(&mut effects);
            let link = &mut open.link;
            let ran = run_dialogue(link, interrupt, patience, (dialogue, effects), local)?;
            open.used_at = Instant::now();
            match ran {
                Ran::Ended(outcome) => Ok(outcome),
                Ran::Left(unfinished) => {
                    open.unfinished = Some(unfinished);
                    Ok(Outcome::Stopped)
                }
            }
        })
    }

    /// Queues a command whose dialogue will be run later.
    pub(crate) fn send_ahead(&mut self, command: &Command) {
        if let Self::Open(open) = self {
            open.link.send(command);
        }
    }

    /// Sends what is queued: some commands end with a line that gets no answer. After Ctrl-C the
    /// rest waits for the next command.
    pub(crate) fn flush(&mut self, interrupt: &Interrupt) -> Result<(), LinkError> {
        match self {
            // Lines must not get into what is left of a dialogue.
            Self::Open(open) if open.unfinished.is_some() => return Ok(()),
            Self::Open(_) => {}
            Self::Closed(_) => return Ok(()),
        }
        self.attempt(|open| {
            let deadline = Instant::now() + open.link.timeout();
            let limits = WaitLimits::until(deadline, interrupt);
            open.link.flush(limits).map(|_| ())
        })
    }

    /// Returns what binds a proof to the channel.
    pub(crate) fn channel_binding(&mut self) -> Result<Binding, LinkError> {
        self.attempt(|open| open.link.channel_binding())
    }

    /// Takes leave; returns the server's goodbye if it came in time.
    pub(crate) fn quit(self, interrupt: &Interrupt) -> Option<ReplyLine> {
        match self {
            Self::Open(open) if open.unfinished.is_none() => open.link.quit(interrupt),
            _ => None,
        }
    }

    /// Does something with the link, and drops it after an error.
    fn attempt<T>(
        &mut self,
        with: impl FnOnce(&mut OpenConnection) -> Result<T, LinkError>,
    ) -> Result<T, LinkError> {
        let open = match self {
            Self::Open(open) => open,
            Self::Closed(closed) => return Err(closed.error()),
        };
        let done = with(open);
        if let Err(error) = &done {
            let closed = Closed {
                why: error.to_string(),
                carried: open.link.carried(),
                renewal: Renewal::Unasked,
            };
            *self = Self::Closed(closed);
        }
        done
    }
}

impl Closed {
    /// Tells a command that there is no connection.
    fn error(&self) -> LinkError {
        match self.renewal {
            Renewal::Unasked => LinkError::NotConnected(self.why.clone()),
            Renewal::Asked => LinkError::Shut(self.why.clone()),
        }
    }
}

/// What became of the dialogue that was left.
#[derive(PartialEq, Eq)]
enum Last {
    Finished,
    /// The caller ran out of patience again.
    Unfinished,
}

impl OpenConnection {
    fn finish_last(
        &mut self,
        interrupt: &Interrupt,
        patience: Patience,
    ) -> Result<Last, LinkError> {
        let Some(unfinished) = self.unfinished.take() else {
            return Ok(Last::Finished);
        };
        match unfinished.finish(&mut self.link, interrupt, patience)? {
            Ran::Ended(_) => Ok(Last::Finished),
            Ran::Left(again) => {
                self.unfinished = Some(again);
                Ok(Last::Unfinished)
            }
        }
    }
}
