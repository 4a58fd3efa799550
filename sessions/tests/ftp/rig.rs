//! Drives the server: a shell that carries out its effects as the daemon does, one at a time, and a
//! client's end for tests to type into.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use skiff_sessions::conversation::{Conversation, LogLine};
use skiff_sessions::scram::Binding;
use skiff_sessions::server::job::Evidence;
use skiff_sessions::server::{
    ClientCertificate, DataEvent, DataMode, Direction, Effect, Event, HandshakeTiming, Job, JobId,
    NoPort, Session, Setup,
};
use skiff_sessions::transfer::{Task, Transfer};
use skiff_sessions::wire::codec;
use skiff_sessions::wire::reply::Refusal;

use super::disk::Disk;
use super::file::OpenFile;
use super::jobs::{opens_file, takes_file};
use super::lane::{DataLane, Gone};
use super::said::{Said, codes, replies};
use super::world::{Entry, PASSWORD, USER, World};

/// The port that every PASV and EPSV is given, unless none is free.
const PORT: u16 = 2000;

/// Bytes that one read of the control connection brings at most.
const READ_MAX: usize = 4096;

/// How what the client types comes in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Cut {
    Whole,
    /// In two parts, all that can be done before the second being done.
    At(usize),
    Every(usize),
}

pub(super) struct Rig {
    pub(super) now: Instant,
    pub(super) conversation: Conversation,
    pub(super) disk: Disk,
    local: IpAddr,
    /// What is left of the range.
    pub(super) port: Option<u16>,
    pub(super) transfer: Transfer,
    pub(super) task: Option<Task>,
    /// The task's bytes that the session has heard of.
    pub(super) heard: u64,
    pub(super) stop: AtomicBool,
    pub(super) file: Option<OpenFile>,
    orders: VecDeque<(JobId, Job, Option<OpenFile>)>,
    ordered: u32,
    pub(super) hold: Hold,
    pub(super) publishes: Publishes,
    pub(super) data: Data,
    /// What becomes of a data connection, and of TLS on it.
    pub(super) opens: Comes,
    pub(super) secures: Comes,
    pub(super) shakes: Shakes,
    /// The handshake that the transfer begins with.
    pub(super) deferred: Option<Comes>,
    pub(super) lane: DataLane,
    pub(super) step: usize,
    /// What came through data connections, and how each one ended.
    pub(super) received: Vec<Received>,
    typed: VecDeque<u8>,
    taken: usize,
    cut: Cut,
    control: Control,
    said: Vec<u8>,
    told: usize,
    pub(super) logged: Vec<LogLine>,
    pub(super) noted: Vec<Noted>,
    /// What the client shows with its handshake.
    pub(super) certificate: ClientCertificate,
}

/// Workers that are busy with others.
#[derive(Clone, Copy)]
pub(super) enum Hold {
    Nothing,
    /// These jobs wait.
    Jobs(fn(&Job) -> bool),
    /// Bursts wait, unless they are told to stop.
    Bursts,
    /// Bursts wait, whatever they are told.
    Away,
}

/// What there is of a data connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Data {
    None,
    Listening,
    Wanted(DataMode),
    Open,
    Shaking(Direction),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Comes {
    AtOnce(DataEvent),
    /// When the test says so.
    Later,
}

/// When the rig makes the handshake of a data connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Shakes {
    First,
    /// With the transfer, where the session lets it.
    WhenItMay,
}

