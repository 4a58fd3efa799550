//! Counts the presses of Ctrl-C (SIGINT) during a command.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use signal_hook::SigId;
use signal_hook::consts::SIGINT;

use super::pager::{self, PagerState};
use super::poll::POLL_INTERVAL;

/// The flag of bursts that no press stops.
static NEVER: AtomicBool = AtomicBool::new(false);

/// The presses of Ctrl-C since the command began; clones share them.
///
/// A press stays until the next command begins: whoever notices it first does not hide it from the
/// loops around him.
#[derive(Clone, Default)]
pub(crate) struct Interrupt(Arc<Presses>);

#[derive(Default)]
struct Presses {
    /// A press that nobody has noticed yet; SIGINT raises it.
    raised: Arc<AtomicBool>,
    /// The presses that were noticed since the command began.
    noticed: AtomicUsize,
    source: Source,
}

/// Who presses.
#[derive(Default)]
enum Source {
    /// Ctrl-C at the terminal.
    #[default]
    Signal,
    /// Whoever calls [`Interrupt::press`], for these others too.
    Caller(Mutex<Vec<Weak<AtomicBool>>>),
}

/// The presses for a session beside another, which takes note of each press by itself; dropping it
/// ends that.
pub(crate) struct OtherInterrupt {
    interrupt: Interrupt,
    registered: Option<SigId>,
}

impl OtherInterrupt {
    /// Makes the presses of `first` count here too, those that it knows of already included.
    pub(crate) fn beside(first: &Interrupt) -> io::Result<Self> {
        let interrupt = Interrupt::default();
        let flag = Arc::clone(&interrupt.0.raised);
        let registered = match &first.0.source {
            Source::Signal => Some(signal_hook::flag::register(SIGINT, flag)?),
            Source::Caller(others) => {
                lock(others).push(Arc::downgrade(&flag));
                None
            }
        };
        if first.is_stopped() {
            interrupt.0.raised.store(true, Ordering::Relaxed);
        }
        Ok(Self {
            interrupt,
            registered,
        })
    }

    pub(crate) fn share(&self) -> Interrupt {
        self.interrupt.clone()
    }
}

impl Drop for OtherInterrupt {
    fn drop(&mut self) {
        if let Some(registered) = self.registered {
            signal_hook::low_level::unregister(registered);
        }
    }
}

/// Which press of Ctrl-C during one command it was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Press {
    /// The command is to stop.
    First,
    /// The user does not want to wait until it has stopped.
    Again,
}

