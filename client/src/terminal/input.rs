//! Reads standard input where commands or a password are piped in; Ctrl-C ends a wait for more.

use std::io::{self, Read};
use std::os::fd::AsFd;

use rustix::event::PollFlags;

use super::interrupt::Interrupt;
use super::poll::{POLL_INTERVAL, PollEnd, poll_once};

/// Standard input without a buffer, so that several readers can follow one another.
pub(crate) struct StandardInput {
    interrupt: Interrupt,
}

impl StandardInput {
    pub(crate) fn new(interrupt: &Interrupt) -> Self {
        Self {
            interrupt: interrupt.clone(),
        }
    }
}

impl Read for StandardInput {
    /// Returns 0 bytes at the end, and after Ctrl-C.
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let input = io::stdin();
        loop {
            if self.interrupt.is_stopped() {
                return Ok(0);
            }
            if poll_once(input.as_fd(), PollFlags::IN, POLL_INTERVAL)? == PollEnd::Ready {
                return Ok(rustix::io::read(&input, buf)?);
            }
        }
    }
}
