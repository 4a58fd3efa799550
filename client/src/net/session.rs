//! Holds a logged-in session (link, user, directory) and makes the requests of commands with it.

use std::sync::Arc;
use std::time::Instant;

use skiff_conf::HostPort;
use skiff_sessions::client::{Dialogue, Effect, Outcome};
use skiff_sessions::digest::Algorithm;
use skiff_sessions::path::PathArg;
use skiff_sessions::scram::KeyDerivation;
use skiff_sessions::transfer::{Sink, Source};
use skiff_sessions::wire::command::Command;
use skiff_sessions::wire::native::replies::ReplyLine;
use skiff_sessions::wire::reply::{Facts, Refusal};

use super::command_error::CommandError;
use super::connection::{Connection, ConnectionState};
use super::dialogue::Patience;
use super::link::LinkError;
use super::listing::{KEPT_MAX, ListingParser};
use super::local_end::LocalEnd;
use super::names::{ListedName, NameCache, changes_names};
use crate::terminal::format::{DigestForm, escape_name};
use crate::terminal::interrupt::Interrupt;
use crate::terminal::progress::{Progress, ProgressPlace, ProgressStyle};
use crate::terminal::questions::Asker;

/// A session that is logged in.
pub(crate) struct Session {
    pub(crate) connection: Connection,
    pub(crate) interrupt: Interrupt,
    /// Who answers the questions of commands.
    pub asker: Asker,
    pub progress_style: ProgressStyle,
    pub digest_form: DigestForm,
    pub user: String,
    pub server: HostPort,
    /// The digest that transfers are verified by.
    pub digest: Algorithm,
    /// How the password becomes keys, to prove it again when it is changed.
    pub derivation: KeyDerivation,
    /// The working directory at the server, as the server last gave it.
    pub cwd: Vec<u8>,
    /// Listings for the completion of names.
    pub names: NameCache,
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
            let changes =
                |effect: &Effect| matches!(effect, Effect::Send(command) if changes_names(command));
            if out.iter().any(changes) {
                names.clear();
            }
            dialogue
        };
        self.connection
            .run_dialogue(&self.interrupt, Patience::Command, begin, local)
    }

    /// Queues a command whose dialogue will be run later.
    pub(crate) fn send_ahead(&mut self, command: &Command) {
        self.connection.send_ahead(command);
    }

    /// Sends one command and returns its final reply, whatever the code.
    pub(crate) fn request(&mut self, command: Command) -> Result<ReplyLine, CommandError> {
        let progress = Progress::new(ProgressPlace::Alone(self.progress_style), b"");
        let mut no_file = NoFile { progress };
        let outcome = self.run_dialogue(|out| Dialogue::request(command, out), &mut no_file)?;
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

    /// Fetches a listing, calls `on_entry` for each entry, and returns the final reply.
    ///
    /// # Errors
    ///
    /// A code other than 226; the message names `what` is listed.
    pub(crate) fn list(
        &mut self,
        what: &[u8],
        command: Command,
        on_entry: impl FnMut(&[u8], &Facts),
    ) -> Result<ReplyLine, CommandError> {
        let outcome = self.run_dialogue(
            |out| Dialogue::listing(command, out),
            &mut ListingParser::new(on_entry),
        )?;
        listed(what, outcome)
    }

    /// Fetches a listing that is kept: one that has no end is refused before it fills the memory.
    /// Otherwise as [`Session::list`].
    pub(crate) fn list_to_keep(
        &mut self,
        what: &[u8],
        command: Command,
        on_entry: impl FnMut(&[u8], &Facts),
    ) -> Result<ReplyLine, CommandError> {
        let outcome = self.run_dialogue(
            |out| Dialogue::listing(command, out),
            &mut ListingParser::within(KEPT_MAX, on_entry),
        )?;
        listed(what, outcome)
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
        format!("{state}{}@{}:{cwd}> ", self.user, self.server.host)
    }

    /// Ends the session; returns the server's goodbye if it came in time.
    pub(crate) fn quit(self) -> Option<ReplyLine> {
        self.connection.quit(&self.interrupt)
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
