//! The pool: the threads that may block, what they are lent, and where the finished
//! work goes.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, unbounded};
use mio::Waker;
use skiff_sessions::aside::Aside;
use skiff_sessions::conduit::Conduit;
use skiff_vfs::Worker;

use super::parking::{Bell, Order, Sleeper};
use super::schedule::{Class, Schedule, Shares, Ticket};
use super::yielding::Courtesy;

/// Plaintext that a worker lends to a burst, in bytes: as much goes to the thread
/// beside it at a time, and each waking costs.
const SCRATCH: usize = 512 * 1024;
/// Bytes off a TLS socket at a time.
const CIPHER: usize = 128 * 1024;

/// What a worker lends to the work it does.
pub(crate) struct Tools<'a> {
    pub(crate) worker: &'a Worker,
    pub(crate) scratch: &'a mut [u8],
    pub(crate) cipher: &'a mut [u8],
    pub(crate) aside: &'a mut Aside,
    /// Made when it is first needed.
    pub(crate) conduit: &'a mut Option<Conduit>,
    pub(crate) courtesy: &'a Courtesy,
    load: &'a Load,
}

impl Tools<'_> {
    /// Other work waits for a thread: do not linger.
    pub(crate) fn others_wait(&self) -> bool {
        self.load.waiting.load(Ordering::Relaxed) > 0
    }

    /// No other thread of this kind works.
    pub(crate) fn is_alone(&self) -> bool {
        self.load.running.load(Ordering::Relaxed) <= 1
    }
}

/// Something a worker can do.
pub(crate) trait Work: Send + 'static {
    type Outcome: Send + 'static;
    fn run(self, tools: &mut Tools<'_>) -> Self::Outcome;
}

/// The threads, and what waits for them.
pub(crate) struct Pool<W: Work> {
    workers: Crew<W>,
    /// Apart: they mostly wait, so they may be many, and more of those that compute
    /// would only make small commands wait.
    carriers: Crew<W>,
    outcomes: Receiver<(Ticket, W::Outcome)>,
    called: Arc<AtomicBool>,
}

impl<W: Work> Pool<W> {
    pub(crate) fn start(waker: &Arc<Waker>, courtesy: &Courtesy) -> io::Result<Self> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        // Half of them may wait for a disk; for the one more see `Shares::of`.
        let workers = (2 * cores + 1).max(4);
        let carriers = (4 * cores + 1).max(9);
        let (to_reactor, outcomes) = unbounded();
        let called = Arc::new(AtomicBool::new(false));
        let reports = Arc::new(Reports {
            outcomes: to_reactor,
            called: Arc::clone(&called),
            waker: Arc::clone(waker),
            courtesy: courtesy.clone(),
        });
        Ok(Self {
            workers: Crew::start("worker", Shares::of(workers), Order::Turns, &reports)?,
            carriers: Crew::start(
                "carrier",
                Shares::of_carriers(carriers),
                Order::LastFirst,
                &reports,
            )?,
            outcomes,
            called,
        })
    }

    /// What is finished from here on calls again; what was before can be taken.
    pub(crate) fn attend(&self) {
        self.called.store(false, Ordering::SeqCst);
    }

    pub(crate) fn submit(&mut self, ticket: Ticket, work: W) {
        let crew = self.crew_for(ticket.class);
        crew.schedule.push(ticket, work);
        crew.dispatch();
    }

    /// The next finished piece, if there is one.
    pub(crate) fn take(&mut self) -> Option<W::Outcome> {
        let (ticket, outcome) = self.outcomes.try_recv().ok()?;
        let crew = self.crew_for(ticket.class);
        crew.schedule.finished(ticket);
        crew.dispatch();
        Some(outcome)
    }

    /// Nothing runs, and nothing waits.
    pub(crate) fn is_idle(&self) -> bool {
        self.workers.is_idle() && self.carriers.is_idle()
    }

    /// Lets the threads end, each after what it is at, for as long as `patient`
    /// says so. A thread that hangs on a dead disk is left behind.
    pub(crate) fn stop(mut self, patient: impl Fn() -> bool) {
        self.workers.dismiss();
        self.carriers.dismiss();
        while !(self.workers.is_gone() && self.carriers.is_gone()) && patient() {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }

    fn crew_for(&mut self, class: Class) -> &mut Crew<W> {
        match class {
            Class::Carry => &mut self.carriers,
            _ => &mut self.workers,
        }
    }
}

