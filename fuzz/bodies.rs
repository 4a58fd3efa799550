//! What each fuzz target does with its bytes: plain functions, which `cargo
//! test` runs too, with fixed seeds.

// A body fails by panicking.
#![allow(clippy::unwrap_used)]

#[path = "bodies/ftp.rs"]
pub(crate) mod ftp;

use skiff_sessions::server::job::{ChangeTime, Remembered};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use skiff_sessions::conversation::Conversation;
use skiff_sessions::digest::{Algorithm, Running, Sum};
use skiff_sessions::path::VirtualPath;
use skiff_sessions::scram::{Binding, ClientLogin, Verifier};
use skiff_sessions::server::{
    Access, Completion, DialectRules, DownloadFacts, Effect, Event, Job, JobId, Limits, Rights,
    Setup, Standing,
};
use skiff_sessions::transfer::{End, Task};
use skiff_sessions::wire::codec;
use skiff_sessions::wire::command::Command;
use skiff_sessions::wire::ftp::pattern::Pattern;
use skiff_sessions::wire::ftp::{codes, verbs};
use skiff_sessions::wire::line::{Head, Inbox, LINE_MAX, Rules};
use skiff_sessions::wire::native::commands::encode;
use skiff_sessions::wire::native::frames::{FrameDecoder, Piece};
use skiff_sessions::wire::native::replies::ReplyLine;
use skiff_sessions::wire::native::verbs::decode;
use skiff_sessions::wire::native::{facts, path_escape};
use skiff_sessions::wire::reply::{
    CloseReason, Facts, HelpTopic, Kind, Refusal, Reply, TlsOffer, Usage,
};
use skiff_sessions::wire::stamp::Stamp;

/// Lines: any cut of the bytes gives the same lines, and what is understood
/// survives being written and read again.
pub(crate) fn lines(data: &[u8]) {
    let Some((&step, data)) = data.split_first() else {
        return;
    };
    let whole = heads(Rules::Strict, data, data.len().max(1));
    let cut = heads(Rules::Strict, data, usize::from(step).max(1));
    assert_eq!(whole, cut);
    for line in whole.iter().flatten() {
        assert!(line.len() <= LINE_MAX - 2);
        if let Ok(command) = decode(line) {
            let mut written = Vec::new();
            encode(&command, &mut written);
            let again = decode(written.strip_suffix(b"\r\n").unwrap());
            assert_eq!(
                again.map(|c| c.required_permission()),
                Ok(command.required_permission())
            );
        }
        let _ = ReplyLine::decode(line);
        if let Some((name, facts)) = facts::parse_entry(line) {
            let mut written = Vec::new();
            facts::push_entry(&name, &facts, &mut written);
        }
        if let Some(path) = std::str::from_utf8(line)
            .ok()
            .and_then(path_escape::decode_path)
        {
            let mut written = Vec::new();
            path_escape::push_path(&path, &mut written);
            let written = String::from_utf8(written).unwrap();
            assert_eq!(path_escape::decode_path(&written).unwrap(), path);
        }
    }
}

/// `None` for a head that is no line.
fn heads(rules: Rules, data: &[u8], step: usize) -> Vec<Option<Vec<u8>>> {
    let (mut inbox, mut seen) = (Inbox::new(rules), Vec::new());
    for chunk in data.chunks(step) {
        inbox.push(chunk);
        seen.extend(take_all(&mut inbox));
        inbox.compact();
        assert!(inbox.len() < LINE_MAX, "a line buffer is bounded");
    }
    seen
}

fn take_all(inbox: &mut Inbox) -> Vec<Option<Vec<u8>>> {
    let mut seen = Vec::new();
    loop {
        match inbox.take() {
            Head::Incomplete => return seen,
            Head::Line(range) => seen.push(Some(inbox.slice(range).to_vec())),
            // A long line is told when it is known to be: that depends on the cut.
            Head::TooLong => {}
            Head::Broken => seen.push(None),
        }
    }
}

/// FTP's lines: any cut of the bytes gives the same, urgent ones come first and
/// change nothing for the others, and no name breaks out of a reply.
pub(crate) fn ftp_lines(data: &[u8]) {
    let Some((&step, data)) = data.split_first() else {
        return;
    };
    let whole = heads(Rules::Telnet, data, data.len().max(1));
    let cut = heads(Rules::Telnet, data, usize::from(step).max(1));
    assert_eq!(whole, cut);
    urgent_first(data, &whole);
    for line in whole.iter().flatten() {
        let decoded = verbs::decode(line);
        if verbs::is_urgent(line) {
            let urgent = [
                Command::Abort,
                Command::Quit,
                Command::Noop,
                Command::Status,
            ];
            assert!(
                decoded
                    .as_ref()
                    .is_ok_and(|command| urgent.contains(command))
            );
        }
        let path = decoded.as_ref().ok().and_then(Command::subject);
        if let Some(path) = path.and_then(|path| VirtualPath::root().join(path).ok()) {
            say(&Reply::Created(path));
        }
        say(&Reply::Help {
            topic: HelpTopic::Verb(String::from_utf8_lossy(line).into()),
            tls: TlsOffer::Offered,
        });
        let _ = Pattern::new(line).matches(whole[0].as_deref().unwrap_or_default());
    }
}

