//! A session that is logged in, and what commands do with it.

use skiff_conf::HostPort;
use skiff_sessions::client::{Dialogue, Effect, Outcome};
use skiff_sessions::digest::Algorithm;
use skiff_sessions::scram::ScramError;
use skiff_sessions::wire::command::Command;
use skiff_sessions::wire::native::answers::Answered;
use skiff_sessions::wire::reply::Facts;

use crate::commands;
use crate::commands::lexer::{Typed, What, Word};
use crate::commands::table::{self, NotAVerb};
use crate::net::command_error::{Done, Failure};
use crate::net::dialogue::{Local, converse};
use crate::net::link::{Link, LinkError};
use crate::net::listing::Listing;
use crate::terminal::format;
use crate::terminal::interrupt::Interrupt;
use crate::terminal::progress::{Look, Meter};
use crate::terminal::questions::Person;

pub(crate) struct Shell {
    pub(crate) link: Link,
    pub(crate) interrupt: Interrupt,
    pub person: Person,
    pub look: Look,
    pub user: String,
    pub server: HostPort,
    /// What transfers are verified by.
    pub digest: Algorithm,
    /// The server's directory as it told it last.
    pub cwd: Vec<u8>,
}

impl Shell {
    /// Does one command. What it has to say, it says itself; a failure is the caller's to tell.
    pub(crate) fn run(&mut self, typed: &Typed) -> Done {
        let done = match &typed.what {
            What::Local(line) => commands::local::shell(line),
            What::Verb(words) => self.run_verb(words),
        };
        // Codes that nobody answers still have to leave.
        self.link.flush(&self.interrupt)?;
        // A Ctrl-C that came too late to stop this must not stop the next.
        self.interrupt.take();
        done
    }

    fn run_verb(&mut self, words: &[Word]) -> Done {
        let Some((typed, arguments)) = words.split_first() else {
            return Ok(());
        };
        let typed = typed.text();
        let verb = table::find(&typed).map_err(|error| not_a_verb(&typed, error))?;
        let given = verb
            .accept(arguments)
            .map_err(|why| Failure::about(verb.name, why))?;
        (verb.run)(self, &given)
    }

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

    /// A login, on a link that has none yet.
    pub(crate) fn log_in(
        link: &mut Link,
        credentials: skiff_sessions::client::Credentials,
    ) -> Result<Result<Outcome, LinkError>, ScramError> {
        let mut effects = Vec::new();
        let dialogue = Dialogue::login(credentials, &mut effects)?;
        let nobody = &Interrupt::default();
        Ok(converse(
            link,
            nobody,
            dialogue,
            effects,
            &mut Listing::new(|_: &[u8], _: &Facts| {}),
        ))
    }

    /// One command and its final reply, whatever it is.
    pub(crate) fn ask(&mut self, command: Command) -> Result<Answered, Failure> {
        let meter = Meter::new(self.look, b"");
        let mut waiting = commands::Waiting { meter };
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

    /// What stands before the cursor.
    pub(crate) fn prompt(&self) -> String {
        let cwd = format::name(&self.cwd);
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

fn not_a_verb(typed: &str, error: NotAVerb) -> Failure {
    let typed = format::name(typed.as_bytes());
    Failure::Refused(match error {
        NotAVerb::Unknown => format!("{typed}: no such command; help lists them"),
        NotAVerb::Ambiguous(candidates) => {
            format!("{typed}: ambiguous, it could be: {}", candidates.join(" "))
        }
    })
}
