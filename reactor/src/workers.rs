//! The pool: who may run when, and the threads that may block. Short jobs go
//! before bursts; passwords and handshakes, and any one file system, never hold
//! so many threads that the others starve.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, unbounded};
use mio::Waker;
use skiff_sessions::aside::Aside;
use skiff_sessions::conduit::Conduit;
use skiff_vfs::Worker;

use crate::bell::{Bell, Order, Sleeper};
use crate::courtesy::Courtesy;

/// Plaintext that a worker lends to a burst, in bytes: as much goes to the thread
/// beside it at a time, and each waking costs.
const SCRATCH: usize = 512 * 1024;
/// Bytes off a TLS socket at a time.
const CIPHER: usize = 128 * 1024;

/// What kind of work it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Class {
    /// One look or change in a directory.
    Short,
    /// A handshake: processor time, no disk.
    Crypt,
    /// Bulk data.
    Burst,
    /// A stream that the kernel carries between a file and a socket: its thread mostly
    /// waits for one of them.
    Carry,
    /// Minutes of one home's disk.
    Long,
}

/// What a piece of work counts against.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Ticket {
    pub(crate) class: Class,
    /// The file system it may hang on; `None` for none.
    pub(crate) device: Option<u64>,
}

/// How many threads each may hold.
#[derive(Clone, Copy, Debug)]
struct Shares {
    threads: usize,
    /// All that is not short.
    lasting: usize,
    crypt: usize,
    device: usize,
    device_bursts: usize,
}

impl Shares {
    /// Of at least 5 threads that compute. One stays free for short jobs, one of any
    /// single file system, and one of any single one's bursts. Those hold one more than
    /// the processors need: a processor has the third to go on with while what it did is
    /// told to the reactor.
    fn of(threads: usize) -> Self {
        Self {
            threads,
            lasting: threads - 1,
            crypt: threads / 2,
            device: threads - threads / 4,
            device_bursts: threads.div_ceil(2),
        }
    }

    /// Of threads whose streams the kernel carries. One stays free of any single file system.
    fn of_carriers(threads: usize) -> Self {
        Self {
            threads,
            lasting: threads,
            crypt: 0,
            device: threads - 1,
            device_bursts: 0,
        }
    }
}

/// Work of one class on one file system waits in one queue.
struct Queue<T> {
    ticket: Ticket,
    waiting: VecDeque<T>,
    running: usize,
}

/// Decides what runs next. Pure, so that its promises are tested without threads.
struct Schedule<T> {
    shares: Shares,
    queues: Vec<Queue<T>>,
    running: usize,
    /// Where the search goes on, so that queues of one class take turns.
    turn: usize,
}

impl<T> Schedule<T> {
    fn new(shares: Shares) -> Self {
        Self {
            shares,
            queues: Vec::new(),
            running: 0,
            turn: 0,
        }
    }

    fn push(&mut self, ticket: Ticket, work: T) {
        match self.queues.iter_mut().find(|queue| queue.ticket == ticket) {
            Some(queue) => queue.waiting.push_back(work),
            None => {
                let waiting = VecDeque::from([work]);
                self.queues.push(Queue {
                    ticket,
                    waiting,
                    running: 0,
                });
            }
        }
    }

    fn finished(&mut self, ticket: Ticket) {
        self.running -= 1;
        if let Some(queue) = self.queues.iter_mut().find(|queue| queue.ticket == ticket) {
            queue.running -= 1;
        }
        self.queues
            .retain(|queue| queue.running > 0 || !queue.waiting.is_empty());
    }

    fn next(&mut self) -> Option<(Ticket, T)> {
        if self.running >= self.shares.threads {
            return None;
        }
        let order = [
            Class::Short,
            Class::Crypt,
            Class::Burst,
            Class::Carry,
            Class::Long,
        ];
        let index = order.into_iter().find_map(|class| self.ready(class))?;
        let queue = &mut self.queues[index];
        let work = queue.waiting.pop_front()?;
        queue.running += 1;
        self.running += 1;
        self.turn = index + 1;
        Some((self.queues[index].ticket, work))
    }

    fn ready(&self, class: Class) -> Option<usize> {
        let count = self.queues.len();
        (0..count)
            .map(|step| (self.turn + step) % count)
            .find(|&index| {
                let queue = &self.queues[index];
                queue.ticket.class == class && !queue.waiting.is_empty() && self.fits(queue.ticket)
            })
    }

    fn fits(&self, Ticket { class, device }: Ticket) -> bool {
        let running = |counts: &dyn Fn(Ticket) -> bool| -> usize {
            let queues = self.queues.iter().filter(|queue| counts(queue.ticket));
            queues.map(|queue| queue.running).sum()
        };
        let is_bulk = |class: Class| matches!(class, Class::Burst | Class::Long);
        let of_class = running(&|ticket| ticket.class == class);
        let class_fits = match class {
            Class::Short | Class::Burst | Class::Carry => true,
            Class::Crypt => of_class < self.shares.crypt,
            Class::Long => of_class < 1,
        };
        let lasting = running(&|ticket| ticket.class != Class::Short);
        let leaves_one = class == Class::Short || lasting < self.shares.lasting;
        let same = |ticket: Ticket| device.is_some() && ticket.device == device;
        class_fits
            && leaves_one
            && running(&same) < self.shares.device
            && (!is_bulk(class)
                || running(&|ticket| same(ticket) && is_bulk(ticket.class))
                    < self.shares.device_bursts)
    }