fn urgent_first(data: &[u8], whole: &[Option<Vec<u8>>]) {
    let mut inbox = Inbox::new(Rules::Telnet);
    inbox.push(data);
    let mut seen = Vec::new();
    let mut waiting = inbox.lines();
    while let Head::Line(range) = inbox.take_urgent(verbs::is_urgent) {
        seen.push(Some(inbox.slice(range).to_vec()));
        waiting -= 1;
        assert_eq!(inbox.lines(), waiting);
    }
    seen.extend(take_all(&mut inbox));
    let is_urgent = |head: &&Option<Vec<u8>>| head.as_deref().is_some_and(verbs::is_urgent);
    let urgent = whole.iter().filter(is_urgent);
    let others = whole.iter().filter(|head| !is_urgent(head));
    assert!(seen.iter().eq(urgent.chain(others)));
}

/// One line, or as many as its first one says.
fn say(reply: &Reply) {
    let mut out = Vec::new();
    let code = codes::encode(reply, &mut out);
    let many = out.get(3) == Some(&b'-');
    let ends = out.windows(2).filter(|pair| pair == b"\r\n").count();
    assert!(out.starts_with(code.to_string().as_bytes()) && out.ends_with(b"\r\n"));
    assert!(many || ends == 1);
}

/// Frames: any cut of the bytes gives the same data and the same end.
pub(crate) fn frames(data: &[u8]) {
    let Some((&step, data)) = data.split_first() else {
        return;
    };
    assert_eq!(
        unframe(data, data.len().max(1)),
        unframe(data, usize::from(step).max(1))
    );
}

fn unframe(data: &[u8], step: usize) -> (Vec<u8>, Vec<&'static str>) {
    let (mut decoder, mut out, mut marks) = (FrameDecoder::default(), Vec::new(), Vec::new());
    for chunk in data.chunks(step) {
        let mut rest = chunk;
        while !rest.is_empty() {
            let (piece, took) = decoder.next(rest);
            assert!(took > 0, "the decoder makes way");
            rest = &rest[took..];
            match piece {
                Piece::Data(bytes) => out.extend_from_slice(bytes),
                Piece::NeedMore => {}
                Piece::End => marks.push("end"),
                Piece::Abort => marks.push("abort"),
                Piece::TooLong => marks.push("too long"),
            }
        }
    }
    (out, marks)
}

/// A conversation under arbitrary bytes, answers and mishaps: it never panics,
/// says only what a client can read, and never asks for two things at once.
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

fn limits() -> Limits {
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
        server: "fuzz/0".to_owned(),
        platform: "fuzz".to_owned(),
    }
}

/// The login of one fixed client against one fixed server: its two lines, and
/// the verifier they fit to.
static LOGIN: LazyLock<(Verifier, Vec<u8>, Vec<u8>)> = LazyLock::new(|| {
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
        let setup = Setup {
            limits: Arc::new(limits()),
            binding: Binding::None,
            seed: [3; 32],
            dialect_rules: DialectRules::native(Algorithm::Md5),
        };
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
        world.answer(Completion::HomeOpen(Access::ReadWrite, Rights::default()));
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

fn completion_for(job: &Job, choice: u8) -> Completion {
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
        Job::OpenListing(_) | Job::OpenStages => Completion::Listing,
        Job::OpenDownload { .. } => Completion::Download(DownloadFacts {
            size,
            modified,
            changed: ChangeTime::default(),
            remembered,
        }),
        Job::OpenUpload { .. } if choice >= 150 => Completion::AlreadyThere,
        Job::OpenUpload { .. } => Completion::Upload { have: size / 2 },
        Job::Publish { .. } => Completion::Published { size },
        _ => Completion::Done,
    }
}

fn end_of(task: Task, choice: u8) -> End {
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

/// Bytes from a seed (splitmix64), for runs without a fuzzer.
pub(crate) fn bytes_of(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed;
    let mut next = move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    (0..len).map(|_| next() as u8).collect()
}

/// Noise with words of the grammar in it, so that a run without a fuzzer gets
/// past the first check.
pub(crate) fn talk_of(seed: u64, words: usize) -> Vec<u8> {
    const WORDS: &[&str] = &[
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
    let noise = bytes_of(seed, words * 4);
    let mut talk = Vec::new();
    for chunk in noise.chunks_exact(4) {
        let word = WORDS[usize::from(chunk[1]) % WORDS.len()];
        talk.extend_from_slice(&[0, word.len() as u8]);
        talk.extend_from_slice(word.as_bytes());
        talk.extend_from_slice(&[chunk[0] % 11, chunk[2], chunk[3] % 9, chunk[2]]);
    }
    talk
}

/// Words of FTP's grammar, with noise in between.
pub(crate) fn ftp_talk_of(seed: u64, words: usize) -> Vec<u8> {
    const WORDS: &[&[u8]] = &[
        b"USER tom",
        b"PASS 123",
        b"CWD ",
        b"LIST -la ",
        b"SITE UTIME 202601020304 ",
        b"SITE HELP ",
        b"MDTM 20260102030405 ",
        b"XMD5 \"a\" 0 5",
        b"OPTS MLST size;type;",
        b"EPRT |1|192.0.2.1|2000|",
        b"PORT 192,0,2,1,7,208",
        b"REST 5",
        b"RANG 1 0",
        b"MKD \"",
        b"ABOR",
        b"STAT",
        b"QUIT",
        b"\xff\xf4\xff\xf2",
        b"\xff\xfb",
        b"\xff",
        b"\r\n",
        b"\r\n",
        b"\n",
        b"\n",
        b" ",
        b"a",
        b"*",
        b"[",
        b"\0",
        b"\r",
    ];
    let noise = bytes_of(seed, words * 2 + 1);
    let mut talk = vec![noise[0]];
    for pair in noise[1..].chunks_exact(2) {
        match pair[0] % 16 {
            0 => talk.push(pair[1]),
            _ => talk.extend_from_slice(WORDS[usize::from(pair[1]) % WORDS.len()]),
        }
    }
    talk
}
