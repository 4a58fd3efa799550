//! Holds a logged-in session (link, user, directory) and makes the requests of commands with it.

use skiff_conf::HostPort;
use skiff_sessions::client::{Dialogue, Effect, Outcome};
use skiff_sessions::digest::Algorithm;
use skiff_sessions::scram::KeyDerivation;
use skiff_sessions::transfer::{Sink, Source};
use skiff_sessions::wire::command::Command;
use skiff_sessions::wire::native::replies::ReplyLine;
use skiff_sessions::wire::reply::{Facts, Refusal};

use super::command_error::CommandError;
use super::dialogue::{LocalEnd, run_dialogue};
use super::link::{Link, LinkError};
use super::listing::ListingParser;
use crate::terminal::format::escape_name;
use crate::terminal::interrupt::Interrupt;
use crate::terminal::progress::{Progress, ProgressStyle};
use crate::terminal::questions::Asker;

/// A session that is logged in.
pub(crate) struct Session {
    pub(crate) link: Link,
    pub(crate) interrupt: Interrupt,
    /// Who answers the questions of commands.
    pub asker: Asker,
    pub progress_style: ProgressStyle,
    pub user: String,
    pub server: HostPort,
    /// The digest that transfers are verified by.
    pub digest: Algorithm,
    /// How the password becomes keys, to prove it again when it is changed.
    pub derivation: KeyDerivation,
    /// The working directory at the server, as the server last gave it.
    pub cwd: Vec<u8>,
}

impl Session {
    /// Begins a dialogue with `begin` and runs it to its end.
    pub(crate) fn run_dialogue(
        &mut self,
        begin: impl FnOnce(&mut Vec<Effect>) -> Dialogue,
        local: &mut impl LocalEnd,
    ) -> Result<Outcome, LinkError> {
        let mut effects = Vec::new();
        let dialogue = begin(&mut effects);
        run_dialogue(&mut self.link, &self.interrupt, dialogue, effects, local)
    }

    /// Sends one command and returns its final reply, whatever the code.
    pub(crate) fn request(&mut self, command: Command) -> Result<ReplyLine, CommandError> {
        let progress = Progress::new(self.progress_style, b"");
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
        let answered = expect_reply(outcome)?;
        match answered.code {
            226 => Ok(answered),
            _ => Err(CommandError::from_reply(what, &answered)),
        }
    }

    /// Asks for the working directory (PWD); returns the reply and the path in it.
    pub(crate) fn working_directory(&mut self) -> Result<(ReplyLine, Vec<u8>), CommandError> {
        let answered = self.request_ok(b"", Command::WorkingDirectory)?;
        let path = absolute_path(&answered).unwrap_or_else(|| b"/".to_vec());
        Ok((answered, path))
    }

    /// Returns the prompt: `user@host:/directory> `.
    pub(crate) fn prompt_text(&self) -> String {
        let cwd = escape_name(&self.cwd);
        format!("{}@{}:{cwd}> ", self.user, self.server.host)
    }

    /// Ends the session; returns the server's goodbye if it came in time.
    pub(crate) fn quit(self) -> Option<ReplyLine> {
        self.link.quit()
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
