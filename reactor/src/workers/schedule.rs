//! Decides which waiting work runs next: short jobs before bursts, and shares of threads that
//! password checks, handshakes and any one file system cannot exceed.

use std::collections::VecDeque;

/// The class of a work item.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Class {
    /// One lookup or change in a directory.
    Short,
    /// A TLS handshake or a password check: processor time, no disk.
    Crypt,
    /// A burst of bulk data.
    Burst,
    /// A stream that the kernel copies between a file and a socket: its thread mostly waits for one
    /// of the two.
    KernelCopy,
    /// The first count or a sweep of a home, which may take minutes.
    Long,
    /// A recount of a home, which nobody waits for.
    Recount,
}

/// The class and file system that a work item counts against.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct WorkKind {
    pub(crate) class: Class,
    /// The device number of the file system that the item may hang on; `None` for none.
    pub(crate) device: Option<u64>,
}

/// How many threads each class and each file system may hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shares {
    pub(crate) threads: usize,
    /// All classes but [`Class::Short`] together.
    not_short: usize,
    crypt: usize,
    device: usize,
    device_bursts: usize,
}

impl Shares {
    /// Shares of `threads` (at least 4) worker threads, two for each processor and one more. One
    /// thread stays free for short jobs, one from any single file system, and one from the bursts
    /// of any single file system. Those bursts hold one thread more than there are processors, so
    /// that one can go on while the reactor takes a finished burst and sends the next.
    pub(crate) fn of(threads: usize) -> Self {
        Self {
            threads,
            not_short: threads - 1,
            crypt: threads / 2,
            device: threads - threads / 4,
            device_bursts: threads.div_ceil(2),
        }
    }

    /// Shares of `threads` kernel-copy threads. One stays free from any single file system.
    pub(crate) fn of_copiers(threads: usize) -> Self {
        Self {
            threads,
            not_short: threads,
            crypt: 0,
            device: threads - 1,
            device_bursts: 0,
        }
    }
}

/// The queue of one class on one file system.
struct Queue<T> {
    kind: WorkKind,
    waiting: VecDeque<T>,
    running: usize,
}

/// The queues and what runs of each. No thread is touched here, so that the promises are tested
/// without threads.
pub(crate) struct Schedule<T> {
    shares: Shares,
    queues: Vec<Queue<T>>,
    running: usize,
    /// The queue where the next search begins, so that queues of one class take turns.
    turn: usize,
}

impl<T> Schedule<T> {
    pub(crate) fn new(shares: Shares) -> Self {
        Self {
            shares,
            queues: Vec::new(),
            running: 0,
            turn: 0,
        }
    }

    pub(crate) fn push(&mut self, kind: WorkKind, work: T) {
        match self.queues.iter_mut().find(|queue| queue.kind == kind) {
            Some(queue) => queue.waiting.push_back(work),
            None => {
                let waiting = VecDeque::from([work]);
                self.queues.push(Queue {
                    kind,
                    waiting,
                    running: 0,
                });
            }
        }
    }

    pub(crate) fn finished(&mut self, kind: WorkKind) {
        self.running -= 1;
        if let Some(queue) = self.queues.iter_mut().find(|queue| queue.kind == kind) {
            queue.running -= 1;
        }
        self.queues
            .retain(|queue| queue.running > 0 || !queue.waiting.is_empty());
    }

    pub(crate) fn next(&mut self) -> Option<(WorkKind, T)> {
        if self.running >= self.shares.threads {
            return None;
        }
        let order = [
            Class::Short,
            Class::Crypt,
            Class::Burst,
            Class::KernelCopy,
            Class::Long,
            Class::Recount,
        ];
        let index = order.into_iter().find_map(|class| self.ready(class))?;
        let queue = &mut self.queues[index];
        let work = queue.waiting.pop_front()?;
        queue.running += 1;
        self.running += 1;
        self.turn = index + 1;
        Some((self.queues[index].kind, work))
    }

    fn ready(&self, class: Class) -> Option<usize> {
        let count = self.queues.len();
        (0..count)
            .map(|step| (self.turn + step) % count)
            .find(|&index| {
                let queue = &self.queues[index];
                queue.kind.class == class && !queue.waiting.is_empty() && self.fits(queue.kind)
            })
    }

    fn fits(&self, WorkKind { class, device }: WorkKind) -> bool {
        let running = |counts: &dyn Fn(WorkKind) -> bool| -> usize {
            let queues = self.queues.iter().filter(|queue| counts(queue.kind));
            queues.map(|queue| queue.running).sum()
        };
        let is_bulk = |class: Class| matches!(class, Class::Burst | Class::Long | Class::Recount);
        let of_class = running(&|kind| kind.class == class);
        let class_fits = match class {
            Class::Short | Class::Burst | Class::KernelCopy => true,
            Class::Crypt => of_class < self.shares.crypt,
            // One for each file system: a dead one stops no other.
            Class::Long | Class::Recount => {
                of_class < self.shares.crypt
                    && running(&|kind| kind.class == class && kind.device == device) < 1
            }
        };
        let not_short = running(&|kind| kind.class != Class::Short);
        let leaves_one = class == Class::Short || not_short < self.shares.not_short;
        let same = |kind: WorkKind| device.is_some() && kind.device == device;
        class_fits
            && leaves_one
            && running(&same) < self.shares.device
            && (!is_bulk(class)
                || running(&|kind| same(kind) && is_bulk(kind.class)) < self.shares.device_bursts)
    }

