//! A native conversation under arbitrary bytes, answers and mishaps: it never panics, says only what
//! a client can read, and never asks for two things at once.

use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use skiff_sessions::conversation::Conversation;
use skiff_sessions::digest::{Algorithm, Running, Sum};
use skiff_sessions::host::Hosts;
use skiff_sessions::rights::{Grant, Permissions};
use skiff_sessions::scram::{Binding, ClientLogin, Verifier};
use skiff_sessions::server::job::{ChangeTime, Remembered};
use skiff_sessions::server::{
    Completion, DialectRules, DownloadFacts, Effect, Event, Job, JobId, Limits, Setup, Standing,
};
use skiff_sessions::transfer::{End, Task};
use skiff_sessions::wire::codec;
use skiff_sessions::wire::native::replies::ReplyLine;
use skiff_sessions::wire::reply::{CloseReason, Facts, Kind, Refusal, Usage};
use skiff_sessions::wire::stamp::Stamp;

use super::input::bytes_of;

pub(crate) fn conversation(data: &[u8]) {
    let mut world = World::logged_in();
    let mut data = data;
    while let Some((&op, rest)) = data.split_first() {
        let (&argument, rest) = rest.split_first().unwrap_or((&0, rest));
        data = rest;
        match op % 12 {
            0..=4 => {
                let (bytes, rest) = rest.split_at(rest.len().min(usize::from(argument)));
                data = rest;
                world.receive(bytes);
            }
            5 | 6 => world.complete(argument),
            7 | 8 => world.end_transfer(argument),
            9 => world.event(Event::Timeout),
            10 => world.event(Event::Progress {
                done: u64::from(argument),
            }),
            _ => world.event(match argument % 8 {
                0 => Event::Evicted,
                1 => Event::Leave(CloseReason::ShuttingDown),
                2 => Event::Stop,
                3 => Event::PeerClosed,
                _ => Event::Timeout,
            }),
        }
    }
}

struct World {
    now: Instant,
    conversation: Conversation,
    jobs: Vec<(JobId, Job)>,
    task: Option<Task>,
    /// The reply said last.
    last: ReplyLine,
}

const ITERATIONS: u32 = 10_000;

pub(crate) fn limits() -> Limits {
    Limits {
        login: Duration::from_secs(30),
        idle: Duration::from_secs(900),
        stall: Duration::from_secs(60),
        data: Duration::from_secs(1),
        long_work: Duration::from_secs(20),
        progress: Duration::from_secs(4),
        penalty: Duration::from_millis(500),
        attempts: 3,
        malformed_lines: 3,
        hosts: Hosts::Any,
        server: "fuzz/0".to_owned(),
        banner: None,
        platform: "fuzz".to_owned(),
    }
}

pub(crate) fn setup() -> Setup {
    Setup {
        limits: Arc::new(limits()),
        binding: Binding::None,
        seed: [3; 32],
        dialect_rules: DialectRules::native(Algorithm::Md5),
    }
}

/// The login of one fixed client against one fixed server: its two lines, and
/// the verifier they fit to.
pub(crate) static LOGIN: LazyLock<(Verifier, Vec<u8>, Vec<u8>)> = LazyLock::new(|| {
    use base64ct::{Base64, Encoding};
    let verifier = Verifier::derive("123", vec![7; 16], ITERATIONS).unwrap();
    let (login, first) = ClientLogin::new("tom", "fuzznonce", Binding::None).unwrap();
    let first = format!("USER scram={}\r\n", Base64::encode_string(&first)).into_bytes();
    let mut world = World::new();
    world.receive(&first);
    world.answer(Completion::Account {
        verifier: verifier.clone(),
        standing: Standing::Known,
    });
    let scram = world.last.scram.take().unwrap();
    let (_, last) = login.answer(&scram, "123").unwrap();
    let last = format!("PASS scram={}\r\n", Base64::encode_string(&last)).into_bytes();
    (verifier, first, last)
});

impl World {
    fn new() -> Self {
        let setup = setup();
        let now = Instant::now();
        let conversation = Conversation::new(now, &codec::NATIVE, setup);
        Self {
            now,
            conversation,
            jobs: Vec::new(),
            task: None,
            last: ReplyLine::default(),
        }
    }

    fn logged_in() -> Self {
        let (verifier, first, last) = &*LOGIN;
        let mut world = Self::new();
        world.receive(first);
        world.answer(Completion::Account {
            verifier: verifier.clone(),
            standing: Standing::Known,
        });
        world.receive(last);
        world.answer(Completion::HomeOpen(Arc::new(
            Permissions::from(Grant::ALL).into(),
        )));
        assert_eq!(world.last.code, 230);
        world
    }

    fn receive(&mut self, bytes: &[u8]) {
        if self.task.is_some_and(|task| task.is_framed()) || !self.conversation.wants_input() {
            return;
        }
        let mut effects = Vec::new();
        self.conversation.receive(self.now, bytes, &mut effects);
        self.follow(effects);
    }

    fn event(&mut self, event: Event) {
        self.now += Duration::from_secs(5);
        let mut effects = Vec::new();
        self.conversation.handle(self.now, event, &mut effects);
        self.follow(effects);
    }

