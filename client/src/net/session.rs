//! A session that is logged in, and what commands do with it.

use skiff_conf::HostPort;
use skiff_sessions::client::{Dialogue, Effect, Outcome};
use skiff_sessions::digest::Algorithm;
use skiff_sessions::transfer::{Sink, Source};
use skiff_sessions::wire::command::Command;
use skiff_sessions::wire::native::answers::Answered;
use skiff_sessions::wire::reply::{Facts, Refusal};

use super::command_error::CommandError;
use super::dialogue::{LocalEnd, run_dialogue};
use super::link::{Link, LinkError};
use super::listing::ListingParser;
use crate::terminal::format::escape_name;
use crate::terminal::interrupt::Interrupt;
use crate::terminal::progress::{Progress, ProgressStyle};
use crate::terminal::questions::Asker;

pub(crate) struct Session {
    pub(crate) link: Link,
    pub(crate) interrupt: Interrupt,
    pub asker: Asker,
    pub progress_style: ProgressStyle,
    pub user: String,
    pub server: HostPort,
    /// What transfers are verified by.
    pub digest: Algorithm,
    /// The server's directory as it told it last.
    pub cwd: Vec<u8>,
}

impl Session {
    /// Runs a dialogue to its end.
    pub(crate) fn run_dialogue(
        &mut self,
        begin: impl FnOnce(&mut Vec<Effect>) -> Dialogue,
        local: &mut impl LocalEnd,
    ) -> Result<Outcome, LinkError> {
        let mut effects = Vec::new();
        let dialogue = begin(&mut effects);
        run_dialogue(&mut self.link, &self.interrupt, dialogue, effects, local)
    }

    /// One command and its final reply, whatever it is.
    pub(crate) fn request(&mut self, command: Command) -> Result<Answered, CommandError> {
        let progress = Progress::new(self.progress_style, b"");
        let mut no_file = NoFile { progress };
        let outcome = self.run_dialogue(|out| Dialogue::request(command, out), &mut no_file)?;
        expect_reply(outcome)
    }

    /// One command that has to succeed; `what` it is about.
    pub(crate) fn request_ok(
        &mut self,
        what: &[u8],
        command: Command,
    ) -> Result<Answered, CommandError> {
        let answered = self.request(command)?;
        match answered.code {
            200..300 => Ok(answered),
            _ => Err(CommandError::from_reply(what, &answered)),
        }
    }

    /// A listing that has to succeed.
    pub(crate) fn list(
        &mut self,
        what: &[u8],
        command: Command,
        on_entry: impl FnMut(&[u8], &Facts),
    ) -> Result<Answered, CommandError> {
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

    /// The working directory as the server says it.
    pub(crate) fn working_directory(&mut self) -> Result<(Answered, Vec<u8>), CommandError> {
        let answered = self.request_ok(b"", Command::WorkingDirectory)?;
        let path = absolute_path(&answered).unwrap_or_else(|| b"/".to_vec());
        Ok((answered, path))
    }

    /// What stands before the cursor.
    pub(crate) fn prompt_text(&self) -> String {
        let cwd = escape_name(&self.cwd);
        format!("{}@{}:{cwd}> ", self.user, self.server.host)
    }

    /// Says goodbye; the server's last word.
    pub(crate) fn quit(self) -> Option<Answered> {
        self.link.quit()
    }
}

/// What a dialogue without files ends with.
pub(crate) fn expect_reply(outcome: Outcome) -> Result<Answered, CommandError> {
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

/// The absolute path that a reply carries.
pub(crate) fn absolute_path(answered: &Answered) -> Option<Vec<u8>> {
    answered.path().filter(|path| path.first() == Some(&b'/'))
}

/// A request that may take the server a while.
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
