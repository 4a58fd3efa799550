//! The pool of worker threads: spawns them, lends each work item a [`WorkerContext`], and returns
//! outcomes to the reactor through a channel and mio's `Waker`.

#[cfg(feature = "simulation")]
pub(crate) mod stepped;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, unbounded};
use mio::Waker;
use skiff_sessions::parallel_hash::ParallelHash;
use skiff_sessions::transfer::SplicePipe;
use skiff_vfs::Worker;

use super::parking::{ParkedThread, Parker, UnparkOrder};
use super::schedule::{Class, Progress, Schedule, Shares, WorkKind};
use super::yielding::Yielding;

/// Bytes of plaintext buffer per worker: the hashing thread beside it gets as much at a time,
/// because each wake-up of that thread costs.
const SCRATCH: usize = 512 * 1024;
/// Bytes read from a TLS socket at a time.
const CIPHER: usize = 128 * 1024;

/// How long work may wait whose file system or account holds all the threads that it may.
const WAIT_MAX: Duration = Duration::from_secs(30);
/// Time between two looks for work that has waited so long.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What a worker lends to the work item it runs.
pub(crate) struct WorkerContext<'a> {
    pub(crate) worker: &'a Worker,
    pub(crate) scratch: &'a mut [u8],
    pub(crate) cipher: &'a mut [u8],
    pub(crate) parallel_hash: &'a mut ParallelHash,
    /// The worker's splice pipe, made at first use.
    pub(crate) splice_pipe: &'a mut Option<SplicePipe>,
    pub(crate) yielding: &'a Yielding,
    load: &'a Load,
}

impl WorkerContext<'_> {
    /// True while work waits for a thread: a burst then returns instead of lingering.
    pub(crate) fn has_waiting_work(&self) -> bool {
        self.load.waiting.load(Ordering::Relaxed) > 0
    }

    /// True if no other thread of this group runs an item.
    pub(crate) fn is_only_one_running(&self) -> bool {
        self.load.running.load(Ordering::Relaxed) <= 1
    }
}

/// An item of work, and the outcome it returns to the reactor.
pub(crate) trait Work: Send + 'static {
    type Outcome: Send + 'static;
    /// When a peer has asked for it who waits for an answer; `None` where nobody does.
    fn asked_at(&self) -> Option<Instant>;
    /// Whether it goes on with what was begun.
    fn progress(&self) -> Progress;
    fn run(self, context: &mut WorkerContext<'_>) -> Self::Outcome;
}

/// The worker threads and the work that waits for them.
pub(crate) struct Pool<W: Work> {
    workers: ThreadGroup<W>,
    /// Threads for streams that the kernel copies, and for publications. They mostly wait in
    /// sendfile(2), splice(2) or fsync(2) and so may be many; more threads that compute would only
    /// delay small commands.
    copiers: ThreadGroup<W>,
    /// Threads that wait for the authenticator; none without one.
    askers: ThreadGroup<W>,
    /// When the waiting work is looked through for what waits too long; `None` before the first time.
    look_at: Option<Instant>,
    outcomes: Receiver<(WorkKind, W::Outcome)>,
    wake_pending: Arc<AtomicBool>,
}

