//! Room for the reactor: a worker that computes on and on lets it go first.

use std::sync::Arc;

use mio::Registry;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

const AT_ONCE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 0,
};

/// Knows whether something waits for the reactor. A thread that has been woken
/// may stand behind a busy one for a whole slice of the scheduler's, which is
/// milliseconds where no one is preempted between its ticks: small commands
/// would wait that long for somebody else's bulk data.
#[derive(Clone)]
pub(crate) struct Yielding(Arc<Registry>);

impl Yielding {
    /// To the reactor that waits on this.
    pub(crate) fn to(registry: Registry) -> Self {
        Self(Arc::new(registry))
    }

    /// Between two portions of bulk data. The rest of the slice is given away
    /// only where events wait that the reactor has not seen yet.
    pub(crate) fn yield_to_reactor(&self) {
        if self.is_reactor_due() {
            std::thread::yield_now();
        }
    }

    /// Its own descriptor is readable while it has events (epoll(7)).
    fn is_reactor_due(&self) -> bool {
        let mut fds = [PollFd::new(&*self.0, PollFlags::IN)];
        poll(&mut fds, Some(&AT_ONCE)).is_ok_and(|ready| ready > 0)
    }
}

#[cfg(test)]
mod tests {
    use mio::{Events, Poll, Token, Waker};

    use super::*;

    #[test]
    fn the_reactor_is_wanted_until_it_has_looked() {
        let mut reactor = Poll::new().unwrap();
        let yielding = Yielding::to(reactor.registry().try_clone().unwrap());
        let waker = Waker::new(reactor.registry(), Token(0)).unwrap();
        assert!(!yielding.is_reactor_due());
        waker.wake().unwrap();
        assert!(yielding.is_reactor_due());
        reactor.poll(&mut Events::with_capacity(1), None).unwrap();
        assert!(!yielding.is_reactor_due());
    }
}
