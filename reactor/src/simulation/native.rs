//! [`NativePeer`]: a native client that does random things, by the client's own dialogues.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::AtomicBool;

use skiff_sessions::client::{
    CommandTiming, Credentials, Decision, Dialogue, Effect, Event, GetOrder, LocalCopy, LocalFile,
    Outcome,
};
use skiff_sessions::digest::Algorithm;
use skiff_sessions::lane::Plain;
use skiff_sessions::parallel_hash::ParallelHash;
use skiff_sessions::path::PathArg;
use skiff_sessions::scram::Binding;
use skiff_sessions::transfer::{Burst, BurstResources, End, Sink, Source, Task, Transfer};
use skiff_sessions::wire::command::{Command, List, Replace, Retrieve, Store, Turn};
use skiff_sessions::wire::line::{Head, Inbox};
use skiff_sessions::wire::listing::Options;
use skiff_sessions::wire::native::commands::encode;
use skiff_sessions::wire::native::facts::parse_entry;
use skiff_sessions::wire::native::replies::ReplyLine;
use skiff_sessions::wire::reply::Refusal;

use super::books::Piece;
use super::errand::{Done, Errand, What};
use super::listed::check_listed;
use super::scene::Scene;
use super::socket::{Got, Socket};

/// Bytes that a burst moves at most.
const BUDGET: u64 = 48 * 1024;

static ALWAYS: AtomicBool = AtomicBool::new(true);
static NEVER: AtomicBool = AtomicBool::new(false);

pub(super) struct NativePeer {
    pub(super) user: usize,
    slot: usize,
    link: Option<Link>,
    /// What was sent last to names, and did not get there.
    again: BTreeMap<String, Piece>,
}

/// A connection, and the dialogue on it.
struct Link {
    socket: Socket,
    inbox: Inbox,
    outbox: Vec<u8>,
    dialogue: Option<(Errand, Dialogue)>,
    queue: VecDeque<Effect>,
    transfer: Transfer,
    task: Option<Task>,
    files: Files,
    stop: Stop,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stop {
    No,
    Wanted,
}

/// The peer's own files: what it sends, and what it is sent.
#[derive(Default)]
struct Files {
    source: Vec<u8>,
    received: Vec<u8>,
    is_receiving: bool,
}

impl Source for Files {
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, Refusal> {
        let rest = self.source.get(offset as usize..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }
}

impl Sink for Files {
    fn write(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        self.received.extend_from_slice(bytes);
        Ok(())
    }
}

impl NativePeer {
    pub(super) fn new(user: usize, slot: usize) -> Self {
        Self {
            user,
            slot,
            link: None,
            again: BTreeMap::new(),
        }
    }

    /// Does one thing; gives whether it could do anything.
    pub(super) fn act(&mut self, scene: &mut Scene<'_>) -> Result<bool, String> {
        let Some(link) = &mut self.link else {
            return self.connect(scene);
        };
        if scene.cuts && scene.random.one_in(150) {
            self.cut(scene);
            return Ok(true);
        }
        if scene.cuts && link.dialogue.is_some() && scene.random.one_in(200) {
            link.stop = Stop::Wanted;
            link.tell(Event::Stop);
        }
        let before = link.outbox.len();
        if !link.flush() {
            self.cut(scene);
            return Ok(true);
        }
        let flushed = link.outbox.len() < before;
        match link.step(scene)? {
            Step::Did => Ok(true),
            Step::Waits => Ok(flushed),
            Step::Idle => self.begin(scene),
            Step::Ended(ended) => self.end(ended.0, ended.1, scene),
            Step::Lost => {
                self.cut(scene);
                Ok(true)
            }
        }
    }

    /// Lets the connection end at once.
    pub(super) fn cut(&mut self, scene: &mut Scene<'_>) {
        log::debug!("peer {} is gone", self.slot);
        let Some(link) = self.link.take() else { return };
        if scene.random.one_in(3) {
            link.socket.reset();
        }
        if let Some((errand, _)) = link.dialogue
            && !errand.is_unseen()
        {
            scene.figures.lost += 1;
            self.keep(&errand);
            errand.note(Done::Unknown, scene.books);
        }
    }

