//! Drives the client: one dialogue at a time, run as the program runs it, or lines typed by a test.

use std::collections::VecDeque;
use std::sync::atomic::AtomicBool;

use skiff_sessions::client::{
    Decision, Dialogue, Effect, Event, Note, Outcome, PutOrder, Question,
};
use skiff_sessions::lane::Lane;
use skiff_sessions::parallel_hash::ParallelHash;
use skiff_sessions::transfer::{Burst, BurstResources, End, Task, Transfer};
use skiff_sessions::wire::command::{Command, Turn};
use skiff_sessions::wire::line::{Head, Inbox};
use skiff_sessions::wire::native::commands::encode;
use skiff_sessions::wire::native::replies::ReplyLine;

use super::local::Local;
use super::rig::Rig;
use super::wire::Ends;

pub(super) struct Client {
    dialogue: Option<Dialogue>,
    queue: VecDeque<Effect>,
    outcome: Option<Outcome>,
    /// The upload that was sent ahead, and is confirmed right behind.
    ahead: Option<PutOrder>,
    transfer: Transfer,
    task: Option<Task>,
    halt: Halt,
    inbox: Inbox,
    outbox: Vec<u8>,
    sending_side: SendingSide,
    /// What the server said to typing hands.
    heard: Option<Vec<u8>>,
    budget: u64,
    scratch: Vec<u8>,
    pub(super) local: Local,
    /// What is said to every question; nobody answers where it is `None`.
    pub(super) decision: Option<Decision>,
    /// The person's disk is slow.
    pub(super) hold: bool,
    pub(super) asked: Vec<Question>,
    pub(super) notes: Vec<Note>,
    pub(super) working: Vec<(u64, u64)>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum SendingSide {
    StaysOpen,
    /// It is closed behind the last byte.
    ClosesWhenSent,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Halt {
    No,
    Wanted,
}

static ALWAYS: AtomicBool = AtomicBool::new(true);
static NEVER: AtomicBool = AtomicBool::new(false);

impl Client {
    pub(super) fn new(rig: &Rig, local: Local) -> Self {
        Self {
            dialogue: None,
            queue: VecDeque::new(),
            outcome: None,
            ahead: None,
            transfer: Transfer::default(),
            task: None,
            halt: Halt::No,
            inbox: Inbox::default(),
            outbox: Vec::new(),
            sending_side: SendingSide::StaysOpen,
            heard: None,
            budget: rig.budget,
            scratch: vec![0; rig.scratch],
            local,
            decision: Some(Decision::Yes),
            hold: false,
            asked: Vec::new(),
            notes: Vec::new(),
            working: Vec::new(),
        }
    }

    pub(super) fn begin(&mut self, make: impl FnOnce(&Local, &mut Vec<Effect>) -> Dialogue) {
        assert!(self.dialogue.is_none(), "one dialogue at a time");
        let mut effects = Vec::new();
        self.dialogue = Some(make(&self.local, &mut effects));
        self.queue = effects.into();
        (self.transfer, self.halt, self.heard) = (Transfer::default(), Halt::No, None);
    }

    /// Begins an upload; one without a turn is sent, and then confirmed.
    pub(super) fn begin_put(&mut self, order: PutOrder) {
        match order.turn {
            Turn::Negotiate => self.begin(|_, out| Dialogue::put(order, out)),
            Turn::Skipped => {
                self.ahead = Some(order.clone());
                self.begin(|_, out| Dialogue::put_ahead(order, out));
            }
        }
    }

    /// Asks for what later dialogues will hear of.
    pub(super) fn send(&mut self, commands: &[Command]) {
        for command in commands {
            encode(command, &mut self.outbox);
        }
    }

    pub(super) fn is_busy(&self) -> bool {
        self.dialogue.is_some()
    }

    pub(super) fn type_in(&mut self, bytes: &[u8]) {
        assert!(self.dialogue.is_none(), "one dialogue at a time");
        let unheard = self.inbox.drain();
        self.heard.get_or_insert_default().extend(unheard);
        self.outbox.extend_from_slice(bytes);
    }

    pub(super) fn closes_when_sent(&mut self) {
        self.sending_side = SendingSide::ClosesWhenSent;
    }

    /// Everything that came since typing began.
    pub(super) fn heard(&mut self) -> Vec<u8> {
        self.heard.take().unwrap_or_default()
    }

    pub(super) fn outcome(&mut self) -> Option<Outcome> {
        self.outcome.take()
    }

    pub(super) fn task(&self) -> Option<Task> {
        self.task
    }

    pub(super) fn stop(&mut self) {
        self.halt = Halt::Wanted;
        self.tell(Event::Stop);
    }

    /// A digest has been running for a while.
    pub(super) fn tick(&mut self) {
        self.tell(Event::Tick);
        while let Some(effect) = self.queue.pop_front() {
            self.perform(effect);
        }
    }

    /// Answers what nobody answered before.
    pub(super) fn decide(&mut self, decision: Decision) {
        self.tell(Event::Decided(decision));
    }

    /// Does one thing; `false` where there is nothing to do.
    pub(super) fn step(&mut self, mut lane: Ends<'_>) -> bool {
        let flushed = !self.outbox.is_empty() && lane.flush_out(&mut self.outbox);
        if self.outbox.is_empty() && self.sending_side == SendingSide::ClosesWhenSent {
            lane.outgoing.end();
        }
        let did = match (self.task, &self.heard) {
            (_, Some(_)) => self.listen(&mut lane),
            (Some(task), None) => self.burst(task, &mut lane),
            (None, None) => self.follow(&mut lane),
        };
        flushed || did
    }

    fn follow(&mut self, lane: &mut Ends<'_>) -> bool {
        if self.dialogue.is_none() {
            return false;
        }
        match self.queue.pop_front() {
            Some(effect) => self.perform(effect),
            None => return self.next_line(lane),
        }
        true
    }

    fn next_line(&mut self, lane: &mut Ends<'_>) -> bool {
        match self.inbox.take() {
            Head::Line(range) => {
                let line = self.inbox.slice(range);
                let answered = ReplyLine::decode(line).unwrap();
                self.inbox.compact();
                self.tell(Event::Answered(answered));
                return true;
            }
            Head::Incomplete => self.inbox.compact(),
            head => panic!("{head:?} is no line of a server"),
        }
        let mut buf = [0; 64];
        match lane.read(&mut buf) {
            Ok(0) => self.tell(Event::Ended(End::LaneLost)),
            Ok(count) => self.inbox.push(&buf[..count]),
            Err(_) => return false,
        }
        true
    }

    fn listen(&mut self, lane: &mut Ends<'_>) -> bool {
        let mut buf = [0; 64];
        match (lane.read(&mut buf), &mut self.heard) {
            (Ok(count), Some(heard)) if count > 0 => {
                heard.extend_from_slice(&buf[..count]);
                true
            }
            _ => false,
        }
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Send(command) => encode(&command, &mut self.outbox),
            Effect::Begin(task) => self.begin_task(task),
            Effect::Ask(question) => self.ask(question),
            Effect::Use(file) => {
                if self.local.choose(file).is_err() {
                    self.queue.clear();
                    self.tell(Event::LocalFailed);
                }
            }
            Effect::Publish { modified } => {
                let published = self.local.publish(modified);
                self.tell(published.map_or(Event::LocalFailed, |()| Event::Published));
            }
            Effect::DropPart => self.local.part.clear(),
            Effect::Working { done, of } => self.working.push((done, of)),
            Effect::Note(note) => self.notes.push(note),
            Effect::Done(outcome) => {
                assert!(self.queue.is_empty(), "{:?} behind the end", self.queue);
                self.dialogue = None;
                match (*outcome, self.ahead.take()) {
                    (Outcome::SentAhead(sent), Some(order)) => {
                        self.dialogue = Some(Dialogue::confirm_put(order, sent));
                    }
                    (outcome, _) => self.outcome = Some(outcome),
                }
            }
        }
    }

    fn ask(&mut self, question: Question) {
        self.asked.push(question);
        if self.halt == Halt::Wanted {
            self.tell(Event::Stop);
        } else if let Some(decision) = self.decision {
            self.tell(Event::Decided(decision));
        }
    }

    fn begin_task(&mut self, task: Task) {
        assert!(
            self.task.is_none(),
            "{task:?} begins while {:?} runs",
            self.task
        );
        if self.halt == Halt::Wanted && task != Task::Discard {
            self.tell(Event::Stop);
        }
        self.transfer.begin(task, self.inbox.drain());
        self.task = Some(task);
    }

    fn burst(&mut self, task: Task, lane: &mut Ends<'_>) -> bool {
        if task.is_framed() && !self.outbox.is_empty() || self.hold && self.halt == Halt::No {
            return false;
        }
        let stop = match (task, self.halt) {
            (Task::Discard, _) | (_, Halt::No) => &NEVER,
            (_, Halt::Wanted) => &ALWAYS,
        };
        let (before, moved) = (lane.traffic(), self.transfer.moved());
        let (scratch, parallel_hash) = (&mut self.scratch[..], &mut ParallelHash::Off);
        let resources = BurstResources {
            scratch,
            budget: self.budget,
            stop,
            parallel_hash,
            splice_pipe: None,
        };
        let burst = match task {
            Task::Digest { .. } => self.transfer.burst_digest(&mut self.local, resources),
            _ => self.transfer.burst(lane, &mut self.local, resources),
        };
        if let Burst::Finished(end) = burst {
            self.task = None;
            self.inbox.push(&self.transfer.take_ahead());
            self.tell(Event::Ended(end));
            return true;
        }
        lane.traffic() != before || self.transfer.moved() != moved
    }

    fn tell(&mut self, event: Event) {
        let mut effects = Vec::new();
        if let Some(dialogue) = &mut self.dialogue {
            dialogue.handle(event, &mut effects);
        }
        self.queue.extend(effects);
    }
}