/// How busy threads of one kind are, as of the last dispatch.
#[derive(Default)]
struct Load {
    waiting: AtomicUsize,
    running: AtomicUsize,
}

/// Threads that do the same kinds of work.
struct Crew<W: Work> {
    schedule: Schedule<W>,
    load: Arc<Load>,
    to_threads: Option<Sender<(Ticket, W)>>,
    bell: Arc<Bell>,
    threads: Vec<JoinHandle<()>>,
}

impl<W: Work> Crew<W> {
    fn start(
        name: &str,
        shares: Shares,
        order: Order,
        reports: &Arc<Reports<W>>,
    ) -> io::Result<Self> {
        let (to_threads, work) = unbounded();
        let (load, bell) = (Arc::default(), Arc::new(Bell::new(order)));
        let threads = (0..shares.threads).map(|index| {
            let thread = Thread {
                work: Receiver::clone(&work),
                bell: Arc::clone(&bell),
                sleeper: Arc::default(),
                load: Arc::clone(&load),
                reports: Arc::clone(reports),
            };
            Worker::spawn(&format!("{name} {index}"), move |worker| thread.run(worker))
        });
        Ok(Self {
            threads: threads.collect::<io::Result<_>>()?,
            schedule: Schedule::new(shares),
            load,
            to_threads: Some(to_threads),
            bell,
        })
    }

    fn dispatch(&mut self) {
        while let Some(assigned) = self.schedule.next() {
            if let Some(to_threads) = &self.to_threads {
                // Threads outlive the pool's sender, so this cannot fail.
                let _ = to_threads.send(assigned);
                self.bell.ring();
            }
        }
        let (waiting, running) = (self.schedule.waiting(), self.schedule.running());
        self.load.waiting.store(waiting, Ordering::Relaxed);
        self.load.running.store(running, Ordering::Relaxed);
    }

    fn is_idle(&self) -> bool {
        self.schedule.running() == 0 && self.schedule.waiting() == 0
    }

    fn dismiss(&mut self) {
        self.to_threads = None;
        self.threads.iter().for_each(|_| self.bell.ring());
    }

    fn is_gone(&self) -> bool {
        self.threads.iter().all(JoinHandle::is_finished)
    }
}

/// Where finished work goes.
struct Reports<W: Work> {
    outcomes: Sender<(Ticket, W::Outcome)>,
    /// Somebody has woken the reactor, and it has not looked yet.
    called: Arc<AtomicBool>,
    waker: Arc<Waker>,
    courtesy: Courtesy,
}

struct Thread<W: Work> {
    work: Receiver<(Ticket, W)>,
    bell: Arc<Bell>,
    sleeper: Arc<Sleeper>,
    load: Arc<Load>,
    reports: Arc<Reports<W>>,
}

impl<W: Work> Thread<W> {
    /// Every piece of work has its ring; one without any is the end.
    fn next(&self) -> Option<(Ticket, W)> {
        self.bell.wait(&self.sleeper);
        self.work.try_recv().ok()
    }

    fn run(self, worker: &Worker) {
        // One large piece, for the allocator clears small ones: these pages come when
        // they are first used.
        let mut buffers = vec![0; SCRATCH + CIPHER];
        let (scratch, cipher) = buffers.split_at_mut(SCRATCH);
        let mut aside = Aside::WhenNeeded;
        let mut conduit = None;
        while let Some((ticket, work)) = self.next() {
            let mut tools = Tools {
                worker,
                scratch,
                cipher,
                aside: &mut aside,
                conduit: &mut conduit,
                courtesy: &self.reports.courtesy,
                load: &self.load,
            };
            let outcome = work.run(&mut tools);
            if self.reports.outcomes.send((ticket, outcome)).is_err() {
                return;
            }
            // One call is enough for all that is finished before it is heard.
            if self.reports.called.swap(true, Ordering::SeqCst) {
                continue;
            }
            if let Err(error) = self.reports.waker.wake() {
                log::error!("the reactor cannot be woken: {error}");
            }
        }
    }
}