    fn waiting(&self) -> usize {
        self.queues.iter().map(|queue| queue.waiting.len()).sum()
    }
}

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
        let busy = (2 * cores).max(4);
        let (to_reactor, outcomes) = unbounded();
        let called = Arc::new(AtomicBool::new(false));
        let reports = Arc::new(Reports {
            outcomes: to_reactor,
            called: Arc::clone(&called),
            waker: Arc::clone(waker),
            courtesy: courtesy.clone(),
        });
        Ok(Self {
            workers: Crew::start("worker", Shares::of(busy + 1), Order::Turns, &reports)?,
            carriers: Crew::start(
                "carrier",
                Shares::of_carriers(2 * busy + 1),
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
        let (waiting, running) = (self.schedule.waiting(), self.schedule.running);
        self.load.waiting.store(waiting, Ordering::Relaxed);
        self.load.running.store(running, Ordering::Relaxed);
    }

    fn is_idle(&self) -> bool {
        self.schedule.running == 0 && self.schedule.waiting() == 0
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

#[cfg(test)]
mod tests {
    use super::*;

    const fn ticket(class: Class, device: u64) -> Ticket {
        Ticket {
            class,
            device: Some(device),
        }
    }

    fn drain(schedule: &mut Schedule<u32>) -> Vec<Ticket> {
        std::iter::from_fn(|| schedule.next())
            .map(|(ticket, _)| ticket)
            .collect()
    }

    #[test]
    fn short_jobs_go_before_bursts_and_find_a_thread() {
        let mut schedule = Schedule::new(Shares::of(5));
        for work in 0..100 {
            schedule.push(ticket(Class::Burst, 1), work);
            schedule.push(ticket(Class::Burst, 2), work);
        }
        assert_eq!(
            drain(&mut schedule).len(),
            4,
            "one thread stays free of bursts"
        );
        schedule.push(ticket(Class::Short, 1), 1000);
        assert_eq!(drain(&mut schedule), [ticket(Class::Short, 1)]);
    }

    #[test]
    fn a_dead_file_system_leaves_threads_to_the_others() {
        let mut schedule = Schedule::new(Shares::of(5));
        for work in 0..100 {
            schedule.push(ticket(Class::Burst, 1), work);
            schedule.push(ticket(Class::Short, 1), work);
        }
        assert_eq!(drain(&mut schedule).len(), 4);
        schedule.push(ticket(Class::Short, 2), 1000);
        assert_eq!(drain(&mut schedule), [ticket(Class::Short, 2)]);
    }

    #[test]
    fn streams_carried_on_one_file_system_leave_a_thread_to_others() {
        let mut schedule = Schedule::new(Shares::of_carriers(9));
        for work in 0..100 {
            schedule.push(ticket(Class::Carry, 1), work);
        }
        assert_eq!(drain(&mut schedule).len(), 8);
        for work in 0..100 {
            schedule.push(ticket(Class::Carry, 2), work);
        }
        assert_eq!(drain(&mut schedule), [ticket(Class::Carry, 2)]);
    }

    #[test]
    fn bursts_of_one_file_system_leave_threads_to_those_of_another_and_to_short_jobs() {
        for threads in 5..65 {
            let mut schedule = Schedule::new(Shares::of(threads));
            for work in 0..100 {
                schedule.push(ticket(Class::Burst, 1), work);
            }
            assert_eq!(drain(&mut schedule).len(), threads.div_ceil(2));
            schedule.push(ticket(Class::Burst, 2), 1000);
            schedule.push(ticket(Class::Short, 2), 1001);
            let others = [ticket(Class::Short, 2), ticket(Class::Burst, 2)];
            assert_eq!(drain(&mut schedule), others, "{threads} threads");
        }
    }

    #[test]
    fn handshakes_hold_at_most_half() {
        let mut schedule = Schedule::new(Shares::of(8));
        for work in 0..100 {
            schedule.push(
                Ticket {
                    class: Class::Crypt,
                    device: None,
                },
                work,
            );
        }
        assert_eq!(drain(&mut schedule).len(), 4);
    }

    #[test]
    fn handshakes_and_bursts_together_leave_a_thread_to_short_jobs() {
        let handshake = Ticket {
            class: Class::Crypt,
            device: None,
        };
        let mut schedule = Schedule::new(Shares::of(5));
        for work in 0..100 {
            schedule.push(handshake, work);
            schedule.push(ticket(Class::Burst, 1), work);
        }
        assert_eq!(drain(&mut schedule).len(), 4);
        schedule.push(ticket(Class::Short, 1), 1000);
        assert_eq!(drain(&mut schedule), [ticket(Class::Short, 1)]);
    }

    #[test]
    fn file_systems_take_turns_and_all_work_is_done_once() {
        let mut schedule = Schedule::new(Shares::of(5));
        for work in 0..10 {
            for device in 1..5 {
                schedule.push(ticket(Class::Burst, device), work);
            }
        }
        let first: Vec<_> = drain(&mut schedule).into_iter().map(|t| t.device).collect();
        assert_eq!(first, [Some(1), Some(2), Some(3), Some(4)]);
        let mut done = 4;
        schedule.finished(ticket(Class::Burst, 1));
        while let Some((ticket, _)) = schedule.next() {
            done += 1;
            schedule.finished(ticket);
        }
        assert_eq!(done, 40);
        for device in 2..5 {
            schedule.finished(ticket(Class::Burst, device));
        }
        assert!(schedule.queues.is_empty());
        assert_eq!(schedule.running, 0);
    }
}
