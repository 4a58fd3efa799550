//! Waits for one descriptor with poll(2), so that callers can check for Ctrl-C between waits.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Waits until `fd` is ready for `flags`; false after `for_at_most`, or after a signal (EINTR).
pub(crate) fn poll_once(
    fd: BorrowedFd<'_>,
    flags: PollFlags,
    for_at_most: Duration,
) -> io::Result<bool> {
    let timeout = Timespec {
        tv_sec: for_at_most.as_secs() as i64,
        tv_nsec: for_at_most.subsec_nanos().into(),
    };
    match poll(&mut [PollFd::from_borrowed_fd(fd, flags)], Some(&timeout)) {
        Ok(ready) => Ok(ready > 0),
        Err(rustix::io::Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
