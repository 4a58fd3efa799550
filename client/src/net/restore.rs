//! Makes a session's connection again after it was lost: with pauses that grow, as often as
//! `--retry` says, and back in the working directory.

use std::time::Duration;

use skiff_sessions::client::{Dialogue, Outcome};
use skiff_sessions::path::PathArg;
use skiff_sessions::wire::command::Command;
use skiff_sessions::wire::native::replies::ReplyLine;

use super::command_error::{CommandError, CommandResult};
use super::connection::Connection;
use super::dialogue::Patience;
use super::known_hosts::host_and_port;
use super::link::LinkError;
use super::session::{NoFile, Session, expect_reply};
use crate::terminal::format::escape_name;
use crate::terminal::output::print_note;
use crate::terminal::progress::Progress;

/// How often a connection is made again where `--retry` does not say.
pub(crate) const RETRIES_DEFAULT: u32 = 3;

/// The pause before the first try.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// How much longer each pause is than the one before.
const PAUSE_GROWTH: u32 = 4;

/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// A connection that carried as many bytes of files was worth making: the tries count anew.
pub(super) const WORTHWHILE_BYTES: u64 = 1 << 20;

/// How often the connection may still be made again before the command is given up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Retries {
    max: u32,
    made: u32,
}

impl Retries {
    pub(crate) fn at_most(max: u32) -> Self {
        Self { max, made: 0 }
    }

    /// As many tries, none of which was made.
    pub(super) fn fresh(self) -> Self {
        Self::at_most(self.max)
    }

    /// Counts anew: the session got further.
    pub(crate) fn begin(&mut self) {
        self.made = 0;
    }

    /// Counts a try and returns the pause before it; `None` where they are used up.
    fn next(&mut self) -> Option<Duration> {
        if self.made == self.max {
            return None;
        }
        let growth = PAUSE_GROWTH.saturating_pow(self.made);
        self.made += 1;
        Some(FIRST_PAUSE.saturating_mul(growth).min(LONGEST_PAUSE))
    }
}

impl Session {
    /// Connects and logs in again after `cause`, so that what it ended can be done again.
    ///
    /// # Errors
    ///
    /// `SessionEnded` where that is no cause to connect again, or it cannot be done as often as may
    /// be tried, or the working directory is gone; `Stopped` after Ctrl-C.
    pub(crate) fn restore(&mut self, cause: LinkError) -> CommandResult {
        if !cause.is_passing() || self.interrupt.is_stopped() {
            return Err(CommandError::SessionEnded(cause));
        }
        let server = host_and_port(&self.account.server);
        let mut failure: Option<LinkError> = None;
        loop {
            let Some(mut pause) = self.retries.next() else {
                return Err(CommandError::SessionEnded(match failure {
                    Some(last) => LinkError::NotRestored {
                        first: cause.to_string(),
                        last: Box::new(last),
                    },
                    None => cause,
                }));
            };
            if failure.is_none() && matches!(cause, LinkError::NotConnected(_)) {
                // It went a while ago.
                pause = Duration::ZERO;
            }
            let Retries { made, max } = self.retries;
            print_note(format_args!(
                "{server}: {}; connecting again{} (try {made} of {max}, Ctrl-C ends it)",
                failure.as_ref().unwrap_or(&cause),
                match pause {
                    Duration::ZERO => String::new(),
                    pause => format!(" in {} s", pause.as_secs_f32()),
                },
            ));
            if !self.interrupt.pause(pause) {
                return Err(self.stopped_while_connecting());
            }
            match self.connect_again() {
                Ok(()) => break,
                Err(CommandError::SessionEnded(LinkError::Interrupted)) => {
                    return Err(self.stopped_while_connecting());
                }
                Err(CommandError::SessionEnded(error)) if error.is_passing() => {
                    failure = Some(error);
                }
                Err(error) => return Err(error),
            }
        }
        let cwd = escape_name(&self.cwd);
        print_note(format_args!("{server}: connected again, in {cwd}"));
        Ok(())
    }

    /// Drops the connection and makes it anew, in the same working directory.
    ///
    /// # Errors
    ///
    /// `SessionEnded` where there is none now, also because the directory is gone.
    pub(crate) fn connect_again(&mut self) -> CommandResult {
        let connected = self.account.log_in(&self.interrupt);
        let (link, accepted) = connected.inspect_err(|error| {
            if !error.is_passing() {
                self.connection = Connection::shut(error.to_string());
            }
        })?;
        self.connection = Connection::over(link);
        self.connections += 1;
        self.digest = accepted.digest;
        self.derivation = accepted.derivation;
        self.idle = accepted.idle;
        self.names.clear();
        self.go_back()
    }

    /// Takes leave where there is a connection; none is made unasked any more. Returns the server's
    /// goodbye if it came in time.
    pub(crate) fn hang_up(&mut self) -> Option<ReplyLine> {
        let shut = Connection::shut("closed".into());
        let connection = std::mem::replace(&mut self.connection, shut);
        connection.quit(&self.interrupt)
    }

    /// Changes into the directory in which the session was.
    pub(super) fn go_back(&mut self) -> CommandResult {
        let Some(path) = PathArg::to_send(self.cwd.clone()).filter(|_| self.cwd != b"/") else {
            return Ok(());
        };
        let mut no_file = NoFile {
            progress: Progress::hidden(),
        };
        let command = Command::ChangeDirectory(path);
        let outcome: Outcome = self.connection.run_dialogue(
            &self.interrupt,
            Patience::Command,
            |out| Dialogue::request(command, out),
            &mut no_file,
        )?;
        let answered = expect_reply(outcome)?;
        if (200..300).contains(&answered.code) {
            return Ok(());
        }
        let gone = std::mem::replace(&mut self.cwd, b"/".to_vec());
        let error = LinkError::DirectoryGone(format!(
            "{}: {}",
            escape_name(&gone),
            escape_name(answered.text.as_bytes())
        ));
        self.connection = Connection::shut(error.to_string());
        Err(CommandError::SessionEnded(error))
    }

    fn stopped_while_connecting(&self) -> CommandError {
        CommandError::Stopped("stopped; not connected".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_tries_are_counted() {
        let mut retries = Retries::at_most(6);
        let pauses: Vec<u128> = std::iter::from_fn(|| retries.next())
            .map(|pause| pause.as_millis())
            .collect();
        assert_eq!(pauses, [500, 2000, 8000, 30_000, 30_000, 30_000]);
        retries.begin();
        assert_eq!(retries.next(), Some(FIRST_PAUSE));
        assert_eq!(Retries::at_most(0).next(), None);
    }
}
