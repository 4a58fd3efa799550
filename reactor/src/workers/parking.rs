//! What threads without work sleep at.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::{Condvar, Mutex};

/// Wakes one sleeping thread for each ring. A channel that is waited on yields the processor a dozen
/// times before it sleeps, and whoever is about to send waits for it.
pub(crate) struct Bell {
    order: Order,
    rings: Mutex<Rings>,
}

/// Whom a ring wakes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Order {
    /// Who has slept longest. Threads that compute without end are spread over the processors by it.
    Turns,
    /// Who fell asleep last: what it needs is still near its processor, which is another than the
    /// peer's that it served a moment ago.
    LastFirst,
}

#[derive(Default)]
struct Rings {
    /// That nobody was asleep for.
    unheard: usize,
    sleepers: VecDeque<Arc<Sleeper>>,
}

#[derive(Default)]
pub(crate) struct Sleeper {
    called: AtomicBool,
    rung: Condvar,
}

impl Bell {
    pub(crate) fn new(order: Order) -> Self {
        let rings = Mutex::default();
        Self { order, rings }
    }

    pub(crate) fn ring(&self) {
        let mut rings = self.rings.lock();
        let sleeper = match self.order {
            Order::Turns => rings.sleepers.pop_front(),
            Order::LastFirst => rings.sleepers.pop_back(),
        };
        match sleeper {
            Some(sleeper) => {
                sleeper.called.store(true, Ordering::Relaxed);
                sleeper.rung.notify_one();
            }
            None => rings.unheard += 1,
        }
    }

    /// Until the ring that is for this thread.
    pub(crate) fn wait(&self, sleeper: &Arc<Sleeper>) {
        let mut rings = self.rings.lock();
        if rings.unheard > 0 {
            rings.unheard -= 1;
            return;
        }
        rings.sleepers.push_back(Arc::clone(sleeper));
        while !sleeper.called.swap(false, Ordering::Relaxed) {
            sleeper.rung.wait(&mut rings);
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
        wakes(Order::Turns, ["first", "second", "third"]);
    }

    #[test]
    fn or_the_last() {
        wakes(Order::LastFirst, ["third", "second", "first"]);
    }

    fn wakes(by: Order, expected: [&str; 3]) {
        let bell = Arc::new(Bell::new(by));
        let (woken, order) = channel();
        let threads = ["first", "second", "third"].map(|name| {
            let (own, woken) = (Arc::clone(&bell), woken.clone());
            let asleep = bell.rings.lock().sleepers.len() + 1;
            let thread = thread::spawn(move || {
                own.wait(&Arc::default());
                woken.send(name).unwrap();
            });
            while bell.rings.lock().sleepers.len() < asleep {
                thread::yield_now();
            }
            thread
        });
        for name in expected {
            bell.ring();
            assert_eq!(order.recv().unwrap(), name);
        }
        for thread in threads {
            thread.join().unwrap();
        }
    }

    #[test]
    fn a_ring_that_nobody_slept_for_is_not_lost() {
        let (bell, sleeper) = (Bell::new(Order::Turns), Arc::default());
        bell.ring();
        bell.ring();
        bell.wait(&sleeper);
        bell.wait(&sleeper);
        assert_eq!(bell.rings.lock().unheard, 0);
    }
}