    fn answer(&mut self, completion: Completion) {
        if let Some((id, _)) = self.jobs.pop() {
            self.event(Event::Completed(id, completion));
        }
    }

    fn complete(&mut self, choice: u8) {
        let Some((_, job)) = self.jobs.last() else {
            return;
        };
        let completion = completion_for(job, choice);
        self.answer(completion);
    }

    fn end_transfer(&mut self, choice: u8) {
        let Some(task) = self.task.take() else { return };
        let end = end_of(task, choice);
        let mut effects = Vec::new();
        self.conversation
            .transfer_ended(self.now, end, 1, b"", &mut effects);
        self.follow(effects);
    }

    fn follow(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Work(id, job) => {
                    assert!(self.jobs.iter().all(|(known, _)| *known != id));
                    self.jobs.push((id, job));
                }
                Effect::Begin(task) => {
                    assert!(self.task.is_none(), "one transfer at a time");
                    self.conversation.take_ahead();
                    self.task = Some(task);
                }
                Effect::Reply(_) => panic!("replies go to the outbox"),
                _ => {}
            }
        }
        // Nobody waits for an answer that never comes.
        self.jobs.drain(..self.jobs.len().saturating_sub(8));
        self.hear();
    }

    fn hear(&mut self) {
        let said = std::mem::take(self.conversation.outbox());
        let lines = said.split_inclusive(|&b| b == b'\n');
        let read = |line: &[u8]| ReplyLine::decode(line.strip_suffix(b"\r\n").unwrap()).unwrap();
        for line in lines {
            self.last = read(line);
        }
    }
}

pub(crate) fn completion_for(job: &Job, choice: u8) -> Completion {
    if choice >= 200 {
        return Completion::Refused(Refusal::NotFound);
    }
    // None, either, both.
    let remembered = Remembered {
        verified: choice.is_multiple_of(2).then_some(Sum::Md5([7; 16])),
        later: choice.is_multiple_of(3).then_some(Sum::Sha256([7; 32])),
    };
    let size = u64::from(choice);
    let modified = Stamp(0);
    match job {
        Job::Facts { .. } => Completion::Facts(Facts {
            kind: Kind::File,
            size,
            modified,
            mode: None,
        }),
        Job::Usage => Completion::Usage(Usage::default()),
        Job::OpenListing(_) | Job::OpenStages { .. } => Completion::Listing,
        Job::OpenDownload { .. } => Completion::Download(DownloadFacts {
            size,
            modified,
            changed: ChangeTime::default(),
            remembered,
        }),
        Job::OpenUpload { .. } if choice >= 150 => Completion::AlreadyThere,
        Job::OpenUpload { .. } => Completion::Upload {
            have: size / 2,
            name: None,
        },
        Job::Publish { .. } => Completion::Published { size },
        _ => Completion::Done,
    }
}

pub(crate) fn end_of(task: Task, choice: u8) -> End {
    let position = match task {
        Task::Digest { to, .. } => to,
        Task::Receive { at_most, .. } => at_most,
        Task::Send { .. } | Task::Discard => 0,
        Task::DigestRange { .. } | Task::SendStream { .. } | Task::ReceiveStream { .. } => 0,
    };
    let sum = Some(Running::new(Algorithm::Md5).sum());
    match choice % 8 {
        0 => End::Stopped,
        1 => End::PeerAborted,
        2 => End::Refused(Refusal::DiskFull),
        3 if choice > 100 => End::LaneLost,
        _ => End::Complete {
            position,
            sum,
            left_out: 0,
        },
    }
}

/// Lines of a client that gets far, and some that are none.
pub(crate) const LINES: &[&str] = &[
    "RETR a\r\n",
    "RETR start=0 a\r\n",
    "STOR size=9 b\r\n",
    "STOR size=9 go=1 b\r\n",
    "LIST\r\n",
    "STAGES\r\n",
    "RNFR a\r\n",
    "351 c\r\n",
    "200\r\n",
    "211\r\n",
    "410\r\n",
    "210 offset=3 md5=9dd4e461268c8034f5c8564e155c67a6\r\n",
    "ABOR\r\n",
    "400\r\n",
    "225 md5=d41d8cd98f00b204e9800998ecf8427e\r\n",
    "550\r\n",
    "227\r\n",
    "PWD\r\n",
    "HASH algo=sha256 a\r\n",
    "CWD ../x\r\n",
    "DELE a\r\n",
    "MKD d\r\n",
    "STAT\r\n",
    "DF\r\n",
    "HELP RETR\r\n",
    "NOOP\r\n",
    "111 done=1 of=2\r\n",
    "%00\r\n",
    "\n",
    "\0",
    "220\r\n",
];

/// Noise with words of the grammar in it, so that a run without a fuzzer gets
/// past the first check.
pub(crate) fn talk_of(seed: u64, words: usize) -> Vec<u8> {
    let noise = bytes_of(seed, words * 4);
    let mut talk = Vec::new();
    for chunk in noise.chunks_exact(4) {
        let word = LINES[usize::from(chunk[1]) % LINES.len()];
        talk.extend_from_slice(&[0, word.len() as u8]);
        talk.extend_from_slice(word.as_bytes());
        talk.extend_from_slice(&[chunk[0] % 11, chunk[2], chunk[3] % 9, chunk[2]]);
    }
    talk
}