impl<W: Work> Pool<W> {
    /// Starts the threads, of which `askers` wait for the authenticator.
    pub(crate) fn start(
        waker: &Arc<Waker>,
        yielding: &Yielding,
        askers: usize,
    ) -> io::Result<Self> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        // Half of the workers may wait for one disk; `Shares::of` says why there is one more.
        let workers = (2 * cores + 1).max(4);
        let copiers = (4 * cores + 1).max(9);
        let (outcome_sender, outcomes) = unbounded();
        let wake_pending = Arc::new(AtomicBool::new(false));
        let to_reactor = Arc::new(OutcomeSender {
            outcomes: outcome_sender,
            wake_pending: Arc::clone(&wake_pending),
            waker: Arc::clone(waker),
            yielding: yielding.clone(),
        });
        Ok(Self {
            workers: ThreadGroup::start(
                "worker",
                Shares::of(workers),
                UnparkOrder::LongestParked,
                &to_reactor,
            )?,
            copiers: ThreadGroup::start(
                "carrier",
                Shares::of_copiers(copiers),
                UnparkOrder::LastParked,
                &to_reactor,
            )?,
            askers: ThreadGroup::start(
                "asker",
                Shares::of_askers(askers),
                UnparkOrder::LastParked,
                &to_reactor,
            )?,
            look_at: None,
            outcomes,
            wake_pending,
        })
    }

    /// Clears the pending wake-up: items that finish from now on wake the reactor again, and those
    /// that finished before can be taken.
    pub(crate) fn clear_wake(&self) {
        self.wake_pending.store(false, Ordering::SeqCst);
    }

    pub(crate) fn submit(&mut self, kind: WorkKind, work: W) {
        let group = self.group_for(kind.class);
        group.schedule.push(kind, work.progress(), work);
        group.dispatch();
    }

    /// The next outcome, if there is one.
    pub(crate) fn take(&mut self) -> Option<W::Outcome> {
        let (kind, outcome) = self.outcomes.try_recv().ok()?;
        let group = self.group_for(kind.class);
        group.schedule.finished(kind);
        group.dispatch();
        Some(outcome)
    }

    /// When [`Self::take_overdue`] may have something to give.
    pub(crate) fn next_look(&self) -> Option<Instant> {
        let waiting = self.workers.schedule.waiting() + self.copiers.schedule.waiting();
        self.look_at.filter(|_| waiting > 0)
    }

    /// Takes out the work that has waited too long for its file system or for its account, whose
    /// threads others hold for as long as a disk hangs.
    pub(crate) fn take_overdue(&mut self, now: Instant) -> Vec<(WorkKind, W)> {
        if self.look_at.is_some_and(|at| now < at) {
            return Vec::new();
        }
        self.look_at = Some(now + LOOK_EVERY);
        let is_overdue = |kind: WorkKind, work: &W| {
            let asked_at = work.asked_at().filter(|_| kind.device.is_some());
            asked_at.is_some_and(|asked_at| now.duration_since(asked_at) >= WAIT_MAX)
        };
        let mut overdue = self.workers.take_out(is_overdue);
        overdue.extend(self.copiers.take_out(is_overdue));
        overdue
    }

    /// How many pieces of work wait, and how many run: of the workers, and of those threads that
    /// mostly wait for the kernel.
    pub(crate) fn loads(&self) -> [(usize, usize); 2] {
        [&self.workers, &self.copiers]
            .map(|group| (group.schedule.waiting(), group.schedule.running()))
    }

    /// True if nothing runs and nothing waits.
    pub(crate) fn is_idle(&self) -> bool {
        self.workers.is_idle() && self.copiers.is_idle() && self.askers.is_idle()
    }

    /// Lets each thread end after its current item, and waits for them while `keep_waiting` returns
    /// true. A thread that hangs on a dead disk is left behind.
    pub(crate) fn stop(mut self, keep_waiting: impl Fn() -> bool) {
        self.workers.shut_down();
        self.copiers.shut_down();
        self.askers.shut_down();
        // An asker comes back within the deadline of the authenticator, and holds nothing.
        while !(self.workers.is_finished() && self.copiers.is_finished()) && keep_waiting() {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn group_for(&mut self, class: Class) -> &mut ThreadGroup<W> {
        match class {
            Class::KernelCopy | Class::Publication => &mut self.copiers,
            Class::Inquiry => &mut self.askers,
            _ => &mut self.workers,
        }
    }
}

/// How busy a group was at its last dispatch, read by its threads.
#[derive(Default)]
struct Load {
    waiting: AtomicUsize,
    running: AtomicUsize,
}

/// A group of threads that run the same classes of work.
struct ThreadGroup<W: Work> {
    schedule: Schedule<W>,
    load: Arc<Load>,
    to_threads: Option<Sender<(WorkKind, W)>>,
    parker: Arc<Parker>,
    threads: Vec<JoinHandle<()>>,
}

impl<W: Work> ThreadGroup<W> {
    fn start(
        name: &str,
        shares: Shares,
        order: UnparkOrder,
        to_reactor: &Arc<OutcomeSender<W>>,
    ) -> io::Result<Self> {
        let count = shares.threads;
        let (mut group, work) = Self::without_threads(shares, order);
        let threads = (0..count).map(|index| {
            let thread = Thread {
                work: Receiver::clone(&work),
                parker: Arc::clone(&group.parker),
                parked: Arc::default(),
                load: Arc::clone(&group.load),
                to_reactor: Arc::clone(to_reactor),
            };
            Worker::spawn(&format!("{name} {index}"), move |worker| thread.run(worker))
        });
        group.threads = threads.collect::<io::Result<_>>()?;
        Ok(group)
    }

    /// A group, and where the work comes out that its threads are to run.
    fn without_threads(shares: Shares, order: UnparkOrder) -> (Self, Receiver<(WorkKind, W)>) {
        let (to_threads, work) = unbounded();
        let group = Self {
            threads: Vec::new(),
            schedule: Schedule::new(shares),
            load: Arc::default(),
            to_threads: Some(to_threads),
            parker: Arc::new(Parker::new(order)),
        };
        (group, work)
    }

    fn dispatch(&mut self) {
        while let Some(assigned) = self.schedule.next() {
            if let Some(to_threads) = &self.to_threads {
                // Threads outlive the pool's sender, so this cannot fail.
                let _ = to_threads.send(assigned);
                self.parker.unpark_one();
            }
        }
        self.note_load();
    }

    fn take_out(&mut self, wanted: impl Fn(WorkKind, &W) -> bool) -> Vec<(WorkKind, W)> {
        let taken = match self.schedule.waiting() {
            0 => Vec::new(),
            _ => self.schedule.take_out(wanted),
        };
        self.note_load();
        taken
    }

    fn note_load(&self) {
        let (waiting, running) = (self.schedule.waiting(), self.schedule.running());
        self.load.waiting.store(waiting, Ordering::Relaxed);
        self.load.running.store(running, Ordering::Relaxed);
    }

    fn is_idle(&self) -> bool {
        self.schedule.running() == 0 && self.schedule.waiting() == 0
    }

    fn shut_down(&mut self) {
        self.to_threads = None;
        self.threads.iter().for_each(|_| self.parker.unpark_one());
    }

    fn is_finished(&self) -> bool {
        self.threads.iter().all(JoinHandle::is_finished)
    }
}

/// Sends outcomes to the reactor and wakes it.
struct OutcomeSender<W: Work> {
    outcomes: Sender<(WorkKind, W::Outcome)>,
    /// True once a thread has woken the reactor, until the reactor takes outcomes.
    wake_pending: Arc<AtomicBool>,
    waker: Arc<Waker>,
    yielding: Yielding,
}

/// What a thread keeps for the items that it runs.
struct Buffers {
    bytes: Vec<u8>,
    parallel_hash: ParallelHash,
    splice_pipe: Option<SplicePipe>,
}

impl Buffers {
    fn new() -> Self {
        Self {
            // One large allocation is mapped anew and stays untouched until it is used; the
            // allocator would clear small ones.
            bytes: vec![0; SCRATCH + CIPHER],
            parallel_hash: ParallelHash::OnDemand,
            splice_pipe: None,
        }
    }

    fn run<W: Work>(
        &mut self,
        worker: &Worker,
        work: W,
        yielding: &Yielding,
        load: &Load,
    ) -> W::Outcome {
        let (scratch, cipher) = self.bytes.split_at_mut(SCRATCH);
        work.run(&mut WorkerContext {
            worker,
            scratch,
            cipher,
            parallel_hash: &mut self.parallel_hash,
            splice_pipe: &mut self.splice_pipe,
            yielding,
            load,
        })
    }
}

struct Thread<W: Work> {
    work: Receiver<(WorkKind, W)>,
    parker: Arc<Parker>,
    parked: Arc<ParkedThread>,
    load: Arc<Load>,
    to_reactor: Arc<OutcomeSender<W>>,
}

impl<W: Work> Thread<W> {
    /// The next item; `None` at the end: each item has its unpark, and one without an item means
    /// the pool stops.
    fn next(&self) -> Option<(WorkKind, W)> {
        self.parker.park(&self.parked);
        self.work.try_recv().ok()
    }

    fn run(self, worker: &Worker) {
        let mut buffers = Buffers::new();
        while let Some((kind, work)) = self.next() {
            let outcome = buffers.run(worker, work, &self.to_reactor.yielding, &self.load);
            if self.to_reactor.outcomes.send((kind, outcome)).is_err() {
                return;
            }
            // One wake-up is enough for all that finishes before the reactor takes it.
            if self.to_reactor.wake_pending.swap(true, Ordering::SeqCst) {
                continue;
            }
            if let Err(error) = self.to_reactor.waker.wake() {
                log::error!("the reactor cannot be woken: {error}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver as Awaited, SyncSender, sync_channel};

    use mio::{Events, Poll, Token};

    use super::super::schedule::{AccountNumber, Device};
    use super::*;

    /// Hangs until the sender of the channel is dropped, or does nothing.
    struct Item {
        name: &'static str,
        hangs: Option<Awaited<()>>,
        asked_at: Option<Instant>,
    }

    impl Work for Item {
        type Outcome = &'static str;

        fn asked_at(&self) -> Option<Instant> {
            self.asked_at
        }

        fn progress(&self) -> Progress {
            Progress::Fresh
        }

        fn run(self, _: &mut WorkerContext<'_>) -> &'static str {
            if let Some(hangs) = self.hangs {
                let _ = hangs.recv();
            }
            self.name
        }
    }

    struct Fixture {
        pool: Pool<Item>,
        poll: Poll,
        asked_at: Instant,
        hanging: Vec<SyncSender<()>>,
    }

    impl Fixture {
        fn new() -> Self {
            let poll = Poll::new().unwrap();
            let waker = Arc::new(Waker::new(poll.registry(), Token(0)).unwrap());
            let yielding = Yielding::to(poll.registry().try_clone().unwrap());
            Self {
                pool: Pool::start(&waker, &yielding, 0).unwrap(),
                poll,
                asked_at: Instant::now(),
                hanging: Vec::new(),
            }
        }

        fn submit(&mut self, name: &'static str, kind: WorkKind) {
            let asked_at = Some(self.asked_at);
            let hangs = None;
            self.pool.submit(
                kind,
                Item {
                    name,
                    hangs,
                    asked_at,
                },
            );
        }

        fn submit_hanging(&mut self, name: &'static str, kind: WorkKind) {
            let (sender, hangs) = sync_channel(0);
            self.hanging.push(sender);
            self.pool.submit(
                kind,
                Item {
                    name,
                    hangs: Some(hangs),
                    asked_at: Some(self.asked_at),
                },
            );
        }

        /// The next outcome, waited for.
        fn done(&mut self) -> &'static str {
            let mut events = Events::with_capacity(1);
            loop {
                self.pool.clear_wake();
                if let Some(name) = self.pool.take() {
                    return name;
                }
                self.poll.poll(&mut events, None).unwrap();
            }
        }
    }

    fn of(account: u64, class: Class, device: Option<Device>) -> WorkKind {
        WorkKind {
            class,
            device,
            account: AccountNumber(account),
        }
    }

    const HOMES: Option<Device> = Some(Device::Number(1));

    #[test]
    fn homes_that_hang_leave_the_logins_of_others_their_threads() {
        for device in [HOMES, Some(Device::Unknown)] {
            let mut fixture = Fixture::new();
            for account in 10..22 {
                fixture.submit_hanging("hanging", of(account, Class::Opening, device));
            }
            let other = Some(Device::Number(2));
            let steps = [
                ("look-up", of(2, Class::Short, None)),
                ("check", of(2, Class::Crypt, None)),
                ("opening", of(2, Class::Opening, other)),
                ("command", of(2, Class::Short, other)),
            ];
            for (name, kind) in steps {
                fixture.submit(name, kind);
                assert_eq!(fixture.done(), name);
            }
            fixture.hanging.clear();
            for _ in 0..12 {
                assert_eq!(fixture.done(), "hanging");
            }
            assert!(fixture.pool.is_idle());
        }
    }

    #[test]
    fn slow_publications_of_one_account_hold_up_nothing_of_another_on_the_same_disk() {
        let mut fixture = Fixture::new();
        for _ in 0..40 {
            fixture.submit_hanging("slow", of(1, Class::Publication, HOMES));
        }
        for (name, class) in [
            ("opening", Class::Short),
            ("burst", Class::Burst),
            ("publication", Class::Publication),
            ("stream", Class::KernelCopy),
        ] {
            fixture.submit(name, of(2, class, HOMES));
            assert_eq!(fixture.done(), name);
        }
        fixture.hanging.clear();
    }

    #[test]
    fn what_waits_too_long_for_its_file_system_is_given_back_and_nothing_else() {
        let mut fixture = Fixture::new();
        let asked_at = fixture.asked_at;
        assert!(fixture.pool.take_overdue(asked_at).is_empty());
        for _ in 0..40 {
            fixture.submit_hanging("hanging", of(1, Class::Short, HOMES));
        }
        fixture.submit_hanging("last", of(1, Class::Short, HOMES));
        let running = fixture.pool.workers.schedule.running();
        // What nobody waits for, or what touches no home, is not refused.
        fixture.submit_hanging("no home", of(1, Class::Short, None));
        fixture.asked_at = asked_at + Duration::from_secs(20);
        fixture.submit_hanging("later", of(1, Class::Short, HOMES));
        let look = fixture.pool.next_look().unwrap();
        assert!(fixture.pool.take_overdue(look).is_empty());
        let overdue = fixture.pool.take_overdue(asked_at + WAIT_MAX);
        assert_eq!(overdue.len(), 41 - running);
        assert!(overdue.iter().any(|(_, item)| item.name == "last"));
        assert!(overdue.iter().all(|(kind, _)| kind.device == HOMES));
        assert_eq!(fixture.pool.workers.schedule.waiting(), 2);
        fixture.hanging.clear();
    }

    #[test]
    fn nobody_looks_where_nothing_waits() {
        let mut fixture = Fixture::new();
        fixture.pool.take_overdue(fixture.asked_at);
        assert_eq!(fixture.pool.next_look(), None);
    }
}