    /// Notes what is to be sent again.
    fn keep(&mut self, errand: &Errand) {
        if let What::Store { name, piece } = &errand.what
            && !name.starts_with('x')
        {
            self.again.insert(name.clone(), *piece);
        }
    }

    fn connect(&mut self, scene: &mut Scene<'_>) -> Result<bool, String> {
        let socket = Socket::connect(scene.native).map_err(|error| error.to_string())?;
        let credentials = Credentials {
            user: format!("u{}", self.user),
            password: "secret".to_owned().into(),
            nonce: format!("nonce{}", scene.random.number()),
            binding: Binding::None,
        };
        let mut link = Link {
            socket,
            inbox: Inbox::default(),
            outbox: Vec::new(),
            dialogue: None,
            queue: VecDeque::new(),
            transfer: Transfer::default(),
            task: None,
            files: Files::default(),
            stop: Stop::No,
        };
        let mut effects = Vec::new();
        let login = Dialogue::login(credentials, &mut effects);
        let login = login.map_err(|error| error.to_string())?;
        // The greeting comes first.
        link.queue = effects.into();
        link.dialogue = Some((Errand::plain(), login));
        self.link = Some(link);
        Ok(true)
    }

    fn begin(&mut self, scene: &mut Scene<'_>) -> Result<bool, String> {
        let mut errand = Errand::random(self.slot, scene.random, scene.books, scene.next_id);
        if !self.again.is_empty() && scene.random.one_in(6) {
            let chosen = scene.random.below(self.again.len());
            if let Some((name, piece)) = self.again.iter().nth(chosen) {
                errand = Errand::again(name.clone(), *piece, scene.books);
            }
        }
        // This dialect has no appending.
        if let What::Append { .. } = errand.what {
            return Ok(true);
        }
        if let Some(link) = &mut self.link
            && !errand.is_unseen()
        {
            log::debug!("peer {} begins {:?}", self.slot, errand.what);
            self.again.retain(|name, _| !errand.touches(name));
            link.start(errand, scene);
        }
        Ok(true)
    }

    fn end(
        &mut self,
        mut errand: Errand,
        outcome: Outcome,
        scene: &mut Scene<'_>,
    ) -> Result<bool, String> {
        log::debug!("peer {}: {outcome:?}", self.slot);
        let Some(link) = &self.link else {
            return Ok(true);
        };
        let done = match &outcome {
            Outcome::Verified(_) | Outcome::AlreadyThere { .. } | Outcome::LoggedIn(_) => Done::Yes,
            Outcome::Replied(reply) if reply.code < 400 => Done::Yes,
            Outcome::Replied(_) | Outcome::NotReplaced(_) if !scene.faults => Done::No,
            Outcome::Stopped | Outcome::Replied(_) | Outcome::NotReplaced(_) => Done::Unknown,
            Outcome::Closing(_) | Outcome::Lost => {
                self.keep(&errand);
                errand.note(Done::Unknown, scene.books);
                self.link = None;
                return Ok(true);
            }
            other => return Err(format!("{:?} ended with {other:?}", errand.what)),
        };
        if done == Done::Yes {
            match &errand.what {
                What::Fetch { name } => scene.check_fetched(name, &link.files.received)?,
                What::List { folder } => {
                    let lines = link.files.received.split(|byte| *byte == b'\n');
                    let names = lines.filter_map(|line| {
                        let (name, _) = parse_entry(line.strip_suffix(b"\r")?)?;
                        String::from_utf8(name).ok()
                    });
                    let below = |name: String| match folder.as_str() {
                        "" => name,
                        folder => format!("{folder}/{name}"),
                    };
                    check_listed(
                        self.slot,
                        folder,
                        &names.map(below).collect::<Vec<_>>(),
                        scene,
                    )?;
                }
                _ => {}
            }
        } else {
            self.keep(&errand);
        }
        scene.count(&errand, done);
        errand.has_begun = false;
        errand.note(done, scene.books);
        Ok(true)
    }
}

/// What a link came to.
enum Step {
    Did,
    /// It waits for the server.
    Waits,
    /// No dialogue is under way.
    Idle,
    Ended(Box<(Errand, Outcome)>),
    Lost,
}

impl Link {
    /// Sends what is to be sent; false where the connection is lost.
    fn flush(&mut self) -> bool {
        match self.socket.send(&self.outbox) {
            Some(sent) => {
                self.outbox.drain(..sent);
                true
            }
            None => self.outbox.is_empty(),
        }
    }

