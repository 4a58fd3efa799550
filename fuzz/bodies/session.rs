//! A session of either dialect under any list of events: no panic, at most one final reply to a
//! command, nothing after the end, and nothing by a completion that nobody waits for.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use skiff_sessions::rights::{Grant, Permissions};
use skiff_sessions::server::{
    Accepts, ClientCertificate, Completion, Effect, Event, Job, JobId, NoPort, Session, Standing,
};
use skiff_sessions::transfer::{Route, Task};
use skiff_sessions::wire::codec::{self, Codec, Extent};
use skiff_sessions::wire::command::PassiveForm;
use skiff_sessions::wire::line::LINE_MAX;
use skiff_sessions::wire::reply::{CloseReason, Refusal, Reply};

use super::ftp::Data;
use super::input::Input;
use super::{conversation, ftp, replies};

pub(crate) fn session(data: &[u8]) {
    let mut input = Input::new(data);
    let first = input.byte();
    let dialect = *input.pick(&[Dialect::Native, Dialect::Ftp]);
    let mut world = World::new(dialect, first);
    if first & 16 == 0 {
        world.log_in();
    }
    while !input.is_empty() {
        match input.byte() % 16 {
            0..=3 => {
                let lines = input.pick(dialect.lines());
                lines.split("\r\n").for_each(|l| world.line(l.as_bytes()));
            }
            4 => world.line(input.chunk()),
            5..=7 => world.complete(&mut input),
            8 => world.complete_otherwise(&mut input),
            9 | 10 => world.end_transfer(input.byte()),
            11 | 12 => world.data(input.byte()),
            13 => world.pass_deadline(),
            14 => world.complete_nothing(input.byte()),
            _ => world.mishap(input.byte()),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Dialect {
    Native,
    Ftp,
}

impl Dialect {
    fn codec(self) -> &'static Codec {
        match self {
            Self::Native => &codec::NATIVE,
            Self::Ftp => &codec::FTP,
        }
    }

    fn lines(self) -> &'static [&'static str] {
        match self {
            Self::Native => conversation::LINES,
            Self::Ftp => ftp::LINES,
        }
    }

    fn completion(self, job: &Job, choice: u8) -> Completion {
        match self {
            Self::Native => conversation::completion_for(job, choice),
            Self::Ftp => ftp::completion_for(job, choice),
        }
    }
}

struct World {
    dialect: Dialect,
    now: Instant,
    session: Session,
    jobs: Vec<(JobId, Job)>,
    task: Option<Task>,
    data: Data,
    /// Ports that are being opened.
    listening: Vec<PassiveForm>,
    /// TLS handshakes of the control connection under way.
    shaking: usize,
    /// Final replies that the client may still get.
    owed: usize,
}

impl World {
    fn new(dialect: Dialect, first: u8) -> Self {
        let now = Instant::now();
        let setup = match dialect {
            Dialect::Native => conversation::setup(),
            Dialect::Ftp => ftp::setup(first),
        };
        let mut world = Self {
            dialect,
            now,
            session: Session::new(now, setup),
            jobs: Vec::new(),
            task: None,
            data: Data::None,
            listening: Vec::new(),
            shaking: 0,
            owed: 1,
        };
        world.event(Event::Started);
        world.owed = 0;
        world
    }

    fn log_in(&mut self) {
        match self.dialect {
            Dialect::Native => {
                let (verifier, first, last) = &*conversation::LOGIN;
                let account = Completion::Account {
                    verifier: verifier.clone(),
                    standing: Standing::Known,
                };
                self.line(first.strip_suffix(b"\r\n").unwrap());
                self.answer(account);
                self.line(last.strip_suffix(b"\r\n").unwrap());
            }
            Dialect::Ftp => {
                self.line(b"USER tom");
                self.line(b"PASS 123");
                self.answer(Completion::Identified(Standing::Known));
            }
        }
        self.answer(Completion::HomeOpen(Arc::new(
            Permissions::from(Grant::ALL).into(),
        )));
        assert!(self.session.account().is_some());
    }

    /// A line, if the session takes it now.
    fn line(&mut self, line: &[u8]) {
        let line = &line[..line.len().min(LINE_MAX)];
        let codec = self.dialect.codec();
        self.owed = match self.session.accepts() {
            // It ends the dialogue before it, which gets no other reply.
            Accepts::AllLines => 1,
            Accepts::AbortOnly if (codec.is_urgent)(line) => 1,
            // A transfer goes on, whose reply comes too.
            Accepts::UrgentOnly if (codec.is_urgent)(line) => self.owed + 1,
            Accepts::AbortOnly | Accepts::UrgentOnly | Accepts::Nothing => return,
        };
        self.event(match (codec.decode)(line) {
            Ok(command) => Event::Command(command),
            Err(why) if (codec.announces_content)(line, Extent::Whole) => {
                Event::MalformedUpload(why)
            }
            Err(why) => Event::Malformed(why),
        });
    }

    /// A worker answers: the job that was given last, or an earlier one.
    fn complete(&mut self, input: &mut Input<'_>) {
        let (choice, back) = (input.byte(), usize::from(input.byte() / 64));
        let Some(at) = self.jobs.len().checked_sub(1 + back) else {
            return;
        };
        let (id, job) = self.jobs.remove(at);
        let completion = self.dialect.completion(&job, choice);
        self.event(Event::Completed(id, completion));
    }

    /// A worker answers what nobody asked it, or refuses for a cause of another job.
    fn complete_otherwise(&mut self, input: &mut Input<'_>) {
        self.answer(match input.byte() % 8 {
            0 => Completion::Done,
            1 => Completion::Listing,
            2 => Completion::Size(input.number()),
            3 => Completion::Upload {
                have: input.number(),
                name: None,
            },
            4 => Completion::AlreadyThere,
            5 => Completion::Published {
                size: input.number(),
            },
            6 => Completion::Refused(Refusal::OverQuota {
                needed: input.number(),
                available: input.number(),
            }),
            _ => Completion::Refused(*input.pick(&[
                Refusal::NotFound,
                Refusal::Busy,
                Refusal::IsADirectory,
                Refusal::NoHome,
                Refusal::NoAccount,
                Refusal::Overloaded,
                Refusal::Stopped,
                Refusal::Fault,
            ])),
        });
    }

    fn answer(&mut self, completion: Completion) {
        if let Some((id, _)) = self.jobs.pop() {
            self.event(Event::Completed(id, completion));
        }
    }

    /// The completion of a job that there is not changes nothing.
    fn complete_nothing(&mut self, choice: u8) {
        let told = |session: &Session| {
            let (account, cwd) = (session.account().cloned(), session.cwd().clone());
            let waits = (session.accepts(), session.deadline(), session.is_closed());
            (account, cwd, waits)
        };
        let before = told(&self.session);
        let asked = self.jobs.iter().map(|(id, _)| id.0).max();
        let never = JobId(asked.map_or(u32::MAX, |id| id + 1_000_000));
        let completion = match choice % 3 {
            0 => Completion::Done,
            1 => Completion::HomeOpen(Arc::new(Permissions::from(Grant::ALL).into())),
            _ => Completion::Refused(Refusal::Fault),
        };
        let mut effects = Vec::new();
        let event = Event::Completed(never, completion);
        self.session.handle(self.now, event, &mut effects);
        assert!(effects.is_empty(), "{effects:?}");
        assert_eq!(told(&self.session), before);
    }

    fn end_transfer(&mut self, choice: u8) {
        let Some(task) = self.task.take() else { return };
        if task.route() == Route::Data {
            self.data = Data::None;
        }
        let end = match self.dialect {
            Dialect::Native => conversation::end_of(task, choice),
            Dialect::Ftp => ftp::end_of(task, choice),
        };
        self.event(Event::TransferEnded(end));
    }

    /// What the session waits for of connections: ports, TLS, data connections.
    fn data(&mut self, choice: u8) {
        if let Some(form) = self.listening.pop() {
            let port = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 2000);
            let port = match choice & 24 {
                0 | 16 => Ok(port),
                8 => Err(NoPort::NoneFree),
                _ => Err(NoPort::ShareTaken { most: 1 }),
            };
            return self.event(Event::Listening(form, port));
        }
        if self.shaking > 0 {
            self.shaking -= 1;
            return self.event(Event::Secured(ClientCertificate::None));
        }
        if let Some(event) = self.data.next(choice) {
            self.data = Data::after(&event);
            self.event(Event::Data(event));
        }
    }

    fn pass_deadline(&mut self) {
        if let Some(deadline) = self.session.deadline() {
            self.now = self.now.max(deadline);
            self.event(Event::Timeout);
        }
    }

    fn mishap(&mut self, choice: u8) {
        let is_stranger = self.session.account().is_none();
        self.event(match choice % 8 {
            0 => Event::Evicted,
            1 => Event::Leave(CloseReason::ShuttingDown),
            2 => Event::Stop,
            3 => Event::PeerClosed,
            4 if is_stranger => Event::Expelled(CloseReason::MadeRoom),
            5 if self.session.accepts() == Accepts::AllLines => Event::ClearTextAfterAuthTls,
            _ => Event::Progress {
                done: u64::from(choice),
            },
        });
    }

    fn event(&mut self, event: Event) {
        let was_closed = self.session.is_closed();
        let mut effects = Vec::new();
        self.session.handle(self.now, event, &mut effects);
        assert!(!was_closed || effects.is_empty(), "closed: {effects:?}");
        let mut ends = false;
        for effect in effects {
            assert!(!ends, "after the end: {effect:?}");
            ends = matches!(effect, Effect::Close(_));
            self.follow(effect);
        }
        assert_eq!(was_closed || ends, self.session.is_closed());
        if self.session.is_closed() {
            assert_eq!(self.session.deadline(), None);
            assert_eq!(self.session.accepts(), Accepts::Nothing);
        }
    }

    fn follow(&mut self, effect: Effect) {
        match effect {
            Effect::Reply(reply) => self.hear(&reply),
            Effect::Work(id, job) => {
                assert!(self.jobs.iter().all(|(known, _)| *known != id));
                self.jobs.push((id, job));
                // Nobody waits for an answer that never comes.
                self.jobs.drain(..self.jobs.len().saturating_sub(8));
            }
            Effect::Begin(task) => {
                assert!(self.task.is_none(), "one transfer at a time");
                let is_open = self.data == Data::Open;
                assert!(task.route() != Route::Data || is_open, "no connection");
                self.task = Some(task);
            }
            Effect::StartTls => self.shaking += 1,
            Effect::Listen(form) => self.listening.push(form),
            Effect::OpenData(_) => self.data = Data::Wanted,
            Effect::SecureData(..) => {
                assert!(self.data == Data::Open, "TLS needs a connection");
                self.data = Data::WantsTls;
            }
            Effect::CloseData => self.data = Data::None,
            _ => {}
        }
    }

    fn hear(&mut self, reply: &Reply) {
        let answered = match self.dialect {
            Dialect::Native => {
                replies::write(reply);
                1
            }
            Dialect::Ftp => {
                super::say(reply);
                super::final_replies(reply)
            }
        };
        let goes_on = match reply {
            // The answer to STAT, or the last word of all.
            Reply::UnderWay(_) => false,
            Reply::Closing(_) | Reply::Challenge { .. } => true,
            other => other.is_preliminary(),
        };
        if !goes_on {
            assert!(self.owed >= answered, "not asked for: {reply:?}");
            self.owed -= answered;
        }
    }
}
