//! The end of the control socket of a process that is to replace the daemon (`skiffd upgrade`).

use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt::socket_peercred;
use rustix::process::{Pid, PidfdFlags, Uid, pidfd_open};

use super::answer::{Handed, Line};
use super::client::{ControlError, connect};
use super::command::Command;
use super::descriptors::Lines;

/// How long after its connection has ended a process is expected to end.
const END: Timespec = Timespec {
    tv_sec: 1,
    tv_nsec: 0,
};

/// The daemon that is to be replaced.
pub(crate) struct Predecessor {
    lines: Lines,
    pub(crate) user: Uid,
    process: Process,
}

/// A process, whose end can be waited for.
pub(crate) struct Process {
    pub(crate) number: Pid,
    pidfd: OwnedFd,
}

impl Predecessor {
    /// Finds the daemon whose state folder is `state`.
    pub(crate) fn find(state: &Path) -> Result<Self, ControlError> {
        let stream = connect(state)?;
        let daemon = socket_peercred(&stream).map_err(io::Error::from)?;
        let pidfd = pidfd_open(daemon.pid, PidfdFlags::empty()).map_err(io::Error::from)?;
        Ok(Self {
            lines: Lines::of(stream),
            user: daemon.uid,
            process: Process {
                number: daemon.pid,
                pidfd,
            },
        })
    }

    /// Its process.
    pub(crate) fn process(&self) -> io::Result<Process> {
        Ok(Process {
            number: self.process.number,
            pidfd: self.process.pidfd.try_clone()?,
        })
    }

    /// Receives what it hands over; it goes on as before.
    pub(crate) fn hand_over(&mut self) -> Result<Vec<(Handed, OwnedFd)>, ControlError> {
        let mut received = Vec::new();
        self.ask(&Command::HandOver {}, |line, lines| {
            if let Line::Handed(what) = line
                && let Some(descriptor) = lines.take_descriptor()
            {
                received.push((what, descriptor));
            }
        })?;
        Ok(received)
    }

    /// Has it leave new sessions to this process. Returns what it says of its own, or `None` where it
    /// has ended.
    pub(crate) fn give_way(
        &mut self,
        seconds: Option<u32>,
    ) -> Result<Option<String>, ControlError> {
        let process = std::process::id();
        let mut said = None;
        let asked = self.ask(&Command::GiveWay { process, seconds }, |line, _| {
            if let Line::Said { text } = line {
                said = Some(text);
            }
        });
        match asked {
            Ok(()) => Ok(Some(said.unwrap_or_default())),
            Err(refused @ ControlError::Refused(_)) => Err(refused),
            Err(_) if self.process.ends_soon() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Passes each line of the answer on.
    fn ask(
        &mut self,
        command: &Command,
        mut on_line: impl FnMut(Line, &mut Lines),
    ) -> Result<(), ControlError> {
        let text = serde_json::to_string(command).map_err(io::Error::other)?;
        // One that refuses the connection says why, and may have closed it.
        let sent = writeln!(self.lines.stream(), "{text}");
        while let Some(line) = self.lines.next()? {
            let line = String::from_utf8_lossy(&line);
            match Line::parse(&line) {
                Some(Line::Done) => return Ok(()),
                Some(Line::Failed { why }) => return Err(ControlError::Refused(why)),
                Some(line) => on_line(line, &mut self.lines),
                None => {}
            }
        }
        sent?;
        Err(ControlError::Cut)
    }
}

impl Process {
    fn ends_soon(&self) -> bool {
        let mut ends = [PollFd::new(&self.pidfd, PollFlags::IN)];
        matches!(poll(&mut ends, Some(&END)), Ok(1..))
    }
}

impl AsFd for Process {
    /// Readable once the process has ended (pidfd_open(2)).
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}
