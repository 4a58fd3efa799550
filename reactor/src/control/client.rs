//! The operator's end of the control socket: sends a command to the running daemon.

use std::io::{self, BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::Path;

use super::command::{Command, Line};
use super::socket_path;

/// Why a command was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ControlError {
    #[error("no daemon runs with this configuration")]
    NotRunning,
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("the daemon has not finished the command: it has ended, or too many are under way")]
    Cut,
}

/// Has the daemon whose state folder is `state` do `command`; calls `on_line` with each line of its
/// answer but the last.
pub(crate) fn ask(
    state: &Path,
    command: &Command,
    mut on_line: impl FnMut(Line) -> io::Result<()>,
) -> Result<(), ControlError> {
    use io::ErrorKind::{ConnectionRefused, NotFound};
    let mut daemon = match UnixStream::connect(socket_path(state)) {
        Err(error) if matches!(error.kind(), ConnectionRefused | NotFound) => {
            return Err(ControlError::NotRunning);
        }
        other => other?,
    };
    writeln!(daemon, "{command}")?;
    for line in BufReader::new(daemon).lines() {
        match Line::parse(&line?) {
            Some(Line::Done) => return Ok(()),
            Some(line) => on_line(line)?,
            None => {}
        }
    }
    Err(ControlError::Cut)
}

/// What the daemon whose state folder is `state` listens on; `None` where none answers.
pub(crate) fn addresses(state: &Path) -> Option<Vec<SocketAddr>> {
    let mut addresses = Vec::new();
    let asked = ask(state, &Command::Addresses, |line| {
        if let Line::Say(text) = line {
            addresses.extend(text.parse::<SocketAddr>().ok());
        }
        Ok(())
    });
    asked.is_ok().then_some(addresses)
}
