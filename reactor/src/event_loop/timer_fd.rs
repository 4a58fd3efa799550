//! The loop's timer, a timerfd (timerfd_create(2)). The kernel sets up and tears down a timeout
//! that is passed to each poll; this timer stays as it is until something is due sooner, and fires
//! too early where a deadline has been postponed.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

pub(crate) struct TimerFd {
    timer: OwnedFd,
    set: Armed,
}

/// When the timer fires; a time that has passed counts as none.
#[derive(Default)]
struct Armed(Option<Instant>);

impl Armed {
    /// True if the timer fires at `due` or before without being set again.
    fn covers(&self, due: Instant, now: Instant) -> bool {
        self.0.is_some_and(|set| now < set && set <= due)
    }
}

impl TimerFd {
    pub(crate) fn register(registry: &Registry, token: Token) -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        registry.register(&mut SourceFd(&timer.as_raw_fd()), token, Interest::READABLE)?;
        Ok(Self {
            timer,
            set: Armed::default(),
        })
    }

    /// Makes a poll end at `due` or before. Returns the timeout that the poll needs for that,
    /// `None` for none.
    pub(crate) fn wake_by(&mut self, due: Instant, now: Instant) -> Option<Duration> {
        let rest = due.saturating_duration_since(now);
        if rest.is_zero() {
            return Some(rest);
        }
        if self.set.covers(due, now) {
            return None;
        }
        match self.set_to(rest) {
            Ok(()) => {
                self.set = Armed(Some(due));
                None
            }
            Err(error) => {
                log::error!("the timer cannot be set: {error}");
                Some(rest)
            }
        }
    }

    fn set_to(&self, rest: Duration) -> io::Result<()> {
        let once = Itimerspec {
            it_interval: Timespec::default(),
            it_value: rest.try_into().map_err(io::Error::other)?,
        };
        timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &once)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mio::{Events, Poll};

    #[test]
    fn what_is_due_later_needs_no_new_setting() {
        let now = Instant::now();
        let second = Duration::from_secs(1);
        let set = Armed(Some(now + 2 * second));
        assert!(set.covers(now + 2 * second, now));
        assert!(set.covers(now + 3 * second, now));
        assert!(!set.covers(now + second, now));
        // It has rung.
        assert!(!set.covers(now + 3 * second, now + 2 * second));
        assert!(!Armed(None).covers(now, now));
    }

    #[test]
    fn a_poll_without_a_timeout_ends_when_it_rings() {
        let mut poll = Poll::new().unwrap();
        let mut timer = TimerFd::register(poll.registry(), Token(7)).unwrap();
        let mut events = Events::with_capacity(4);
        for _ in 0..2 {
            let now = Instant::now();
            let due = now + Duration::from_millis(5);
            assert_eq!(timer.wake_by(now + Duration::from_secs(3600), now), None);
            assert_eq!(timer.wake_by(due, now), None);
            assert_eq!(timer.wake_by(due + Duration::from_secs(1), now), None);
            poll.poll(&mut events, None).unwrap();
            assert!(events.iter().any(|event| event.token() == Token(7)));
            assert!(Instant::now() >= due);
            assert_eq!(timer.wake_by(due, Instant::now()), Some(Duration::ZERO));
        }
    }
}
