//! A pool without threads, for the simulation: its work runs item by item, when and in the order
//! that its owner wants.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize};

use crossbeam_channel::{Receiver, Sender, unbounded};
use skiff_vfs::Worker;

use super::{Buffers, Load, Pool, ThreadGroup, Work};
use crate::workers::parking::UnparkOrder;
use crate::workers::schedule::{Shares, WorkKind};
use crate::workers::yielding::Yielding;

/// Threads of each group, as on a machine with two processors.
const THREADS: [usize; 2] = [5, 9];

/// The work that threads would be running.
pub(crate) struct Steps<W: Work> {
    groups: [Receiver<(WorkKind, W)>; 2],
    running: Vec<(WorkKind, W)>,
    /// Other work waits always, so that no burst lingers for a peer, who does nothing meanwhile.
    load: Load,
    outcomes: Sender<(WorkKind, W::Outcome)>,
    buffers: Buffers,
    yielding: Yielding,
}

impl<W: Work> Pool<W> {
    pub(crate) fn stepped(yielding: &Yielding) -> (Self, Steps<W>) {
        let (sender, outcomes) = unbounded();
        let order = UnparkOrder::LongestParked;
        let (workers, work) = ThreadGroup::without_threads(Shares::of(THREADS[0]), order);
        let (copiers, copies) = ThreadGroup::without_threads(Shares::of_copiers(THREADS[1]), order);
        let (askers, _) = ThreadGroup::without_threads(Shares::of_askers(0), order);
        let steps = Steps {
            groups: [work, copies],
            load: Load {
                waiting: AtomicUsize::new(1),
                running: AtomicUsize::new(2),
            },
            running: Vec::new(),
            outcomes: sender,
            buffers: Buffers::new(),
            yielding: yielding.clone(),
        };
        let pool = Self {
            workers,
            copiers,
            askers,
            look_at: None,
            outcomes,
            wake_pending: Arc::new(AtomicBool::new(false)),
        };
        (pool, steps)
    }
}

impl<W: Work> Steps<W> {
    /// How many items have a thread now.
    pub(crate) fn running(&mut self) -> usize {
        for work in &self.groups {
            self.running.extend(work.try_iter());
        }
        self.running.len()
    }

    /// Runs one of them to its end; gives its outcome to the pool, unless `deliver` is false.
    pub(crate) fn run(&mut self, index: usize, worker: &Worker, deliver: impl FnOnce() -> bool) {
        let (kind, item) = self.running.remove(index);
        let outcome = self.buffers.run(worker, item, &self.yielding, &self.load);
        if deliver() {
            let _ = self.outcomes.send((kind, outcome));
        }
    }
}
