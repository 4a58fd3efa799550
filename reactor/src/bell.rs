//! What threads without work sleep at.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::{Condvar, Mutex};

/// Wakes one sleeping thread for each ring, the one that fell asleep last: what it needs is still
/// near its processor, and so is its place beside a peer that it served a moment ago. A channel
/// that is waited on wakes them by turns, and yields the processor a dozen times before it sleeps.
#[derive(Default)]
pub(crate) struct Bell(Mutex<Rings>);

#[derive(Default)]
struct Rings {
    /// That nobody was asleep for.
    unheard: usize,
    sleepers: Vec<Arc<Sleeper>>,
}

#[derive(Default)]
pub(crate) struct Sleeper {
    called: AtomicBool,
    rung: Condvar,
}

impl Bell {
    pub(crate) fn ring(&self) {
        let mut rings = self.0.lock();
        match rings.sleepers.pop() {
            Some(sleeper) => {
                sleeper.called.store(true, Ordering::Relaxed);
                sleeper.rung.notify_one();
            }
            None => rings.unheard += 1,
        }
    }

    /// Until the ring that is for this thread.
    pub(crate) fn wait(&self, sleeper: &Arc<Sleeper>) {
        let mut rings = self.0.lock();
        if rings.unheard > 0 {
            rings.unheard -= 1;
            return;
        }
        rings.sleepers.push(Arc::clone(sleeper));
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
    fn the_last_to_fall_asleep_is_woken_first() {
        let bell = Arc::new(Bell::default());
        let (woken, order) = channel();
        let threads = ["first", "second", "third"].map(|name| {
            let (own, woken) = (Arc::clone(&bell), woken.clone());
            let asleep = bell.0.lock().sleepers.len() + 1;
            let thread = thread::spawn(move || {
                own.wait(&Arc::default());
                woken.send(name).unwrap();
            });
            while bell.0.lock().sleepers.len() < asleep {
                thread::yield_now();
            }
            thread
        });
        for name in ["third", "second", "first"] {
            bell.ring();
            assert_eq!(order.recv().unwrap(), name);
        }
        for thread in threads {
            thread.join().unwrap();
        }
    }

    #[test]
    fn a_ring_that_nobody_slept_for_is_not_lost() {
        let (bell, sleeper) = (Bell::default(), Arc::default());
        bell.ring();
        bell.ring();
        bell.wait(&sleeper);
        bell.wait(&sleeper);
        assert_eq!(bell.0.lock().unheard, 0);
    }
}