    pub(crate) fn running(&self) -> usize {
        self.running
    }

    pub(crate) fn waiting(&self) -> usize {
        self.queues.iter().map(|queue| queue.waiting.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn kind(class: Class, device: u64) -> WorkKind {
        WorkKind {
            class,
            device: Some(device),
        }
    }

    const HANDSHAKE: WorkKind = WorkKind {
        class: Class::Crypt,
        device: None,
    };

    /// More of each than there are threads.
    fn flooded(shares: Shares, by: &[WorkKind]) -> Schedule<u32> {
        let mut schedule = Schedule::new(shares);
        for work in 0..100 {
            for &kind in by {
                schedule.push(kind, work);
            }
        }
        schedule
    }

    fn drain(schedule: &mut Schedule<u32>) -> Vec<WorkKind> {
        std::iter::from_fn(|| schedule.next())
            .map(|(kind, _)| kind)
            .collect()
    }

    /// From one processor to 32.
    const THREADS: std::ops::Range<usize> = 4..66;

    #[test]
    fn short_jobs_go_before_bursts_and_find_a_thread() {
        for threads in THREADS {
            let bursts = [kind(Class::Burst, 1), kind(Class::Burst, 2)];
            let mut schedule = flooded(Shares::of(threads), &bursts);
            assert_eq!(drain(&mut schedule).len(), threads - 1);
            schedule.push(kind(Class::Short, 1), 1000);
            assert_eq!(drain(&mut schedule), [kind(Class::Short, 1)]);
        }
    }

    #[test]
    fn a_dead_file_system_leaves_threads_to_the_others() {
        for threads in THREADS {
            let dead = [kind(Class::Burst, 1), kind(Class::Short, 1)];
            let mut schedule = flooded(Shares::of(threads), &dead);
            assert_eq!(drain(&mut schedule).len(), threads - threads / 4);
            schedule.push(kind(Class::Short, 2), 1000);
            assert_eq!(drain(&mut schedule), [kind(Class::Short, 2)]);
        }
    }

    #[test]
    fn streams_carried_on_one_file_system_leave_a_thread_to_others() {
        let mut schedule = flooded(Shares::of_copiers(9), &[kind(Class::KernelCopy, 1)]);
        assert_eq!(drain(&mut schedule).len(), 8);
        for work in 0..100 {
            schedule.push(kind(Class::KernelCopy, 2), work);
        }
        assert_eq!(drain(&mut schedule), [kind(Class::KernelCopy, 2)]);
    }

    #[test]
    fn bursts_of_one_file_system_leave_threads_to_those_of_another_and_to_short_jobs() {
        for threads in THREADS {
            let mut schedule = flooded(Shares::of(threads), &[kind(Class::Burst, 1)]);
            assert_eq!(drain(&mut schedule).len(), threads.div_ceil(2));
            schedule.push(kind(Class::Burst, 2), 1000);
            schedule.push(kind(Class::Short, 2), 1001);
            let others = [kind(Class::Short, 2), kind(Class::Burst, 2)];
            assert_eq!(drain(&mut schedule), others, "{threads} threads");
        }
    }

    #[test]
    fn a_count_on_a_dead_file_system_stops_none_on_another() {
        for class in [Class::Long, Class::Recount] {
            let dead = [kind(Class::Recount, 1), kind(Class::Long, 1)];
            let mut schedule = flooded(Shares::of(5), &dead);
            assert_eq!(drain(&mut schedule), [dead[1], dead[0]]);
            schedule.push(kind(class, 2), 1000);
            assert_eq!(drain(&mut schedule), [kind(class, 2)]);
        }
    }

    #[test]
    fn handshakes_hold_at_most_half() {
        for threads in THREADS {
            let mut schedule = flooded(Shares::of(threads), &[HANDSHAKE]);
            assert_eq!(drain(&mut schedule).len(), threads / 2);
        }
    }

    #[test]
    fn handshakes_and_bursts_together_leave_a_thread_to_short_jobs() {
        for threads in THREADS {
            let both = [HANDSHAKE, kind(Class::Burst, 1)];
            let mut schedule = flooded(Shares::of(threads), &both);
            assert_eq!(drain(&mut schedule).len(), threads - 1);
            schedule.push(kind(Class::Short, 1), 1000);
            assert_eq!(drain(&mut schedule), [kind(Class::Short, 1)]);
        }
    }

    #[test]
    fn file_systems_take_turns_and_all_work_is_done_once() {
        let mut schedule = Schedule::new(Shares::of(5));
        for work in 0..10 {
            for device in 1..5 {
                schedule.push(kind(Class::Burst, device), work);
            }
        }
        let first: Vec<_> = drain(&mut schedule).into_iter().map(|t| t.device).collect();
        assert_eq!(first, [Some(1), Some(2), Some(3), Some(4)]);
        let mut done = 4;
        schedule.finished(kind(Class::Burst, 1));
        while let Some((kind, _)) = schedule.next() {
            done += 1;
            schedule.finished(kind);
        }
        assert_eq!(done, 40);
        for device in 2..5 {
            schedule.finished(kind(Class::Burst, device));
        }
        assert!(schedule.queues.is_empty());
        assert_eq!(schedule.running, 0);
    }
}
