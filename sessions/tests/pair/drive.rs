//! Connects both ends and drives them until nothing moves.

use skiff_sessions::wire::command::Retrieve;
use std::cell::{RefCell, RefMut};
use std::rc::Rc;
use std::time::{Duration, Instant};

use skiff_sessions::client::{CommandTiming, Dialogue, GetOrder, Outcome};
use skiff_sessions::path::PathArg;
use skiff_sessions::server::Event;
use skiff_sessions::wire::command::{Command, Replace, Turn};

use super::client::Client;
use super::disk::Disk;
use super::local::Local;
use super::rig::{How, Rig};
use super::said::{Said, codes_of, said};
use super::server::Server;
use super::wire::{Cut, Ends, Wire};

/// More steps than any dialogue here needs.
const STEPS_MAX: usize = 200_000;

pub(super) struct Pair {
    pub(super) now: Instant,
    pub(super) server: Server,
    pub(super) client: Client,
    pub(super) disk: Rc<RefCell<Disk>>,
    pub(super) to_server: Wire,
    pub(super) to_client: Wire,
    rig: Rig,
}

/// Whether bytes that a cut holds back come when both ends are at rest.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gate {
    Opens,
    StaysShut,
}

impl Pair {
    /// Logged in, over a disk and local files.
    pub(super) fn new(disk: Disk, local: Local) -> Self {
        Self::rigged(Rig::roomy(), Rc::new(RefCell::new(disk)), local)
    }

    /// The same, where every write and every burst is short.
    pub(super) fn tight(disk: Disk, local: Local) -> Self {
        Self::rigged(Rig::tight(), Rc::new(RefCell::new(disk)), local)
    }

    pub(super) fn rigged(rig: Rig, disk: Rc<RefCell<Disk>>, local: Local) -> Self {
        let now = Instant::now();
        let server = Server::logged_in(now, &rig, &mut disk.borrow_mut());
        Self::connect(now, rig, disk, local, server)
    }

    /// Before the login.
    pub(super) fn stranger(rig: Rig, disk: Disk) -> Self {
        let now = Instant::now();
        let server = Server::new(now, &rig);
        Self::connect(
            now,
            rig,
            Rc::new(RefCell::new(disk)),
            Local::default(),
            server,
        )
    }

    fn connect(
        now: Instant,
        rig: Rig,
        disk: Rc<RefCell<Disk>>,
        local: Local,
        server: Server,
    ) -> Self {
        Self {
            now,
            server,
            client: Client::new(&rig, local),
            disk,
            to_server: Wire::new(rig.pipe, rig.to_server),
            to_client: Wire::new(rig.pipe, rig.to_client),
            rig,
        }
    }

    /// The connection breaks where it is; a new session finds the same disk and files.
    pub(super) fn reconnect(&mut self) {
        self.to_server.cut_off();
        self.to_client.cut_off();
        self.drive();
        assert!(self.server.is_over());
        self.server.check_at_rest();
        self.disk.borrow().check_idle();
        let rig = Rig {
            to_server: Cut::Whole,
            to_client: Cut::Whole,
            ..self.rig.clone()
        };
        *self = Self::rigged(rig, Rc::clone(&self.disk), self.client.local.clone());
    }

