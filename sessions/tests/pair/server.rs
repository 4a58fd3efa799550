//! Drives the server: a conversation, and a shell that carries out its effects as the daemon does,
//! one at a time.

mod bulk;

use skiff_sessions::digest::Algorithm;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use skiff_sessions::conversation::{Conversation, LogLine};
use skiff_sessions::lane::Lane;
use skiff_sessions::server::{Completion, DialectRules, Effect, Event, Job, JobId, Setup};
use skiff_sessions::transfer::{Burst, Task, Transfer};
use skiff_sessions::wire::codec;
use skiff_sessions::wire::native::replies::ReplyLine;

use super::disk::{Disk, OpenFile};
use super::errands::{Order, Performed, takes_file};
use super::known::{LOGIN, limits};
use super::rig::Rig;
use super::wire::Ends;

pub(super) struct Server {
    conversation: Conversation,
    transfer: Transfer,
    task: Option<Task>,
    /// The task's bytes that the session has heard of.
    heard: u64,
    stop: AtomicBool,
    file: Option<OpenFile>,
    orders: VecDeque<Order>,
    ordered: u32,
    answered: u32,
    input: Input,
    ending: Ending,
    owner: u32,
    workers: Workers,
    budget: u64,
    scratch: Vec<u8>,
    /// A digest's burst that is done, and not home yet.
    away: Option<Burst>,
    pub(super) hold: Hold,
    pub(super) logged: Vec<LogLine>,
    pub(super) strikes: Vec<String>,
    pub(super) changed: Vec<String>,
}

/// Workers that are busy with others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Hold {
    Nothing,
    Jobs,
    Bursts,
    /// A digest's bursts are run, but do not come home.
    Return,
}

/// Which of several jobs is done first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Workers {
    FirstFirst,
    LastFirst,
}

/// Whether the client's end has been read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Input {
    Open,
    Ended,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Ending {
    No,
    AfterWords,
    Over,
}

impl Server {
    pub(super) fn new(now: Instant, rig: &Rig) -> Self {
        let (limits, binding) = (Arc::new(limits()), rig.binding.clone());
        let conversation = Conversation::new(
            now,
            &codec::NATIVE,
            Setup {
                limits,
                binding,
                seed: [3; 32],
                dialect_rules: DialectRules::native(Algorithm::Md5),
            },
        );
        Self {
            conversation,
            transfer: Transfer::default(),
            task: None,
            heard: 0,
            stop: AtomicBool::new(false),
            file: None,
            orders: VecDeque::new(),
            ordered: 0,
            answered: 0,
            input: Input::Open,
            ending: Ending::No,
            owner: rig.owner,
            workers: rig.workers,
            budget: rig.budget,
            scratch: vec![0; rig.scratch],
            away: None,
            hold: Hold::Nothing,
            logged: Vec::new(),
            strikes: Vec::new(),
            changed: Vec::new(),
        }
    }

    /// Past a login that did not go over the wires.
    pub(super) fn logged_in(now: Instant, rig: &Rig, disk: &mut Disk) -> Self {
        let (first, last) = &*LOGIN;
        let mut server = Self::new(now, rig);
        let faults = std::mem::take(&mut disk.faults);
        assert_eq!(server.answer_to(now, first, disk).code, 331);
        assert_eq!(server.answer_to(now, last, disk).code, 230);
        server.logged.clear();
        disk.faults = faults;
        server
    }

    pub(super) fn answer_to(&mut self, now: Instant, line: &[u8], disk: &mut Disk) -> ReplyLine {
        self.talk(
            |conversation, effects| conversation.receive(now, line, effects),
            now,
        );
        while self.work(now, disk) {}
        let said = std::mem::take(self.conversation.outbox());
        ReplyLine::decode(said.strip_suffix(b"\r\n").unwrap()).unwrap()
    }

    /// Does what can be done now; `false` where nothing can.
    pub(super) fn step(&mut self, now: Instant, mut lane: Ends<'_>, disk: &mut Disk) -> bool {
        let flushed = self.flush(&mut lane, now, disk);
        let worked = self.work(now, disk);
        let moved = self.burst(now, &mut lane, disk);
        let read = self.read(now, &mut lane);
        flushed || worked || moved || read
    }