    fn start(&mut self, errand: Errand, scene: &mut Scene<'_>) {
        self.files = Files::default();
        self.transfer = Transfer::default();
        self.stop = Stop::No;
        let mut effects = Vec::new();
        let dialogue = self.dialogue_of(&errand, scene, &mut effects);
        self.queue = effects.into();
        self.dialogue = Some((errand, dialogue));
    }

    fn dialogue_of(
        &mut self,
        errand: &Errand,
        scene: &mut Scene<'_>,
        out: &mut Vec<Effect>,
    ) -> Dialogue {
        match &errand.what {
            What::Store { name, piece } | What::Resume { name, piece } => {
                self.files.source = piece.bytes(0, piece.len);
                let digest = match scene.random.below(2) {
                    0 => Algorithm::Md5,
                    _ => Algorithm::Sha256,
                };
                let store = Store {
                    path: path(name),
                    size: piece.len as u64,
                    modified: None,
                    digest,
                    declared: None,
                    replace: Replace::Yes,
                    turn: match scene.random.below(3) {
                        0 => Turn::Skipped,
                        _ => Turn::Negotiate,
                    },
                };
                Dialogue::put(store, out)
            }
            What::Fetch { name } => {
                let order = GetOrder {
                    what: Retrieve {
                        path: path(name),
                        digest: Algorithm::Md5,
                        turn: match scene.random.below(2) {
                            0 => Turn::Skipped,
                            _ => Turn::Negotiate,
                        },
                    },
                    command: CommandTiming::Now,
                    local: LocalCopy::default(),
                    replace: Replace::Yes,
                };
                self.files.is_receiving = true;
                Dialogue::get(order, out)
            }
            What::List { folder } => {
                let list = List {
                    path: (!folder.is_empty()).then(|| path(folder)),
                    options: Options::NONE,
                };
                Dialogue::listing(Command::List(list), out)
            }
            What::Rename { from, to } => Dialogue::rename(path(from), path(to), out),
            What::Delete { name } | What::RemoveDirectory { name } => {
                Dialogue::request(Command::Delete(path(name)), out)
            }
            What::MakeDirectory { name } => {
                Dialogue::request(Command::MakeDirectory(path(name)), out)
            }
            What::Small(_) | What::Append { .. } | What::Nothing => {
                let command = match scene.random.below(3) {
                    0 => Command::Usage,
                    1 => Command::WorkingDirectory,
                    _ => Command::Noop,
                };
                Dialogue::request(command, out)
            }
        }
    }

