//! A session that is logged in, and what commands do with it.

use skiff_conf::HostPort;
use skiff_sessions::client::{Dialogue, Effect, Outcome};
use skiff_sessions::digest::Algorithm;
use skiff_sessions::transfer::{Sink, Source};
use skiff_sessions::wire::command::Command;
use skiff_sessions::wire::native::answers::Answered;
use skiff_sessions::wire::reply::{Facts, Refusal};

use super::command_error::Failure;
use super::dialogue::{Local, converse};
use super::link::{Link, LinkError};
use super::listing::Listing;
use crate::terminal::format::escape_name;
use crate::terminal::interrupt::Interrupt;
use crate::terminal::progress::{Progress, ProgressStyle};
use crate::terminal::questions::Asker;

pub(crate) struct Shell {
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

impl Shell {
    /// Runs a dialogue to its end.
    pub(crate) fn talk(
        &mut self,
        begin: impl FnOnce(&mut Vec<Effect>) -> Dialogue,
        local: &mut impl Local,
    ) -> Result<Outcome, LinkError> {
        let mut effects = Vec::new();
        let dialogue = begin(&mut effects);
        converse(&mut self.link, &self.interrupt, dialogue, effects, local)
    }

    /// One command and its final reply, whatever it is.
    pub(crate) fn ask(&mut self, command: Command) -> Result<Answered, Failure> {
        let progress = Progress::new(self.progress_style, b"");
        let mut waiting = Waiting { progress };
        let outcome = self.talk(|out| Dialogue::request(command, out), &mut waiting)?;
        replied(outcome)
    }

    /// One command that has to succeed; `what` it is about.
    pub(crate) fn demand(&mut self, what: &[u8], command: Command) -> Result<Answered, Failure> {
        let answered = self.ask(command)?;
        match answered.code {
            200..300 => Ok(answered),
            _ => Err(Failure::reply(what, &answered)),
        }
    }

    /// A listing that has to succeed.
    pub(crate) fn list(
        &mut self,
        what: &[u8],
        command: Command,
        each: impl FnMut(&[u8], &Facts),
    ) -> Result<Answered, Failure> {
        let outcome = self.talk(
            |out| Dialogue::listing(command, out),
            &mut Listing::new(each),
        )?;
        let answered = replied(outcome)?;
        match answered.code {
            226 => Ok(answered),
            _ => Err(Failure::reply(what, &answered)),
        }
    }

    /// The working directory as the server says it.
    pub(crate) fn working_directory(&mut self) -> Result<(Answered, Vec<u8>), Failure> {
        let answered = self.demand(b"", Command::WorkingDirectory)?;
        let path = path_in(&answered).unwrap_or_else(|| b"/".to_vec());
        Ok((answered, path))
    }

    /// What stands before the cursor.
    pub(crate) fn prompt(&self) -> String {
        let cwd = escape_name(&self.cwd);
        format!("{}@{}:{cwd}> ", self.user, self.server.host)
    }

    /// Says goodbye; the server's last word.
    pub(crate) fn leave(self) -> Option<Answered> {
        self.link.leave()
    }
}

/// What a dialogue without files ends with.
pub(crate) fn replied(outcome: Outcome) -> Result<Answered, Failure> {
    match outcome {
        Outcome::Replied(answered) => Ok(answered),
        Outcome::Stopped => Err(Failure::Stopped("stopped".into())),
        Outcome::BadData(_) => Err(Failure::Refused(
            "the server sent a listing that makes no sense".into(),
        )),
        other => Err(Failure::Refused(format!(
            "the server ended it oddly: {other:?}"
        ))),
    }
}

/// The absolute path that a reply carries.
pub(crate) fn path_in(answered: &Answered) -> Option<Vec<u8>> {
    answered.path().filter(|path| path.first() == Some(&b'/'))
}

/// A request that may take the server a while.
pub(crate) struct Waiting {
    pub progress: Progress,
}

impl Local for Waiting {
    fn working(&mut self, done: u64, of: u64) {
        self.progress.show_server_work(done, of);
    }
}

impl Source for Waiting {
    fn read_at(&mut self, _: u64, _: &mut [u8]) -> Result<usize, Refusal> {
        Err(Refusal::Fault)
    }
}

impl Sink for Waiting {
    fn write(&mut self, _: &[u8]) -> Result<(), Refusal> {
        Err(Refusal::Fault)
    }
}