    pub(super) fn event(&mut self, now: Instant, event: Event) {
        if self.ending != Ending::Over {
            self.talk(
                |conversation, effects| conversation.handle(now, event, effects),
                now,
            );
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.conversation
            .session()
            .deadline()
            .filter(|_| self.ending == Ending::No)
    }

    pub(super) fn is_over(&self) -> bool {
        self.ending == Ending::Over
    }

    pub(super) fn task(&self) -> Option<Task> {
        self.task
    }

    /// Between two dialogues, nothing is open and nothing is owed.
    pub(super) fn check_at_rest(&self) {
        assert_eq!(self.ordered, self.answered, "each job is answered once");
        assert!(self.task.is_none(), "{:?} was left behind", self.task);
        assert!(self.file.is_none(), "a file was left open");
    }

    fn flush(&mut self, lane: &mut Ends<'_>, now: Instant, disk: &mut Disk) -> bool {
        if self.ending == Ending::Over {
            return false;
        }
        let flushed = lane.flush_out(self.conversation.outbox());
        if self.conversation.outbox().is_empty() {
            if self.ending == Ending::AfterWords {
                self.end(lane, disk);
                return true;
            } else if flushed {
                self.talk(
                    |conversation, effects| conversation.resume(now, effects),
                    now,
                );
            }
        }
        flushed
    }

    /// Does one job, whichever the workers come to first.
    fn work(&mut self, now: Instant, disk: &mut Disk) -> bool {
        if self.hold == Hold::Jobs {
            return false;
        }
        for _ in 0..self.orders.len() {
            let Some(order) = self.next_order() else {
                return false;
            };
            let id = order.id;
            match disk.perform(now, order) {
                Performed::Later(order) => self.put_back(order),
                Performed::Done(completion, file) => {
                    self.answer(now, id, completion, file, disk);
                    return true;
                }
            }
        }
        false
    }

    fn next_order(&mut self) -> Option<Order> {
        match self.workers {
            Workers::FirstFirst => self.orders.pop_front(),
            Workers::LastFirst => self.orders.pop_back(),
        }
    }

    /// It is tried again when all others were.
    fn put_back(&mut self, order: Order) {
        match self.workers {
            Workers::FirstFirst => self.orders.push_back(order),
            Workers::LastFirst => self.orders.push_front(order),
        }
    }

    fn answer(
        &mut self,
        now: Instant,
        id: JobId,
        completion: Completion,
        file: Option<OpenFile>,
        disk: &mut Disk,
    ) {
        if let Some(file) = file {
            self.take_up(file, disk);
        }
        self.answered += 1;
        self.event(now, Event::Completed(id, completion));
    }

    fn take_up(&mut self, file: OpenFile, disk: &mut Disk) {
        if self.ending == Ending::Over {
            disk.put_away(file);
            return;
        }
        assert!(self.file.is_none(), "at most one file is open");
        self.file = Some(file);
    }

    fn read(&mut self, now: Instant, lane: &mut Ends<'_>) -> bool {
        let lent = self.task.is_some_and(|task| task.is_framed());
        if self.ending != Ending::No || lent || !self.conversation.wants_input() {
            return false;
        }
        let mut buf = [0; 64];
        match lane.read(&mut buf) {
            Ok(0) if self.input == Input::Ended => false,
            Ok(0) => {
                self.input = Input::Ended;
                self.event(now, Event::PeerClosed);
                true
            }
            Ok(count) => {
                self.talk(
                    |conversation, effects| conversation.receive(now, &buf[..count], effects),
                    now,
                );
                true
            }
            Err(_) => false,
        }
    }

    fn end(&mut self, lane: &mut Ends<'_>, disk: &mut Disk) {
        lane.close();
        self.ending = Ending::Over;
        (self.task, self.away) = (None, None);
        if let Some(file) = self.file.take() {
            disk.put_away(file);
        }
    }

    fn talk(&mut self, decide: impl FnOnce(&mut Conversation, &mut Vec<Effect>), now: Instant) {
        let mut effects = Vec::new();
        decide(&mut self.conversation, &mut effects);
        for effect in effects {
            self.follow(effect, now);
        }
    }

    fn follow(&mut self, effect: Effect, now: Instant) {
        match effect {
            Effect::Work(id, job) => self.order(id, job, now),
            Effect::Begin(task) => self.begin(task),
            Effect::StopTransfer => self.stop.store(true, Ordering::Relaxed),
            Effect::LoginFailed { user } => self.strikes.push(user),
            Effect::ChangedOnDisk { path } => self.changed.push(path.to_string()),
            Effect::Log(line) => self.logged.push(*line),
            Effect::Close(_) => {
                assert_eq!(self.ending, Ending::No, "closed once");
                self.ending = Ending::AfterWords;
            }
            effect @ (Effect::StartTls
            | Effect::Host(_)
            | Effect::Listen(_)
            | Effect::OpenData(_)
            | Effect::SecureData(..)
            | Effect::CloseData
            | Effect::LoginNeedsTls { .. }
            | Effect::NoCloseNotify(_)
            | Effect::Interrupted(_)
            | Effect::Logout) => panic!("{effect:?} in a session without data connections"),
            Effect::Reply(reply) => panic!("{reply:?} belongs to the outbox"),
        }
    }

    fn order(&mut self, id: JobId, job: Job, since: Instant) {
        assert_eq!(id, JobId(self.ordered), "ids are never used twice");
        self.ordered += 1;
        if matches!(
            job,
            Job::OpenDownload { .. } | Job::OpenUpload { .. } | Job::OpenListing(_)
        ) {
            self.transfer = Transfer::default();
        }
        let file = if takes_file(&job) {
            self.file.take()
        } else {
            None
        };
        let owner = self.owner;
        self.orders.push_back(Order {
            id,
            job,
            file,
            since,
            owner,
        });
    }
}
