//! Opens the controlling terminal, where a person can be asked though input or output are piped,
//! and reads lines and passwords there.

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Read, Write};
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::PollFlags;
use rustix::process::getpgrp;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetpgrp, tcsetattr};
use zeroize::Zeroizing;

use super::interrupt::Interrupt;
use super::poll::{POLL_INTERVAL, PollEnd, poll_once};

/// The longest line that is read, in bytes; a terminal gives no longer ones (termios(3)).
const LINE_MAX: usize = 4096;

/// A terminal with a person at it.
pub(crate) struct Tty {
    input: File,
    output: File,
}

impl Tty {
    /// Opens the controlling terminal (tty(4)). Where there is none, standard input and output will
    /// do if both are a terminal.
    pub(crate) fn open() -> Option<Self> {
        let mut both = OpenOptions::new();
        if let Ok(output) = both.read(true).write(true).open("/dev/tty")
            && let Ok(input) = output.try_clone()
        {
            return Some(Self { input, output });
        }
        let (input, output) = (io::stdin(), io::stdout());
        if !(input.is_terminal() && output.is_terminal()) {
            return None;
        }
        let copy = |fd: io::Result<OwnedFd>| fd.ok().map(File::from);
        Some(Self {
            input: copy(input.as_fd().try_clone_to_owned())?,
            output: copy(output.as_fd().try_clone_to_owned())?,
        })
    }

    /// Prints `prompt` and reads a line without its end; `None` at the end of input and after
    /// Ctrl-C.
    pub(crate) fn read_line(
        &self,
        prompt: &str,
        interrupt: &Interrupt,
    ) -> Option<Zeroizing<String>> {
        self.print(prompt);
        let line = self.read(interrupt);
        if line.is_none() {
            self.print("\n");
        }
        line
    }

    /// The same for what must not be shown: see [`Tty::hush`]. The line end is not echoed either.
    pub(crate) fn read_secret(
        &self,
        prompt: &str,
        interrupt: &Interrupt,
    ) -> io::Result<Option<Zeroizing<String>>> {
        let _hushed = self.hush()?;
        self.print(prompt);
        let secret = self.read(interrupt);
        self.print("\n");
        Ok(secret)
    }

    /// Turns the echo off until the result is dropped.
    pub(crate) fn hush(&self) -> io::Result<Hushed> {
        let input = self.input.try_clone()?;
        let before = tcgetattr(&input)?;
        let mut quiet = before.clone();
        quiet
            .local_modes
            .remove(LocalModes::ECHO | LocalModes::ECHONL);
        tcsetattr(&input, OptionalActions::Now, &quiet)?;
        Ok(Hushed { input, before })
    }

    /// The same unless this is a job in the background, which would be stopped for it (SIGTTOU).
    pub(crate) fn hush_in_foreground(&self) -> Option<Hushed> {
        let foreground = tcgetpgrp(&self.input).ok()?;
        (foreground == getpgrp())
            .then(|| self.hush().ok())
            .flatten()
    }

    fn print(&self, text: &str) {
        // A terminal that takes no text is asked all the same: the read tells what is wrong.
        let _ = (&self.output).write_all(text.as_bytes());
    }

    fn read(&self, interrupt: &Interrupt) -> Option<Zeroizing<String>> {
        let mut line = Zeroizing::new(Vec::with_capacity(LINE_MAX));
        let mut byte = Zeroizing::new([0]);
        loop {
            // The handler of SIGINT restarts a read (SA_RESTART), so the read begins only when
            // something is there.
            while poll_once(self.input.as_fd(), PollFlags::IN, POLL_INTERVAL).ok()?
                != PollEnd::Ready
            {
                if interrupt.is_stopped() {
                    return None;
                }
            }
            match (&self.input).read(&mut *byte) {
                Ok(1..) if byte[0] == b'\n' => break,
                Ok(1..) if line.len() < LINE_MAX => line.push(byte[0]),
                Ok(1..) => {}
                Ok(0) | Err(_) => return None,
            }
        }
        String::from_utf8(std::mem::take(&mut *line))
            .ok()
            .map(Zeroizing::new)
    }
}

/// A terminal whose echo is off; dropping it restores what was before.
pub(crate) struct Hushed {
    input: File,
    before: Termios,
}

impl Drop for Hushed {
    fn drop(&mut self) {
        // A terminal that has gone needs no echo.
        let _ = tcsetattr(&self.input, OptionalActions::Now, &self.before);
    }
}
