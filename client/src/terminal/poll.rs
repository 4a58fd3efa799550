//! Waits for one descriptor with poll(2), so that callers can check for Ctrl-C between waits.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// The longest wait between two checks for Ctrl-C.
pub(crate) const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// What ended a wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum PollEnd {
    Ready,
    Timeout,
    /// A signal came that has a handler (EINTR).
    Signal,
}

/// Waits until `fd` is ready for `flags`, for a signal, or for the time that is given.
pub(crate) fn poll_once(
    fd: BorrowedFd<'_>,
    flags: PollFlags,
    for_at_most: Duration,
) -> io::Result<PollEnd> {
    let timeout = Timespec {
        tv_sec: for_at_most.as_secs() as i64,
        tv_nsec: for_at_most.subsec_nanos().into(),
    };
    match poll(&mut [PollFd::from_borrowed_fd(fd, flags)], Some(&timeout)) {
        Ok(0) => Ok(PollEnd::Timeout),
        Ok(_) => Ok(PollEnd::Ready),
        Err(rustix::io::Errno::INTR) => Ok(PollEnd::Signal),
        Err(error) => Err(error.into()),
    }
}
