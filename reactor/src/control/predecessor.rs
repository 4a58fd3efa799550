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
                // What only a later version hands over is closed, and not taken for the next one's.
                None if is_handed(&line) => drop(self.lines.take_descriptor()),
                None => {}
            }
        }
        sent?;
        Err(ControlError::Cut)
    }
}

/// Whether a descriptor comes with a line, which may be another version's.
fn is_handed(line: &str) -> bool {
    let line: Result<serde_json::Value, _> = serde_json::from_str(line);
    line.is_ok_and(|line| line["is"] == "handed")
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

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::os::unix::net::UnixStream;

    use rustix::process::{getpid, getuid};

    use super::super::descriptors;
    use super::*;

    #[test]
    fn what_another_version_hands_over_is_passed_over_with_its_descriptor() {
        let (own, daemon) = UnixStream::pair().unwrap();
        let mut predecessor = Predecessor {
            lines: Lines::of(own),
            user: getuid(),
            process: Process {
                number: getpid(),
                pidfd: pidfd_open(getpid(), PidfdFlags::empty()).unwrap(),
            },
        };
        let [news, control] = [(); 2].map(|()| tempfile::tempfile().unwrap());
        let node = |file: BorrowedFd<'_>| rustix::fs::fstat(file).unwrap().st_ino;
        let wanted = node(control.as_fd());
        let answering = std::thread::spawn(move || {
            let mut asked = String::new();
            BufReader::new(&daemon).read_line(&mut asked).unwrap();
            assert_eq!(asked, "{\"do\":\"hand-over\"}\n");
            for (line, file) in [
                ("{\"is\":\"handed\",\"what\":\"news\"}\n", &news),
                ("{\"is\":\"handed\",\"what\":\"control\"}\n", &control),
            ] {
                descriptors::send(&daemon, line.as_bytes(), file.as_fd()).unwrap();
            }
            (&daemon).write_all(b"{\"is\":\"done\"}\n").unwrap();
        });
        let handed = predecessor.hand_over().unwrap();
        answering.join().unwrap();
        let [(what, descriptor)] = &handed[..] else {
            panic!("{handed:?}");
        };
        assert_eq!((what, node(descriptor.as_fd())), (&Handed::Control, wanted));
        assert!(predecessor.lines.take_descriptor().is_none());
    }
}