    fn step(&mut self, scene: &mut Scene<'_>) -> Result<Step, String> {
        if let Some(task) = self.task {
            return Ok(self.burst(task, scene));
        }
        if self.dialogue.is_none() {
            return match self.next_line()? {
                Line::Lost => Ok(Step::Lost),
                Line::None => Ok(Step::Idle),
                Line::Some(reply) if reply.code == 421 => Ok(Step::Lost),
                Line::Some(reply) => Err(format!("{reply:?} came unasked")),
            };
        }
        match self.queue.pop_front() {
            Some(Effect::Done(outcome)) => {
                let ended = self.dialogue.take();
                let ended = ended.map(|(errand, _)| Box::new((errand, *outcome)));
                Ok(ended.map_or(Step::Did, Step::Ended))
            }
            Some(effect) => {
                self.perform(effect);
                Ok(Step::Did)
            }
            None => match self.next_line()? {
                Line::Lost => Ok(Step::Lost),
                Line::None => Ok(Step::Waits),
                // The greeting.
                Line::Some(reply) if reply.code == 220 => Ok(Step::Did),
                Line::Some(reply) => {
                    self.tell(Event::Answered(*reply));
                    Ok(Step::Did)
                }
            },
        }
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Send(command) => encode(&command, &mut self.outbox),
            Effect::Begin(task) => {
                if self.stop == Stop::Wanted && task != Task::Discard {
                    self.tell(Event::Stop);
                }
                self.transfer.begin(task, self.inbox.drain());
                self.task = Some(task);
            }
            Effect::Ask(_) => self.tell(Event::Decided(Decision::Yes)),
            Effect::Use(LocalFile::EmptyPart) | Effect::DropPart => self.files.received.clear(),
            Effect::Use(_) | Effect::Working { .. } | Effect::Note(_) | Effect::Done(_) => {}
            Effect::Publish { .. } => self.tell(Event::Published),
        }
    }

    fn tell(&mut self, event: Event) {
        let mut effects = Vec::new();
        if let Some((_, dialogue)) = &mut self.dialogue {
            dialogue.handle(event, &mut effects);
        }
        self.queue.extend(effects);
    }

    fn burst(&mut self, task: Task, scene: &mut Scene<'_>) -> Step {
        if task.is_framed() && !self.outbox.is_empty() {
            return Step::Waits;
        }
        let stop = match (task, self.stop) {
            (Task::Discard, _) | (_, Stop::No) => &NEVER,
            (_, Stop::Wanted) => &ALWAYS,
        };
        let before = self.transfer.moved();
        let mut scratch = vec![0; 64 + scene.random.below(32 * 1024)];
        let resources = BurstResources {
            scratch: &mut scratch,
            budget: BUDGET,
            stop,
            parallel_hash: &mut ParallelHash::Off,
            splice_pipe: None,
        };
        let burst = match task {
            Task::Digest { .. } => self.transfer.burst_digest(&mut self.files, resources),
            _ => {
                let mut lane = Plain(self.socket.stream());
                self.transfer.burst(&mut lane, &mut self.files, resources)
            }
        };
        match burst {
            Burst::Finished(End::LaneLost) => Step::Lost,
            Burst::Finished(end) => {
                log::debug!("{task:?} ended with {end:?}");
                self.task = None;
                self.inbox.push(&self.transfer.take_ahead());
                self.tell(Event::Ended(end));
                Step::Did
            }
            _ if self.transfer.moved() > before => Step::Did,
            Burst::BudgetSpent => Step::Did,
            Burst::WantsRead | Burst::WantsWrite => Step::Waits,
        }
    }

    fn next_line(&mut self) -> Result<Line, String> {
        loop {
            match self.inbox.take() {
                Head::Line(range) => {
                    let line = self.inbox.slice(range);
                    let text = String::from_utf8_lossy(line).into_owned();
                    let reply =
                        ReplyLine::decode(line).map_err(|_| format!("{text:?} is no reply"))?;
                    log::debug!("a peer hears {text}");
                    self.inbox.compact();
                    return Ok(Line::Some(Box::new(reply)));
                }
                Head::Incomplete => self.inbox.compact(),
                head => return Err(format!("{head:?} is no line of a server")),
            }
            match self.socket.read() {
                Got::Bytes(bytes) => self.inbox.push(&bytes),
                Got::Nothing => return Ok(Line::None),
                Got::End => return Ok(Line::Lost),
            }
        }
    }
}

enum Line {
    Some(Box<ReplyLine>),
    None,
    Lost,
}

fn path(name: &str) -> PathArg {
    // The names of errands are such that none is refused.
    PathArg::new(name.as_bytes()).unwrap_or_else(|| unreachable!("{name} is a name"))
}
