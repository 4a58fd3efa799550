//! The server's end: a conversation, and a shell that does what the daemon's
//! does with its effects, one thing at a time.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use base64ct::{Base64, Encoding};
use skiff_sessions::aside::Aside;
use skiff_sessions::conversation::{Conversation, LogLine};
use skiff_sessions::lane::Lane;
use skiff_sessions::scram::{Binding, ClientLogin, Verifier};
use skiff_sessions::server::{Effect, Event, Job, JobId, Limits, Setup};
use skiff_sessions::transfer::{Burst, Means, Task, Transfer};
use skiff_sessions::wire::native::answers::Answered;

use super::disk::{Disk, Lent, OpenFile};
use super::drive::Rig;
use super::errands::{Order, Performed, takes_file};
use super::wire::Ends;

pub(super) const PASSWORD: &str = "123";

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
    ending: Ending,
    owner: u32,
    budget: u64,
    scratch: Vec<u8>,
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
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Ending {
    No,
    AfterWords,
    Over,
}

pub(super) fn limits() -> Limits {
    Limits {
        login: Duration::from_secs(30),
        idle: Duration::from_secs(900),
        stall: Duration::from_secs(60),
        progress: Duration::from_secs(4),
        penalty: Duration::from_millis(500),
        attempts: 3,
        nonsense: 3,
        server: "pair/0".to_owned(),
        platform: "pair".to_owned(),
    }
}

