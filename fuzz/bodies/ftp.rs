//! An FTP conversation under arbitrary bytes, answers and mishaps: it never
//! panics, says only what a client can read, reads no more than it may, and
//! never wants what it cannot have.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use skiff_sessions::conversation::Conversation;
use skiff_sessions::path::{PathArg, VirtualPath};
use skiff_sessions::rights::{Grant, Permissions};
use skiff_sessions::scram::Binding;
use skiff_sessions::server::{
    ClientCertificate, Completion, DataEvent, DialectRules, DownloadFacts, Effect, Event, Job,
    JobId, Privacy, Setup, Standing, TlsPolicy,
};
use skiff_sessions::transfer::{AHEAD_MAX, End, Route, Task};
use skiff_sessions::wire::codec;
use skiff_sessions::wire::reply::{Allowed, CloseReason, Entry, Facts, Held, Kind, Refusal, Usage};
use skiff_sessions::wire::stamp::Stamp;

use super::conversation::limits;
use super::input::bytes_of;

/// A read of the control connection.
const READ_MAX: usize = 255;
/// The longest line of a reply with a name of the longest line in it.
const SAID_MAX: usize = 64 * 1024;

pub(crate) fn ftp(data: &[u8]) {
    let Some((&first, mut data)) = data.split_first() else {
        return;
    };
    let mut world = World::new(first);
    while let Some((&op, rest)) = data.split_first() {
        let (&argument, rest) = rest.split_first().unwrap_or((&0, rest));
        data = rest;
        match op % 16 {
            0..=5 => {
                let (bytes, rest) = rest.split_at(rest.len().min(usize::from(argument)));
                data = rest;
                world.receive(bytes);
            }
            6..=9 => world.complete(argument),
            10 | 11 => world.end_transfer(argument),
            12 | 13 => world.data(argument),
            14 => world.event(Event::Progress {
                done: u64::from(argument),
            }),
            _ => world.mishap(argument),
        }
    }
}

struct World {
    now: Instant,
    conversation: Conversation,
    jobs: Vec<(JobId, Job)>,
    task: Option<Task>,
    data: Data,
    shaking: Shaking,
    /// The session has ended.
    over: Over,
}

/// What there is of a data connection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Data {
    None,
    Wanted,
    Open,
    WantsTls,
}

impl Data {
    /// What may become of it.
    pub(crate) fn next(self, choice: u8) -> Option<DataEvent> {
        match (self, choice % 4) {
            (Self::None | Self::Open, _) => None,
            (Self::Wanted, 3) => Some(DataEvent::NotOpened),
            (Self::Wanted, _) => Some(DataEvent::Open),
            (Self::WantsTls, 3) => Some(DataEvent::NotSecured),
            (Self::WantsTls, 2) => Some(DataEvent::NotResumed),
            (Self::WantsTls, _) => Some(DataEvent::Secured),
        }
    }

    pub(crate) fn after(event: &DataEvent) -> Self {
        match event {
            DataEvent::Open | DataEvent::Secured => Self::Open,
            _ => Self::None,
        }
    }
}

#[derive(PartialEq, Eq)]
enum Shaking {
    No,
    Yes,
}

#[derive(PartialEq, Eq)]
enum Over {
    No,
    Yes,
}

impl World {
    /// Greeted, or logged in; what TLS is to it is in `first` too.
    fn new(first: u8) -> Self {
        let setup = setup(first);
        let now = Instant::now();
        let mut world = Self {
            now,
            conversation: Conversation::new(now, &codec::FTP, setup),
            jobs: Vec::new(),
            task: None,
            data: Data::None,
            shaking: Shaking::No,
            over: Over::No,
        };
        if first & 8 == 0 {
            world.log_in();
        }
        world
    }

    fn log_in(&mut self) {
        self.receive(b"USER tom\r\nPASS 123\r\n");
        self.complete(2);
        self.complete(2);
        assert!(self.conversation.session().account().is_some());
    }

    /// As the shell reads: not while lines go out past the outbox, nor in the
    /// middle of a handshake.
    fn receive(&mut self, bytes: &[u8]) {
        let lines_go_out = self.task.is_some_and(|task| task.is_framed());
        let deaf = lines_go_out || self.shaking == Shaking::Yes || self.over == Over::Yes;
        if deaf || !self.conversation.wants_input() {
            return;
        }
        let mut effects = Vec::new();
        self.conversation.receive(self.now, bytes, &mut effects);
        self.follow(effects);
    }

    fn event(&mut self, event: Event) {
        if self.over == Over::Yes {
            return;
        }
        self.now += Duration::from_secs(5);
        let mut effects = Vec::new();
        self.conversation.handle(self.now, event, &mut effects);
        self.follow(effects);
    }