/// Where a short upload gets its name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Publishes {
    /// By a job, which may be told to stop.
    ByJob,
    /// Where its end is received.
    AtItsEnd,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Received {
    pub(super) bytes: Vec<u8>,
    pub(super) end: Ended,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Ended {
    /// The server said that no more follows.
    Told,
    Broken,
}

/// What became known outside the replies.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Noted {
    Strike(String),
    NeedsTls(String),
    Host(String),
    Tls,
    Secured(Direction, HandshakeTiming),
    Called(SocketAddr),
    NoCloseNotify(Evidence),
    Logout,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Control {
    Open,
    /// Replies are out; TLS comes next.
    Upgrading,
    /// The client has hung up, and nobody knows yet.
    HungUp,
    /// It has, and the session goes on.
    Deaf,
    Over,
}

impl Rig {
    pub(super) fn new(world: World) -> Self {
        Self::cut(world, Cut::Whole, usize::MAX)
    }

    /// `step`: bytes that a data connection takes or gives in one burst.
    pub(super) fn cut(world: World, cut: Cut, step: usize) -> Self {
        let now = Instant::now();
        let setup = Setup {
            limits: Arc::new(world.limits()),
            binding: Binding::None,
            seed: [3; 32],
            dialect_rules: world.dialect_rules(),
        };
        let mut conversation = Conversation::new(now, &codec::FTP, setup);
        let greeting = std::mem::take(conversation.outbox());
        let mut rig = Self {
            now,
            conversation,
            local: world.local(),
            port: Some(PORT),
            disk: world.disk,
            transfer: Transfer::default(),
            task: None,
            heard: 0,
            stop: AtomicBool::new(false),
            file: None,
            orders: VecDeque::new(),
            ordered: 0,
            hold: Hold::Nothing,
            publishes: Publishes::ByJob,
            data: Data::None,
            opens: Comes::AtOnce(DataEvent::Open),
            certificate: ClientCertificate::None,
            secures: Comes::AtOnce(DataEvent::Secured),
            shakes: Shakes::First,
            deferred: None,
            lane: DataLane::new(step),
            step,
            received: Vec::new(),
            typed: VecDeque::new(),
            taken: 0,
            cut: Cut::Whole,
            control: Control::Open,
            said: greeting,
            told: 0,
            logged: Vec::new(),
            noted: Vec::new(),
        };
        assert_eq!(codes(&rig.hears()), [220]);
        if world.entry == Entry::LoggedIn {
            rig.expect(&format!("USER {USER}"), &[331]);
            rig.expect(&format!("PASS {PASSWORD}"), &[230]);
        }
        rig.logged.clear();
        (rig.cut, rig.taken) = (cut, 0);
        rig
    }

    // what a client does

    /// Types lines, their last end left out, and hears what follows.
    pub(super) fn types(&mut self, lines: &str) -> Vec<Said> {
        self.sends(format!("{lines}\r\n").as_bytes())
    }

    pub(super) fn sends(&mut self, bytes: &[u8]) -> Vec<Said> {
        self.typed.extend(bytes);
        self.hears()
    }

    #[track_caller]
    pub(super) fn expect(&mut self, lines: &str, expected: &[u16]) -> Vec<Said> {
        let said = self.types(lines);
        assert_eq!(codes(&said), expected, "{lines:?}: {said:?}");
        said
    }

    /// One reply of one line: its text.
    #[track_caller]
    pub(super) fn text(&mut self, line: &str, code: u16) -> String {
        self.expect(line, &[code])[0].lines.join("\n")
    }

    /// Does all that can be done, and hears what was said since the last time.
    pub(super) fn hears(&mut self) -> Vec<Said> {
        self.settle();
        let new = replies(&self.said[self.told..]);
        self.told = self.said.len();
        new
    }

    #[track_caller]
    pub(super) fn expect_hears(&mut self, expected: &[u16]) -> Vec<Said> {
        let said = self.hears();
        assert_eq!(codes(&said), expected, "{said:?}");
        said
    }

    /// Bytes into the data connection, there or to come.
    pub(super) fn feeds(&mut self, bytes: &[u8]) {
        self.lane.from_client.extend(bytes);
    }

    pub(super) fn ends_data(&mut self, how: Gone) {
        self.lane.gone = Some(how);
    }

    pub(super) fn sends_file(&mut self, bytes: &[u8]) {
        self.feeds(bytes);
        self.ends_data(Gone::Clean);
    }

    pub(super) fn hangs_up(&mut self) {
        self.control = Control::HungUp;
    }

    /// Its last bytes are there when a transfer's last burst comes home.
    pub(super) fn hangs_up_at_the_end(&mut self) {
        if self.control == Control::Open {
            self.hangs_up();
        }
        self.hold = Hold::Nothing;
        while self.burst() {}
    }

    /// These lines come in while a transfer's last burst is on its way home.
    pub(super) fn burst_home_with(&mut self, lines: &[u8]) {
        self.typed.extend(lines);
        self.hold = Hold::Nothing;
        while self.burst() {}
    }

    // what is to be seen

    pub(super) fn session(&self) -> &Session {
        self.conversation.session()
    }

    /// All that was said.
    pub(super) fn transcript(&self) -> String {
        String::from_utf8_lossy(&self.said).into_owned()
    }

    /// Bytes that the server has read of what was typed.
    pub(super) fn taken(&self) -> usize {
        self.taken
    }

    pub(super) fn is_over(&self) -> bool {
        self.control == Control::Over
    }

    /// The session takes the next command, and nothing is open.
    #[track_caller]
    pub(super) fn is_ready(&mut self) {
        self.expect("NOOP", &[200]);
        self.is_idle();
    }

    #[track_caller]
    pub(super) fn is_idle(&self) {
        assert!(self.orders.is_empty(), "{:?} waits", self.orders[0].1);
        assert!(self.task.is_none(), "{:?} was left behind", self.task);
        assert!(self.file.is_none(), "a file was left open");
        assert!(self.disk.writers.is_empty(), "a writer was left behind");
        assert!(
            matches!(self.data, Data::None | Data::Listening),
            "{:?} was left behind",
            self.data
        );
    }

    // what happens around it

    /// Time goes by, with all that is due in it.
    pub(super) fn waits(&mut self, time: Duration) -> Vec<Said> {
        self.settle();
        let until = self.now + time;
        while let Some(due) = self.deadline().filter(|due| *due <= until) {
            self.now = due;
            self.event(Event::Timeout);
            self.settle();
            assert!(
                self.deadline().is_none_or(|next| next > due),
                "a deadline is heard"
            );
        }
        self.now = until;
        self.hears()
    }

    fn deadline(&self) -> Option<Instant> {
        let open = self.control != Control::Over;
        self.session().deadline().filter(|_| open)
    }

    pub(super) fn event(&mut self, event: Event) {
        let now = self.now;
        self.talk(|conversation, effects| conversation.handle(now, event, effects));
    }

    /// What was awaited of a data connection.
    pub(super) fn data_event(&mut self, event: DataEvent) {
        self.data = match (self.data, event) {
            (Data::Wanted(_), DataEvent::Open)
            | (Data::Shaking(_), DataEvent::Secured | DataEvent::Deferred) => Data::Open,
            _ => Data::None,
        };
        self.event(Event::Data(event));
    }

    fn settle(&mut self) {
        loop {
            let worked = self.upgrade() || self.work() || self.burst();
            if !worked && !self.read() {
                return;
            }
        }
    }

    fn upgrade(&mut self) -> bool {
        if self.control != Control::Upgrading {
            return false;
        }
        self.control = Control::Open;
        self.event(Event::Secured(self.certificate));
        true
    }

    fn work(&mut self) -> bool {
        let held = |job: &Job| matches!(self.hold, Hold::Jobs(which) if which(job));
        let Some(next) = self.orders.iter().position(|(_, job, _)| !held(job)) else {
            return false;
        };
        let (id, job, file) = self.orders.remove(next).unwrap();
        // Until the very last step, a worker looks whether it is to stop.
        let stopped = self.stop.load(Ordering::Relaxed) || self.control == Control::Over;
        if stopped && matches!(job, Job::PublishStream) {
            self.disk.faults.job = Some(Refusal::NotReady);
        }
        let (completion, file) = self.disk.perform(&job, file);
        match file {
            Some(file) if self.control == Control::Over => self.disk.put_away(file),
            Some(file) => {
                assert!(self.file.is_none(), "at most one file is open");
                self.file = Some(file);
            }
            None => {}
        }
        self.event(Event::Completed(id, completion));
        true
    }

    /// One read of the control connection.
    pub(super) fn read(&mut self) -> bool {
        let lines_go_out = self.task.is_some_and(|task| task.is_framed());
        let open = matches!(self.control, Control::Open | Control::HungUp);
        if !open || lines_go_out || !self.conversation.wants_input() {
            return false;
        }
        let room = self.typed.len().min(READ_MAX);
        let count = match self.cut {
            Cut::At(at) if at > self.taken => room.min(at - self.taken),
            Cut::Every(step) => room.min(step),
            Cut::Whole | Cut::At(_) => room,
        };
        if count == 0 {
            return self.control == Control::HungUp && self.hear_the_end();
        }
        let bytes: Vec<u8> = self.typed.drain(..count).collect();
        self.taken += count;
        let now = self.now;
        self.talk(|conversation, effects| conversation.receive(now, &bytes, effects));
        true
    }

    fn hear_the_end(&mut self) -> bool {
        self.event(Event::PeerClosed);
        match self.session().is_closed() {
            true => self.end(),
            false => self.control = Control::Deaf,
        }
        true
    }

    fn end(&mut self) {
        self.control = Control::Over;
        let moved = self.transfer.moved();
        let line = self.conversation.take_unanswered(moved);
        self.logged.extend(line.map(|line| *line));
        self.task = None;
        self.drop_lane();
        if let Some(file) = self.file.take() {
            self.disk.put_away(file);
        }
    }

    pub(super) fn talk(&mut self, decide: impl FnOnce(&mut Conversation, &mut Vec<Effect>)) {
        let mut effects = Vec::new();
        decide(&mut self.conversation, &mut effects);
        self.said.append(self.conversation.outbox());
        for effect in effects {
            self.follow(effect);
        }
    }

    /// As it is said, between the lines of a reply.
    pub(super) fn said_mut(&mut self) -> &mut Vec<u8> {
        &mut self.said
    }

    fn follow(&mut self, effect: Effect) {
        match effect {
            Effect::Work(id, job) => self.order(id, job),
            Effect::Begin(task) => self.begin(task),
            Effect::StopTransfer => self.stop.store(true, Ordering::Relaxed),
            Effect::LoginFailed { user } => self.noted.push(Noted::Strike(user)),
            Effect::LoginNeedsTls { user } => self.noted.push(Noted::NeedsTls(user)),
            Effect::Log(line) => self.logged.push(*line),
            Effect::Host(name) => self.noted.push(Noted::Host(name)),
            Effect::StartTls => {
                self.control = Control::Upgrading;
                self.noted.push(Noted::Tls);
            }
            Effect::Listen(form) => {
                self.drop_lane();
                self.data = Data::Listening;
                let address = self.port.map(|port| SocketAddr::new(self.local, port));
                if address.is_none() {
                    self.data = Data::None;
                }
                self.event(Event::Listening(form, address.ok_or(NoPort::NoneFree)));
            }
            Effect::OpenData(mode) => self.open_data(mode),
            Effect::SecureData(direction, handshake) => {
                assert_eq!(self.data, Data::Open, "TLS needs a connection");
                self.data = Data::Shaking(direction);
                self.noted.push(Noted::Secured(direction, handshake));
                match (handshake, self.shakes) {
                    (HandshakeTiming::WithTransfer, Shakes::WhenItMay) => {
                        self.deferred = Some(self.secures);
                        self.data_event(DataEvent::Deferred);
                    }
                    _ => self.comes(self.secures),
                }
            }
            Effect::CloseData => {
                assert!(self.task.is_none(), "the transfer was ended before");
                self.drop_lane();
            }
            Effect::NoCloseNotify(by) => self.noted.push(Noted::NoCloseNotify(by)),
            Effect::Interrupted(cause) => self.disk.interrupted.push(cause),
            Effect::Logout => self.noted.push(Noted::Logout),
            Effect::Close(_) => self.end(),
            Effect::ChangedOnDisk { path } => panic!("nobody reports on {path} here"),
            Effect::Reply(reply) => panic!("{reply:?} belongs to the outbox"),
        }
    }

    fn open_data(&mut self, mode: DataMode) {
        match mode {
            DataMode::Accept => assert_eq!(self.data, Data::Listening, "a port that waits"),
            DataMode::Connect(address) => self.noted.push(Noted::Called(address)),
        }
        self.data = Data::Wanted(mode);
        self.comes(self.opens);
    }

    fn comes(&mut self, comes: Comes) {
        if let Comes::AtOnce(event) = comes {
            self.data_event(event);
        }
    }

    fn order(&mut self, id: JobId, job: Job) {
        assert_eq!(id, JobId(self.ordered), "ids are never used twice");
        self.ordered += 1;
        if opens_file(&job) {
            self.transfer = Transfer::default();
        }
        let file = match takes_file(&job) {
            true => self.file.take(),
            false => None,
        };
        self.orders.push_back((id, job, file));
    }
}
