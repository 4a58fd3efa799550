//! The operator's end of the control socket: sends a command to the running daemon.

use std::io::{self, BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::Path;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::sockopt::socket_peercred;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::answer::Line;
use super::command::Command;
use super::socket_path;

/// Why a command was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ControlError {
    #[error("no daemon runs with this configuration")]
    NotRunning,
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Refused(String),
    #[error("the daemon has not finished the command: it has ended, or too many are under way")]
    Cut,
}

/// Has the daemon whose state folder is `state` do `command`; calls `on_line` with each line of its
/// answer but the last. Returns the daemon's process.
pub(crate) fn ask(
    state: &Path,
    command: &Command,
    mut on_line: impl FnMut(Line) -> io::Result<()>,
) -> Result<Pid, ControlError> {
    let mut daemon = connect(state)?;
    let process = socket_peercred(&daemon).map_err(io::Error::from)?.pid;
    let text = serde_json::to_string(command).map_err(io::Error::other)?;
    // One that refuses the connection says why, and may have closed it.
    let sent = writeln!(daemon, "{text}");
    for line in BufReader::new(daemon).lines() {
        match Line::parse(&line?) {
            Some(Line::Done) => return Ok(process),
            Some(line) => on_line(line)?,
            None => {}
        }
    }
    sent?;
    Err(ControlError::Cut)
}

/// Connects to the daemon whose state folder is `state`.
pub(super) fn connect(state: &Path) -> Result<UnixStream, ControlError> {
    use io::ErrorKind::{ConnectionRefused, NotFound};
    match UnixStream::connect(socket_path(state)) {
        Err(error) if matches!(error.kind(), ConnectionRefused | NotFound) => {
            Err(ControlError::NotRunning)
        }
        other => Ok(other?),
    }
}

/// Waits for the end of the daemon's process.
pub(crate) fn wait_end(process: Pid) -> io::Result<()> {
    let process = match pidfd_open(process, PidfdFlags::empty()) {
        Err(rustix::io::Errno::SRCH) => return Ok(()),
        other => other?,
    };
    loop {
        match poll(&mut [PollFd::new(&process, PollFlags::IN)], None) {
            Err(rustix::io::Errno::INTR) => {}
            other => return Ok(other.map(drop)?),
        }
    }
}

/// What the daemon whose state folder is `state` listens on; `None` where none answers.
pub(crate) fn addresses(state: &Path) -> Option<Vec<SocketAddr>> {
    let mut addresses = Vec::new();
    let asked = ask(state, &Command::Addresses {}, |line| {
        if let Line::Listening { address } = line {
            addresses.push(address);
        }
        Ok(())
    });
    asked.is_ok().then_some(addresses)
}