    fn complete(&mut self, choice: u8) {
        if let Some((id, job)) = self.jobs.pop() {
            self.event(Event::Completed(id, completion_for(&job, choice)));
        }
    }

    fn end_transfer(&mut self, choice: u8) {
        let Some(task) = self.task.take() else { return };
        if task.route() == Route::Data {
            self.data = Data::None;
        }
        let mut effects = Vec::new();
        let (end, ahead) = (end_of(task, choice), b"");
        self.conversation
            .transfer_ended(self.now, end, u64::from(choice), ahead, &mut effects);
        self.follow(effects);
    }

    /// What was awaited of a data connection, or of TLS.
    fn data(&mut self, choice: u8) {
        if self.shaking == Shaking::Yes {
            self.shaking = Shaking::No;
            self.event(Event::Secured(ClientCertificate::Shown));
        } else if let Some(event) = self.data.next(choice) {
            self.data = Data::after(&event);
            self.event(Event::Data(event));
        }
    }

    fn mishap(&mut self, choice: u8) {
        self.event(match choice % 16 {
            0 => Event::Evicted,
            1 => Event::Leave(CloseReason::ShuttingDown),
            2 => Event::Stop,
            3 => Event::PeerClosed,
            // What comes late is nobody's.
            4 => Event::Completed(JobId(u32::MAX), Completion::Done),
            _ => Event::Timeout,
        });
    }

    fn follow(&mut self, effects: Vec<Effect>) {
        let mut listening = Vec::new();
        for effect in effects {
            match effect {
                Effect::Work(id, job) => {
                    assert!(self.jobs.iter().all(|(known, _)| *known != id));
                    self.jobs.push((id, job));
                }
                Effect::Begin(task) => self.begin(task),
                Effect::StartTls => self.shaking = Shaking::Yes,
                Effect::Listen(form) => listening.push(form),
                Effect::OpenData(_) => self.data = Data::Wanted,
                Effect::SecureData(..) => {
                    assert!(self.data == Data::Open, "TLS needs a connection");
                    self.data = Data::WantsTls;
                }
                Effect::CloseData => self.data = Data::None,
                Effect::Close(_) => self.over = Over::Yes,
                Effect::Reply(_) => panic!("replies go to the outbox"),
                _ => {}
            }
        }
        self.hear();
        for form in listening {
            let port = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 2000);
            self.event(Event::Listening(form, Ok(port)));
        }
        // Nobody waits for an answer that never comes.
        self.jobs.drain(..self.jobs.len().saturating_sub(8));
    }

    fn begin(&mut self, task: Task) {
        assert!(self.task.is_none(), "one transfer at a time");
        match task.route() {
            Route::None => {}
            Route::Data => assert!(self.data == Data::Open, "bytes need a connection"),
            Route::Control => {
                let ahead = self.conversation.take_ahead();
                assert!(ahead.len() <= AHEAD_MAX + READ_MAX, "the inbox is bounded");
            }
        }
        self.task = Some(task);
    }

    /// Lines are `NNN `, `NNN-`, or begin with a blank and belong to a reply of
    /// many lines; each ends with CRLF and holds no other line end.
    fn hear(&mut self) {
        let said = std::mem::take(self.conversation.outbox());
        assert!(said.len() < 2 * SAID_MAX, "the outbox is bounded");
        for line in said.split_inclusive(|&b| b == b'\n') {
            let line = line.strip_suffix(b"\r\n").unwrap();
            assert!(!line.iter().any(|b| matches!(b, 0 | b'\r' | b'\n')));
            let coded = line.len() > 3
                && line[..3].iter().all(u8::is_ascii_digit)
                && matches!(line[3], b' ' | b'-');
            assert!(coded || line.first() == Some(&b' '), "{line:?}");
        }
    }
}

pub(crate) fn completion_for(job: &Job, choice: u8) -> Completion {
    if choice >= 200 {
        let whys = [
            Refusal::NotFound,
            Refusal::Busy,
            Refusal::DiskFull,
            Refusal::Fault,
        ];
        return Completion::Refused(whys[usize::from(choice) % whys.len()]);
    }
    let (size, modified) = (u64::from(choice), Stamp(0));
    match job {
        Job::CheckPassword { .. } | Job::CheckCertificate { .. } => {
            Completion::Identified(match choice % 2 {
                0 => Standing::Known,
                _ => Standing::Decoy,
            })
        }
        Job::OpenHome => Completion::HomeOpen(Arc::new(Permissions::from(Grant::ALL).into())),
        Job::Entry { .. } => Completion::Entry(Entry {
            facts: Facts {
                kind: Kind::Link,
                size,
                modified,
                mode: None,
            },
            target: choice.is_multiple_of(2).then(|| b"a b;c".to_vec()),
            allowed: Allowed::ALL,
        }),
        Job::Usage | Job::UsageIn { .. } => Completion::Usage(Usage {
            limit: 1000,
            held: (size % 2 == 0).then(Held::default),
            ..Usage::default()
        }),
        Job::Size { .. } => Completion::Size(size),
        Job::ModifiedAt { .. } | Job::SetModified { .. } => Completion::ModifiedAt(modified),
        Job::UniqueName { path } => Completion::Name(named(path)),
        Job::OpenListing(_) | Job::OpenStages { .. } => Completion::Listing,
        Job::OpenDownload { .. } => Completion::Download(DownloadFacts {
            size,
            modified,
            changed: Default::default(),
            remembered: Default::default(),
        }),
        Job::OpenStream { .. } => Completion::Upload {
            have: size / 2,
            name: None,
        },
        Job::ReadyStream => Completion::StreamReady {
            grace: Duration::from_millis(1),
        },
        Job::PublishStream => Completion::Published { size },
        _ => Completion::Done,
    }
}

