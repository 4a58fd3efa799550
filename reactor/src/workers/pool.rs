//! The pool of worker threads: spawns them, lends each work item a [`WorkerContext`], and returns
//! outcomes to the reactor through a channel and mio's `Waker`.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, unbounded};
use mio::Waker;
use skiff_sessions::parallel_hash::ParallelHash;
use skiff_sessions::transfer::SplicePipe;
use skiff_vfs::Worker;

use super::parking::{ParkedThread, Parker, UnparkOrder};
use super::schedule::{Class, Schedule, Shares, WorkKind};
use super::yielding::Yielding;

/// Bytes of plaintext buffer per worker: the hashing thread beside it gets as much at a time,
/// because each wake-up of that thread costs.
const SCRATCH: usize = 512 * 1024;
/// Bytes read from a TLS socket at a time.
const CIPHER: usize = 128 * 1024;

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
    fn run(self, context: &mut WorkerContext<'_>) -> Self::Outcome;
}

/// The worker threads and the work that waits for them.
pub(crate) struct Pool<W: Work> {
    workers: ThreadGroup<W>,
    /// Threads for streams that the kernel copies. They mostly wait in sendfile(2) or splice(2) and
    /// so may be many; more threads that compute would only delay small commands.
    copiers: ThreadGroup<W>,
    outcomes: Receiver<(WorkKind, W::Outcome)>,
    wake_pending: Arc<AtomicBool>,
}

impl<W: Work> Pool<W> {
    pub(crate) fn start(waker: &Arc<Waker>, yielding: &Yielding) -> io::Result<Self> {
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
        group.schedule.push(kind, work);
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

    /// True if nothing runs and nothing waits.
    pub(crate) fn is_idle(&self) -> bool {
        self.workers.is_idle() && self.copiers.is_idle()
    }

    /// Lets each thread end after its current item, and waits for them while `keep_waiting` returns
    /// true. A thread that hangs on a dead disk is left behind.
    pub(crate) fn stop(mut self, keep_waiting: impl Fn() -> bool) {
        self.workers.shut_down();
        self.copiers.shut_down();
        while !(self.workers.is_finished() && self.copiers.is_finished()) && keep_waiting() {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }

    fn group_for(&mut self, class: Class) -> &mut ThreadGroup<W> {
        match class {
            Class::KernelCopy => &mut self.copiers,
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
        let (to_threads, work) = unbounded();
        let (load, parker) = (Arc::default(), Arc::new(Parker::new(order)));
        let threads = (0..shares.threads).map(|index| {
            let thread = Thread {
                work: Receiver::clone(&work),
                parker: Arc::clone(&parker),
                parked: Arc::default(),
                load: Arc::clone(&load),
                to_reactor: Arc::clone(to_reactor),
            };
            Worker::spawn(&format!("{name} {index}"), move |worker| thread.run(worker))
        });
        Ok(Self {
            threads: threads.collect::<io::Result<_>>()?,
            schedule: Schedule::new(shares),
            load,
            to_threads: Some(to_threads),
            parker,
        })
    }

    fn dispatch(&mut self) {
        while let Some(assigned) = self.schedule.next() {
            if let Some(to_threads) = &self.to_threads {
                // Threads outlive the pool's sender, so this cannot fail.
                let _ = to_threads.send(assigned);
                self.parker.unpark_one();
            }
        }
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
        // One large allocation is mapped anew and stays untouched until it is used; the allocator
        // would clear small ones.
        let mut buffers = vec![0; SCRATCH + CIPHER];
        let (scratch, cipher) = buffers.split_at_mut(SCRATCH);
        let mut parallel_hash = ParallelHash::OnDemand;
        let mut splice_pipe = None;
        while let Some((kind, work)) = self.next() {
            let mut context = WorkerContext {
                worker,
                scratch,
                cipher,
                parallel_hash: &mut parallel_hash,
                splice_pipe: &mut splice_pipe,
                yielding: &self.to_reactor.yielding,
                load: &self.load,
            };
            let outcome = work.run(&mut context);
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
