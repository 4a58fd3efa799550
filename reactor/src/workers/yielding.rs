//! Yields the processor to the reactor thread between two portions of a worker's computation.

use std::sync::Arc;

use mio::Registry;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

const AT_ONCE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 0,
};

/// Knows whether events wait for the reactor. A thread that has been woken may stand behind a busy
/// one for a whole time slice of the scheduler, which is milliseconds: without yielding, small
/// commands would wait that long for the bulk data of others.
#[derive(Clone)]
pub(crate) struct Yielding(Arc<Registry>);

impl Yielding {
    /// For workers of the reactor that polls `registry`.
    pub(crate) fn to(registry: Registry) -> Self {
        Self(Arc::new(registry))
    }

    /// Called between two portions of bulk data. Gives the rest of the time slice away only if the
    /// reactor has events that it has not taken yet.
    pub(crate) fn yield_to_reactor(&self) {
        if self.is_reactor_due() {
            std::thread::yield_now();
        }
    }

    /// An epoll descriptor is readable while it has events (epoll(7)).
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