/// A listener and a connection to it, as the bits of `first` say.
pub(crate) fn setup(first: u8) -> Setup {
    let tls = match first & 3 {
        0 => TlsPolicy::Required,
        1 => TlsPolicy::NotOffered,
        _ => TlsPolicy::Optional,
    };
    let channel = match (tls, first & 4) {
        (TlsPolicy::Required, _) | (_, 4) => Privacy::Private,
        _ => Privacy::Clear,
    };
    let peer = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    Setup {
        limits: Arc::new(limits()),
        binding: Binding::None,
        seed: [3; 32],
        dialect_rules: DialectRules::ftp(tls, channel, peer),
    }
}

fn named(path: &VirtualPath) -> VirtualPath {
    PathArg::new([path.as_bytes(), b".1"].concat())
        .and_then(|name| VirtualPath::root().join(&name).ok())
        .unwrap()
}

pub(crate) fn end_of(task: Task, choice: u8) -> End {
    let from = match task {
        Task::SendStream { from, .. } | Task::ReceiveStream { from, .. } => from,
        _ => 0,
    };
    let position = from + u64::from(choice);
    match choice % 8 {
        0 => End::Stopped,
        1 => End::Truncated { position },
        2 => End::Refused(Refusal::DiskFull),
        3 => End::LaneLost,
        4 if matches!(task, Task::ReceiveStream { .. }) => End::Stored { size: position },
        5 if matches!(task, Task::ReceiveStream { .. }) => End::Ready {
            position,
            grace: Duration::from_millis(u64::from(choice)),
        },
        _ => End::Complete {
            position,
            sum: None,
            left_out: u64::from(choice / 64),
        },
    }
}

/// Commands of a client that gets far.
pub(crate) const LINES: &[&str] = &[
    "USER tom",
    "PASS 123",
    "AUTH TLS",
    "PBSZ 0",
    "PROT P",
    "PROT C",
    "CCC",
    "REIN",
    "PASV",
    "EPSV",
    "EPSV",
    "EPSV",
    "EPSV ALL",
    "PORT 192,0,2,1,7,208",
    "TYPE I",
    "TYPE A",
    "REST 5",
    "ALLO 9",
    "RETR a",
    "RETR a",
    "STOR a",
    "STOR a",
    "APPE a",
    "STOU",
    "LIST",
    "MLSD d",
    "STAT",
    "STAT d",
    "MLST a",
    "SIZE a",
    "MDTM a",
    "MFMT 20260102030405 a",
    "HASH a",
    "RANG 0 5",
    "XMD5 \"a\" 0 5",
    "RNFR a",
    "RNTO b",
    "DELE a",
    "MKD \u{ff}\"x",
    "CWD ../x",
    "ABOR",
    "NOOP",
    "QUIT",
    "SITE STAGES",
    "SITE QUOTA",
    "HELP",
    "FEAT",
    "OPTS MLST size;",
    "\u{1}",
    "PWD\r\nNOOP",
    "RETR a\r\nABOR\r\nPWD",
];

/// Commands, answers to what they ask for, and noise, so that a run without a
/// fuzzer gets far.
pub(crate) fn ftp_dialogue_of(seed: u64, words: usize) -> Vec<u8> {
    let noise = bytes_of(seed, words * 4 + 1);
    let mut talk = vec![noise[0]];
    for chunk in noise[1..].chunks_exact(4) {
        let line = LINES[usize::from(chunk[1]) % LINES.len()];
        talk.extend_from_slice(&[0, line.len() as u8 + 2]);
        talk.extend_from_slice(line.as_bytes());
        talk.extend_from_slice(b"\r\n");
        talk.extend_from_slice(&[6, chunk[2], 12, chunk[3], 6, chunk[3]]);
        talk.extend_from_slice(&[6 + chunk[0] % 10, chunk[2]]);
    }
    talk
}