fn lock(others: &Mutex<Vec<Weak<AtomicBool>>>) -> MutexGuard<'_, Vec<Weak<AtomicBool>>> {
    others.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Interrupt {
    /// One that counts calls of [`Interrupt::press`].
    pub(crate) fn of_caller() -> Self {
        Self(Arc::new(Presses {
            source: Source::Caller(Mutex::default()),
            ..Presses::default()
        }))
    }

    /// Does what Ctrl-C does.
    pub(crate) fn press(&self) {
        self.0.raised.store(true, Ordering::Relaxed);
        if let Source::Caller(others) = &self.0.source {
            let mut others = lock(others);
            others.retain(|other| other.strong_count() > 0);
            let living = others.iter().filter_map(Weak::upgrade);
            living.for_each(|other| other.store(true, Ordering::Relaxed));
        }
    }

    /// Makes SIGINT count from now on instead of ending the program.
    pub(crate) fn register(&self) -> io::Result<()> {
        signal_hook::flag::register(SIGINT, Arc::clone(&self.0.raised)).map(|_| ())
    }

    /// Forgets all presses: they were meant for the command before.
    pub(crate) fn begin_command(&self) {
        self.0.raised.store(false, Ordering::Relaxed);
        self.0.noticed.store(0, Ordering::Relaxed);
    }

    /// Notices a press; `None` where there is none that was not noticed before.
    pub(crate) fn take_press(&self) -> Option<Press> {
        if !self.is_raised() {
            return None;
        }
        self.0.raised.store(false, Ordering::Relaxed);
        match self.0.noticed.fetch_add(1, Ordering::Relaxed) {
            0 => Some(Press::First),
            _ => Some(Press::Again),
        }
    }

    /// What the pager makes of Ctrl-C at the terminal.
    fn pager(&self) -> PagerState {
        match self.0.source {
            Source::Signal => pager::state(),
            Source::Caller(_) => PagerState::Absent,
        }
    }

    /// True where a press was not noticed yet. One while a pager reads was meant for the pager, and
    /// leaving that is one.
    pub(crate) fn is_raised(&self) -> bool {
        match self.pager() {
            PagerState::Reads => {
                self.0.raised.store(false, Ordering::Relaxed);
                false
            }
            PagerState::Left if self.0.noticed.load(Ordering::Relaxed) == 0 => true,
            PagerState::Left | PagerState::Absent => self.0.raised.load(Ordering::Relaxed),
        }
    }

    /// True where Ctrl-C was pressed since the command began.
    pub(crate) fn is_stopped(&self) -> bool {
        self.is_raised() || self.0.noticed.load(Ordering::Relaxed) > 0
    }

    /// Returns the flag for a transfer burst, which stops at a press that was not noticed yet.
    pub(crate) fn flag(&self) -> &AtomicBool {
        match self.pager() {
            PagerState::Reads => &NEVER,
            PagerState::Left | PagerState::Absent => &self.0.raised,
        }
    }

    /// Runs `work`, which may block for long, on a thread of its own. `None` where Ctrl-C was
    /// pressed first, or the thread failed: the work then ends by itself, unseen.
    pub(crate) fn unless_stopped<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let (done, waited_for) = std::sync::mpsc::sync_channel(1);
        std::thread::spawn(move || {
            // Nobody may be waiting any more.
            let _ = done.send(work());
        });
        loop {
            match waited_for.recv_timeout(POLL_INTERVAL) {
                Ok(result) => return Some(result),
                Err(std::sync::mpsc::RecvTimeoutError::Timeout) if !self.is_stopped() => {}
                Err(_) => return None,
            }
        }
    }

    /// Waits for so long; false where Ctrl-C was pressed by then.
    pub(crate) fn pause(&self, time: Duration) -> bool {
        let end = Instant::now() + time;
        while !self.is_stopped() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            std::thread::sleep(left.min(POLL_INTERVAL));
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_press_is_noticed_once_and_remembered_until_the_next_command() {
        let interrupt = Interrupt::default();
        assert_eq!(interrupt.take_press(), None);
        interrupt.press();
        assert_eq!(interrupt.take_press(), Some(Press::First));
        assert_eq!(interrupt.take_press(), None);
        assert!(interrupt.is_stopped() && !interrupt.is_raised());
        interrupt.press();
        assert_eq!(interrupt.take_press(), Some(Press::Again));
        interrupt.begin_command();
        assert!(!interrupt.is_stopped());
        interrupt.press();
        assert_eq!(interrupt.take_press(), Some(Press::First));
    }

    #[test]
    fn those_beside_hear_of_each_press() {
        let job = Interrupt::of_caller();
        job.press();
        let lane = OtherInterrupt::beside(&job).unwrap().share();
        assert!(lane.is_stopped(), "of one before too");
        job.begin_command();
        let other = OtherInterrupt::beside(&job).unwrap();
        let lane = other.share();
        assert!(!lane.is_stopped());
        job.press();
        assert_eq!(lane.take_press(), Some(Press::First));
        job.press();
        assert_eq!(lane.take_press(), Some(Press::Again));
    }

    #[test]
    fn work_that_blocks_holds_nobody_up() {
        let interrupt = Interrupt::default();
        assert_eq!(interrupt.unless_stopped(|| 7), Some(7));
        let (_keep, never) = std::sync::mpsc::channel::<()>();
        interrupt.press();
        assert_eq!(interrupt.unless_stopped(move || never.recv().is_ok()), None);
    }
}
