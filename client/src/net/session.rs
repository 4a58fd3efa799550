//! Holds a logged-in session (link, user, directory) and makes the requests of commands with it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use skiff_sessions::client::{Dialogue, Effect, Outcome};
use skiff_sessions::digest::Algorithm;
use skiff_sessions::path::PathArg;
use skiff_sessions::scram::KeyDerivation;
use skiff_sessions::transfer::{Sink, Source};
use skiff_sessions::wire::command::Command;
use skiff_sessions::wire::native::replies::ReplyLine;
use skiff_sessions::wire::reply::{Facts, Refusal};

use super::account::Account;
use super::command_error::CommandError;
use super::connection::{Connection, ConnectionState};
use super::dialogue::Patience;
use super::jobs::Jobs;
use super::link::LinkError;
use super::listing::{KEPT_MAX, Listed, ListingBounds, ListingParser, PRINTED_MAX};
use super::local_end::LocalEnd;
use super::names::{CommandEffect, ListedName, NameCache, effect_of};
use super::restore::{Retries, WORTHWHILE_BYTES};
use crate::terminal::format::{DigestForm, escape_name};
use crate::terminal::interrupt::Interrupt;
use crate::terminal::lines::Lines;
use crate::terminal::progress::{Progress, ProgressPlace, ProgressStyle};
use crate::terminal::questions::Asker;

/// The longest time between two commands: middleboxes forget connections that are silent for
/// minutes.
const KEEPALIVE_MAX: Duration = Duration::from_secs(60);

/// How long an idle session waits for the answer that shows that it lives.
const KEEPALIVE_PATIENCE: Duration = Duration::from_secs(1);

/// A session that is logged in.
pub(crate) struct Session {
    pub(crate) connection: Connection,
    pub(crate) interrupt: Interrupt,
    /// Who answers the questions of commands.
    pub asker: Asker,
    pub progress_style: ProgressStyle,
    pub digest_form: DigestForm,
    pub account: Account,
    /// How often a lost connection may be made again.
    pub retries: Retries,
    /// How many connections the session has had: what was requested ahead on an earlier one is not
    /// answered on this one.
    pub connections: u64,
    /// The digest that transfers are verified by.
    pub digest: Algorithm,
    /// How the password becomes keys, to prove it again when it is changed.
    pub derivation: KeyDerivation,
    /// How long the server waits for the next command.
    pub idle: Duration,
    /// The working directory at the server, as the server last gave it.
    pub cwd: Vec<u8>,
    /// The one before, if there was one.
    pub previous_cwd: Option<Vec<u8>>,
    /// What is kept of command lines.
    pub lines: Lines,
    /// Listings for the completion of names.
    pub names: NameCache,
    /// What runs beside it.
    pub jobs: Jobs,
}

impl Session {
    /// Begins a dialogue with `begin` and runs it to its end, or until Ctrl-C.
    pub(crate) fn run_dialogue(
        &mut self,
        begin: impl FnOnce(&mut Vec<Effect>) -> Dialogue,
        local: &mut impl LocalEnd,
    ) -> Result<Outcome, LinkError> {
        let names = &mut self.names;
        let begin = |out: &mut Vec<Effect>| {
            let dialogue = begin(out);
            let changes = |effect: &Effect| matches!(effect, Effect::Send(command) if effect_of(command) == CommandEffect::Names);
            if out.iter().any(changes) {
                names.clear();
            }
            dialogue
        };
        let ended = self
            .connection
            .run_dialogue(&self.interrupt, Patience::Command, begin, local);
        if ended.is_ok() || self.connection.carried() >= WORTHWHILE_BYTES {
            self.retries.begin();
        }
        ended
    }

    /// Begins a command that was typed or read: what happened to the one before is forgotten.
    pub(crate) fn begin_command(&mut self) {
        self.interrupt.begin_command();
        self.retries.begin();
    }

    /// Queues a command whose dialogue will be run later.
    pub(crate) fn send_ahead(&mut self, command: &Command) {
        if effect_of(command) == CommandEffect::Names {
            self.names.clear();
        }
        self.connection.send_ahead(command);
    }

    /// Sends one command and returns its final reply, whatever the code. A command that changes
    /// nothing is repeated where the connection was lost and made again.
    pub(crate) fn request(&mut self, command: Command) -> Result<ReplyLine, CommandError> {
        loop {
            match self.request_once(command.clone()) {
                Err(CommandError::SessionEnded(cause)) if is_repeatable(&command, &cause) => {
                    self.restore(cause)?;
                }
                ended => return ended,
            }
        }
    }