    pub(super) fn disk(&self) -> RefMut<'_, Disk> {
        self.disk.borrow_mut()
    }

    /// Runs both ends until neither has anything to do.
    pub(super) fn drive(&mut self) {
        self.run(Gate::Opens);
    }

    /// The same, but what a cut holds back stays there.
    pub(super) fn drive_shut(&mut self) {
        self.run(Gate::StaysShut);
    }

    fn run(&mut self, gate: Gate) {
        for _ in 0..STEPS_MAX {
            if self.step() {
                continue;
            }
            let opened =
                gate == Gate::Opens && (self.to_server.release() | self.to_client.release());
            if !opened {
                return;
            }
        }
        panic!("it never comes to rest");
    }

    fn step(&mut self) -> bool {
        let Self {
            now,
            server,
            client,
            disk,
            to_server,
            to_client,
            ..
        } = self;
        let mut disk = disk.borrow_mut();
        to_server.begin_turn();
        to_client.begin_turn();
        let lane = Ends {
            incoming: &mut *to_server,
            outgoing: &mut *to_client,
        };
        let served = server.step(*now, lane, &mut disk);
        disk.check();
        let asked = client.step(Ends {
            incoming: to_client,
            outgoing: to_server,
        });
        served || asked
    }

    /// Time goes by; every deadline on the way is heard.
    pub(super) fn advance(&mut self, by: Duration) {
        let until = self.now + by;
        self.drive_shut();
        while let Some(due) = self.server.deadline().filter(|due| *due <= until) {
            self.now = due.max(self.now);
            self.server_hears(Event::Timeout);
            assert_ne!(
                self.server.deadline(),
                Some(due),
                "a deadline that stays due"
            );
        }
        self.now = until;
        self.drive_shut();
    }

    pub(super) fn server_hears(&mut self, event: Event) {
        self.server.event(self.now, event);
        self.drive_shut();
    }

    /// Carries a dialogue to its end.
    pub(super) fn finish(&mut self) -> Outcome {
        self.drive();
        let outcome = self.client.outcome();
        outcome.unwrap_or_else(|| panic!("the dialogue came to no end"))
    }

    /// Types bytes; what the server says until both are at rest.
    pub(super) fn types(&mut self, bytes: impl AsRef<[u8]>) -> Vec<Said> {
        self.client.type_in(bytes.as_ref());
        self.drive();
        self.hears()
    }

    /// What the server has said to typing hands.
    pub(super) fn hears(&mut self) -> Vec<Said> {
        said(&self.client.heard())
    }

    /// Types bytes; the codes that came back.
    pub(super) fn codes(&mut self, bytes: impl AsRef<[u8]>) -> Vec<u16> {
        codes_of(&self.types(bytes))
    }

    /// Takes steps until this is so.
    pub(super) fn until(&mut self, is_so: impl Fn(&Self) -> bool) {
        let taken = (0..STEPS_MAX).find(|_| {
            self.step();
            is_so(self)
        });
        assert!(taken.is_some(), "it never comes to that");
    }

    /// Takes some steps, finished or not.
    pub(super) fn steps(&mut self, count: usize) {
        for _ in 0..count {
            self.step();
        }
    }

    /// A finished dialogue leaves nothing behind: the next command is answered,
    /// nothing is open, and the quota is what is on the disk.
    pub(super) fn is_ready(&mut self) {
        self.drive();
        self.server.check_at_rest();
        self.disk.borrow().check_idle();
        if self.server.is_over() {
            return;
        }
        let outcome = self.asks(Command::Usage);
        let Outcome::Replied(answered) = outcome else {
            panic!("{outcome:?}");
        };
        assert_eq!(answered.code, 213, "{:?}", answered.text);
        assert_eq!(
            answered
                .usage
                .and_then(|usage| usage.held)
                .map(|held| held.used),
            Some(self.disk.borrow().sum())
        );
    }

    pub(super) fn asks(&mut self, command: Command) -> Outcome {
        self.client.begin(|_, out| Dialogue::request(command, out));
        self.finish()
    }

    pub(super) fn begin_put(&mut self, path: &str, how: How) {
        let path = arg(path);
        let order = how.order(path, &self.client.local);
        self.client.begin_put(order);
    }

    pub(super) fn puts(&mut self, path: &str, how: How) -> Outcome {
        self.begin_put(path, how);
        self.finish()
    }

    pub(super) fn begin_get(&mut self, path: &str, turn: Turn) {
        self.begin_get_with(path, turn, Replace::Yes);
    }

    fn begin_get_with(&mut self, path: &str, turn: Turn, replace: Replace) {
        let path = arg(path);
        self.client.begin(|local, out| {
            let digest = local.digest;
            let (command, local) = (CommandTiming::Now, local.copy());
            Dialogue::get(
                GetOrder {
                    what: Retrieve { path, digest, turn },
                    command,
                    local,
                    replace,
                },
                out,
            )
        });
    }

    pub(super) fn gets(&mut self, path: &str, turn: Turn) -> Outcome {
        self.begin_get(path, turn);
        self.finish()
    }

    /// A get that must not replace another file.
    pub(super) fn gets_beside(&mut self, path: &str) -> Outcome {
        self.begin_get_with(path, Turn::Negotiate, Replace::Never);
        self.finish()
    }
}

/// A test that fails shows what was said.
impl Drop for Pair {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Self {
                rig,
                to_server,
                to_client,
                ..
            } = self;
            eprintln!(
                "{rig:?}\n  C {}\n  S {}",
                to_server.text(),
                to_client.text()
            );
            eprintln!(
                "  tasks: {:?}, {:?}",
                self.client.task(),
                self.server.task()
            );
        }
    }
}

pub(super) fn arg(path: &str) -> PathArg {
    PathArg::new(path).unwrap()
}