impl Server {
    pub(super) fn new(now: Instant, rig: &Rig) -> Self {
        let (limits, binding) = (Arc::new(limits()), rig.binding.clone());
        let conversation = Conversation::new(
            now,
            Setup {
                limits,
                binding,
                seed: [3; 32],
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
            ending: Ending::No,
            owner: rig.owner,
            budget: rig.budget,
            scratch: vec![0; rig.scratch],
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

    fn answer_to(&mut self, now: Instant, line: &[u8], disk: &mut Disk) -> Answered {
        self.talk(
            |conversation, effects| conversation.receive(now, line, effects),
            now,
        );
        while self.work(now, disk) {}
        let said = std::mem::take(self.conversation.outbox());
        Answered::decode(said.strip_suffix(b"\r\n").unwrap()).unwrap()
    }

    /// Does what can be done now; `false` where nothing can.
    pub(super) fn step(&mut self, now: Instant, mut lane: Ends<'_>, disk: &mut Disk) -> bool {
        let flushed = self.flush(&mut lane, now, disk);
        let worked = self.work(now, disk);
        let moved = self.burst(now, &mut lane, disk);
        let read = self.read(now, &mut lane, disk);
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
        let was_full = !self.conversation.wants_input();
        let flushed = lane.flush_out(self.conversation.outbox());
        if self.conversation.outbox().is_empty() {
            if self.ending == Ending::AfterWords {
                self.end(lane, disk);
                return true;
            } else if was_full && flushed {
                self.talk(
                    |conversation, effects| conversation.resume(now, effects),
                    now,
                );
            }
        }
        flushed
    }

    fn work(&mut self, now: Instant, disk: &mut Disk) -> bool {
        if self.hold == Hold::Jobs {
            return false;
        }
        let Some(order) = self.orders.pop_front() else {
            return false;
        };
        let id = order.id;
        match disk.perform(now, order) {
            Performed::Later(order) => {
                self.orders.push_front(order);
                false
            }
            Performed::Done(completion, file) => {
                if let Some(file) = file {
                    self.take_up(file, disk);
                }
                self.answered += 1;
                self.event(now, Event::Completed(id, completion));
                true
            }
        }
    }

    fn take_up(&mut self, file: OpenFile, disk: &mut Disk) {
        if self.ending == Ending::Over {
            disk.put_away(file);
            return;
        }
        assert!(self.file.is_none(), "at most one file is open");
        self.file = Some(file);
    }

    fn burst(&mut self, now: Instant, lane: &mut Ends<'_>, disk: &mut Disk) -> bool {
        let Some(task) = self.task.filter(|_| self.ending == Ending::No) else {
            return false;
        };
        let stopped = self.stop.load(Ordering::Relaxed);
        if task.needs_lane() && !self.conversation.outbox().is_empty()
            || self.hold == Hold::Bursts && !stopped
        {
            return false;
        }
        let (before, moved_before) = (lane.traffic(), self.transfer.moved());
        let mut file = Lent {
            disk,
            file: self.file.as_ref(),
        };
        let (scratch, aside) = (&mut self.scratch[..], &mut Aside::InPlace);
        let means = Means {
            scratch,
            budget: self.budget,
            stop: &self.stop,
            aside,
        };
        let burst = match task.needs_lane() {
            true => self.transfer.burst(lane, &mut file, means),
            false => self.transfer.burst_digest(&mut file, means),
        };
        let moved = self.transfer.moved();
        let Burst::Finished(end) = burst else {
            self.tell_progress(moved, now);
            return lane.traffic() != before || moved != moved_before;
        };
        let ahead = self.transfer.take_ahead();
        self.task = None;
        self.talk(
            |conversation, effects| conversation.transfer_ended(now, end, moved, &ahead, effects),
            now,
        );
        true
    }

    fn tell_progress(&mut self, moved: u64, now: Instant) {
        if moved != self.heard {
            self.heard = moved;
            self.event(now, Event::Progress { done: moved });
        }
    }

    fn read(&mut self, now: Instant, lane: &mut Ends<'_>, disk: &mut Disk) -> bool {
        let lent = self.task.is_some_and(|task| task.needs_lane());
        if self.ending != Ending::No || lent || !self.conversation.wants_input() {
            return false;
        }
        let mut buf = [0; 64];
        match lane.read(&mut buf) {
            Ok(0) => {
                self.event(now, Event::PeerClosed);
                self.end(lane, disk);
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
        self.task = None;
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
            Effect::Close => {
                assert_eq!(self.ending, Ending::No, "closed once");
                self.ending = Ending::AfterWords;
            }
            Effect::Reply(reply) => panic!("{reply:?} belongs to the outbox"),
        }
    }

    fn order(&mut self, id: JobId, job: Job, since: Instant) {
        assert_eq!(id, JobId(self.ordered), "ids are never used twice");
        self.ordered += 1;
        if matches!(
            job,
            Job::OpenDownload { .. } | Job::OpenUpload { .. } | Job::OpenListing { .. }
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

    fn begin(&mut self, task: Task) {
        assert!(
            self.task.is_none(),
            "{task:?} begins while {:?} runs",
            self.task
        );
        let ahead = match task.needs_lane() {
            true => self.conversation.take_ahead(),
            false => Vec::new(),
        };
        self.transfer.begin(task, ahead);
        self.stop.store(false, Ordering::Relaxed);
        self.heard = 0;
        self.task = Some(task);
    }
}

pub(super) fn verifier() -> &'static Verifier {
    static VERIFIER: LazyLock<Verifier> =
        LazyLock::new(|| Verifier::derive(PASSWORD, vec![7; 16], 10_000).unwrap());
    &VERIFIER
}

/// The two lines of one login: PBKDF2 runs once for all tests.
static LOGIN: LazyLock<(Vec<u8>, Vec<u8>)> = LazyLock::new(|| {
    let line = |verb: &str, message: &[u8]| {
        format!("{verb} scram={}\r\n", Base64::encode_string(message)).into_bytes()
    };
    let (now, mut disk) = (Instant::now(), Disk::new());
    let mut server = Server::new(now, &Rig::roomy());
    let (login, first) = ClientLogin::new("tom", "pairnonce", Binding::None).unwrap();
    let first = line("USER", &first);
    let challenge = server.answer_to(now, &first, &mut disk);
    let (_, last) = login.answer(&challenge.scram.unwrap(), PASSWORD).unwrap();
    (first, line("PASS", &last))
});
