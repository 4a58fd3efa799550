//! Parks idle worker threads and unparks one for each work item, the longest parked or the last
//! parked first.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::{Condvar, Mutex};

/// Parks threads, and unparks one for each item of work. (A thread that waits in crossbeam's `recv`
/// yields the processor a dozen times before it sleeps, and the sender waits for it meanwhile.)
pub(crate) struct Parker {
    order: UnparkOrder,
    parked: Mutex<Parked>,
}

/// Which thread is unparked first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum UnparkOrder {
    /// The thread parked longest, so that threads that compute are spread over the processors.
    LongestParked,
    /// The thread parked last: its data is still in its processor's cache, and that is not the
    /// processor of the peer it has just served.
    LastParked,
}

#[derive(Default)]
struct Parked {
    /// Unparks that found no thread parked.
    pending: usize,
    threads: VecDeque<Arc<ParkedThread>>,
}

#[derive(Default)]
pub(crate) struct ParkedThread {
    is_unparked: AtomicBool,
    condvar: Condvar,
}

impl Parker {
    pub(crate) fn new(order: UnparkOrder) -> Self {
        let parked = Mutex::default();
        Self { order, parked }
    }

    pub(crate) fn unpark_one(&self) {
        let mut parked = self.parked.lock();
        let thread = match self.order {
            UnparkOrder::LongestParked => parked.threads.pop_front(),
            UnparkOrder::LastParked => parked.threads.pop_back(),
        };
        match thread {
            Some(thread) => {
                thread.is_unparked.store(true, Ordering::Relaxed);
                thread.condvar.notify_one();
            }
            None => parked.pending += 1,
        }
    }

    /// Returns once an unpark is for this thread.
    pub(crate) fn park(&self, thread: &Arc<ParkedThread>) {
        let mut parked = self.parked.lock();
        if parked.pending > 0 {
            parked.pending -= 1;
            return;
        }
        parked.threads.push_back(Arc::clone(thread));
        while !thread.is_unparked.swap(false, Ordering::Relaxed) {
            thread.condvar.wait(&mut parked);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::thread;

    use super::*;

    #[test]
    fn by_turns_the_first_to_fall_asleep_is_woken_first() {
        wakes(UnparkOrder::LongestParked, ["first", "second", "third"]);
    }

    #[test]
    fn or_the_last() {
        wakes(UnparkOrder::LastParked, ["third", "second", "first"]);
    }

    fn wakes(by: UnparkOrder, expected: [&str; 3]) {
        let parker = Arc::new(Parker::new(by));
        let (woken, order) = channel();
        let threads = ["first", "second", "third"].map(|name| {
            let (own, woken) = (Arc::clone(&parker), woken.clone());
            let asleep = parker.parked.lock().threads.len() + 1;
            let thread = thread::spawn(move || {
                own.park(&Arc::default());
                woken.send(name).unwrap();
            });
            while parker.parked.lock().threads.len() < asleep {
                thread::yield_now();
            }
            thread
        });
        for name in expected {
            parker.unpark_one();
            assert_eq!(order.recv().unwrap(), name);
        }
        for thread in threads {
            thread.join().unwrap();
        }
    }

    #[test]
    fn a_ring_that_nobody_slept_for_is_not_lost() {
        let (parker, thread) = (Parker::new(UnparkOrder::LongestParked), Arc::default());
        parker.unpark_one();
        parker.unpark_one();
        parker.park(&thread);
        parker.park(&thread);
        assert_eq!(parker.parked.lock().pending, 0);
    }
}