    /// Sends one command, and not again where its answer is lost.
    pub(crate) fn request_once(&mut self, command: Command) -> Result<ReplyLine, CommandError> {
        let progress = Progress::new(ProgressPlace::Alone(self.progress_style), b"");
        let mut no_file = NoFile { progress };
        let outcome = self.run_dialogue(|out| Dialogue::request(command, out), &mut no_file)?;
        expect_reply(outcome)
    }

    /// Returns the final reply to the oldest command that was sent ahead.
    pub(crate) fn reply_to_request(&mut self) -> Result<ReplyLine, CommandError> {
        let mut no_file = NoFile {
            progress: Progress::hidden(),
        };
        let outcome = self.run_dialogue(|_| Dialogue::reply_to_request(), &mut no_file)?;
        expect_reply(outcome)
    }

    /// Sends one command and returns its final reply.
    ///
    /// # Errors
    ///
    /// A code other than 2xx; the message names `what` the command is about.
    pub(crate) fn request_ok(
        &mut self,
        what: &[u8],
        command: Command,
    ) -> Result<ReplyLine, CommandError> {
        let answered = self.request(command)?;
        match answered.code {
            200..300 => Ok(answered),
            _ => Err(CommandError::from_reply(what, &answered)),
        }
    }

    /// Fetches a listing, calls `on_part` for each part of it, and returns the final reply.
    ///
    /// # Errors
    ///
    /// A code other than 226; the message names `what` is listed.
    pub(crate) fn list(
        &mut self,
        what: &[u8],
        command: Command,
        on_part: impl FnMut(Listed<'_>),
    ) -> Result<ReplyLine, CommandError> {
        self.list_within(what, command, PRINTED_MAX, on_part)
    }

    /// Fetches a listing that is kept: one that has no end is refused before it fills the memory.
    /// Otherwise as [`Session::list`].
    pub(crate) fn list_to_keep(
        &mut self,
        what: &[u8],
        command: Command,
        on_part: impl FnMut(Listed<'_>),
    ) -> Result<ReplyLine, CommandError> {
        self.list_within(what, command, KEPT_MAX, on_part)
    }

    fn list_within(
        &mut self,
        what: &[u8],
        command: Command,
        bounds: ListingBounds,
        mut on_part: impl FnMut(Listed<'_>),
    ) -> Result<ReplyLine, CommandError> {
        loop {
            let command = command.clone();
            let on_entry = |name: &[u8], facts: &Facts| on_part(Listed::Entry(name, facts));
            let outcome = self.run_dialogue(
                |out| Dialogue::listing(command, out),
                &mut ListingParser::within(bounds, on_entry),
            );
            match outcome {
                Ok(outcome) => return listed(what, outcome),
                Err(cause) => self.restore(cause)?,
            }
            on_part(Listed::Anew);
        }
    }

    /// Returns the names in a directory at the server, for completion: from a listing that is
    /// fresh, else from the server if it answers before `leave_at`. `None` where there are none to
    /// be had. `folder` is empty or ends in `/`.
    pub(crate) fn names_in(
        &mut self,
        folder: &[u8],
        leave_at: Instant,
    ) -> Option<Arc<[ListedName]>> {
        let path = match folder {
            [b'/', ..] => folder.to_vec(),
            _ => [self.cwd.as_slice(), b"/", folder].concat(),
        };
        if let Some(names) = self.names.get(&path, Instant::now()) {
            return Some(names);
        }
        let argument = match folder {
            [] => None,
            folder => Some(PathArg::to_send(folder)?),
        };
        let mut names = Vec::new();
        let outcome = self.connection.run_dialogue(
            &self.interrupt,
            Patience::Until(leave_at),
            |out| Dialogue::listing(Command::list(argument), out),
            &mut ListingParser::within(KEPT_MAX, |name: &[u8], facts: &Facts| {
                names.push(ListedName::new(name, facts.kind));
            }),
        );
        let answered = outcome.ok().and_then(|found| listed(folder, found).ok());
        answered?;
        Some(self.names.put(path, names, Instant::now()))
    }

    /// Sends one command though the user has stopped another, and returns its final reply if that
    /// comes in time.
    pub(super) fn request_until(
        &mut self,
        command: Command,
        leave_at: Instant,
    ) -> Option<ReplyLine> {
        let mut no_file = NoFile {
            progress: Progress::hidden(),
        };
        let patience = Patience::Until(leave_at);
        let ran = self.connection.run_dialogue(
            &self.interrupt,
            patience,
            |out| Dialogue::request(command, out),
            &mut no_file,
        );
        ran.ok().and_then(|outcome| expect_reply(outcome).ok())
    }

    /// Fetches a listing that ends in time, and calls `on_name` for each entry; `None` where there
    /// is none.
    pub(super) fn list_until(
        &mut self,
        command: Command,
        leave_at: Instant,
        mut on_name: impl FnMut(&[u8]),
    ) -> Option<ReplyLine> {
        let ran = self.connection.run_dialogue(
            &self.interrupt,
            Patience::Until(leave_at),
            |out| Dialogue::listing(command, out),
            &mut ListingParser::within(KEPT_MAX, |name: &[u8], _: &Facts| on_name(name)),
        );
        ran.ok().and_then(|outcome| listed(b"", outcome).ok())
    }

    /// Has the server hear of an idle session before it closes that. It may have gone unseen: then
    /// the next command makes it again.
    pub(crate) fn keep_alive(&mut self, now: Instant) {
        let after = (self.idle / 3).min(KEEPALIVE_MAX);
        let idle = self
            .connection
            .used_at()
            .map(|at| now.saturating_duration_since(at));
        if idle.is_none_or(|idle| idle < after) {
            return;
        }
        let mut no_file = NoFile {
            progress: Progress::hidden(),
        };
        // An error has closed the connection, and the next command says why.
        let _ = self.connection.run_dialogue(
            &self.interrupt,
            Patience::Until(now + KEEPALIVE_PATIENCE),
            |out| Dialogue::request(Command::Noop, out),
            &mut no_file,
        );
    }

    /// Asks for the working directory (PWD); returns the reply and the path in it.
    pub(crate) fn working_directory(&mut self) -> Result<(ReplyLine, Vec<u8>), CommandError> {
        let answered = self.request_ok(b"", Command::WorkingDirectory)?;
        let path = absolute_path(&answered).unwrap_or_else(|| b"/".to_vec());
        Ok((answered, path))
    }

    /// Returns the prompt: `user@host:/directory> `, and before it whether the connection is gone.
    pub(crate) fn prompt_text(&self) -> String {
        let cwd = escape_name(&self.cwd);
        let state = match self.connection.state() {
            ConnectionState::Open => "",
            ConnectionState::Closed => "(not connected) ",
        };
        let Account { user, server, .. } = &self.account;
        format!("{state}{user}@{}:{cwd}> ", server.host)
    }

    /// Ends the session; returns the server's goodbye if it came in time.
    pub(crate) fn quit(self) -> Option<ReplyLine> {
        self.connection.quit(&self.interrupt)
    }
}

/// True where a command may be sent again whose answer was lost.
fn is_repeatable(command: &Command, cause: &LinkError) -> bool {
    match cause {
        // It was not sent.
        LinkError::NotConnected(_) => true,
        _ => effect_of(command) == CommandEffect::None,
    }
}

/// Returns the final reply of a listing.
fn listed(what: &[u8], outcome: Outcome) -> Result<ReplyLine, CommandError> {
    if outcome == Outcome::BadData(Refusal::TooLong) {
        return Err(CommandError::refused(
            escape_name(if what.is_empty() { b"." } else { what }),
            "its listing has no end, or more entries than are taken here",
        ));
    }
    let answered = expect_reply(outcome)?;
    match answered.code {
        226 => Ok(answered),
        _ => Err(CommandError::from_reply(what, &answered)),
    }
}

/// Returns the final reply of a dialogue without files; every other outcome is an error.
pub(crate) fn expect_reply(outcome: Outcome) -> Result<ReplyLine, CommandError> {
    match outcome {
        Outcome::Replied(answered) => Ok(answered),
        Outcome::Stopped => Err(CommandError::Stopped("stopped".into())),
        Outcome::BadData(_) => Err(CommandError::Refused(
            "the server sent a listing that makes no sense".into(),
        )),
        other => Err(CommandError::Refused(format!(
            "the server ended it oddly: {other:?}"
        ))),
    }
}

/// Returns the path that a reply carries, if it is absolute.
pub(crate) fn absolute_path(answered: &ReplyLine) -> Option<Vec<u8>> {
    answered.path().filter(|path| path.first() == Some(&b'/'))
}

/// The local end of a request without files: shows the server's progress.
pub(crate) struct NoFile {
    pub progress: Progress,
}

impl LocalEnd for NoFile {
    fn show_server_work(&mut self, done: u64, of: u64) {
        self.progress.show_server_work(done, of);
    }
}

impl Source for NoFile {
    fn read_at(&mut self, _: u64, _: &mut [u8]) -> Result<usize, Refusal> {
        Err(Refusal::Fault)
    }
}

impl Sink for NoFile {
    fn write(&mut self, _: &[u8]) -> Result<(), Refusal> {
        Err(Refusal::Fault)
    }
}
