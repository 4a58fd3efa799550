//! One run of a program: what it is started with, what it complains about, and its end.

use std::ffi::OsString;
use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

/// Bytes of what the program complains about that are told.
const COMPLAINT_MAX: usize = 512;

/// Between two looks whether a program has ended that says nothing: at first, and at last.
const LOOK_EVERY: Duration = Duration::from_millis(5);
const LOOK_AT_MOST_EVERY: Duration = Duration::from_millis(100);

/// Bytes that are read at a time.
pub(crate) const PIECE: usize = 16 * 1024;

/// Where programs are found that this one runs; it has no other environment but what it is given.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The command of a program and its arguments, without a shell. Its complaints are to be read.
pub(crate) fn command(words: &[OsString]) -> io::Result<Command> {
    let (path, arguments) = words.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let mut command = Command::new(path);
    command
        .args(arguments)
        .env_clear()
        .env("PATH", PATH)
        .current_dir("/")
        .stderr(Stdio::piped())
        // What it has started ends with it.
        .process_group(0);
    Ok(command)
}

/// Ends the program, and what it has started and left in its group.
pub(crate) fn end(child: &mut Child) -> io::Result<ExitStatus> {
    // Before it is waited for: until then, nobody else has its number.
    let _ = kill_process_group(Pid::from_child(child), Signal::KILL);
    child.wait()
}

pub(crate) fn poll_for(open: &mut [PollFd<'_>], at_most: Duration) -> io::Result<()> {
    match poll(open, Timespec::try_from(at_most).ok().as_ref()) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// What the program says on standard error, of which the first is told.
pub(crate) struct Complaint {
    /// `None` once it is closed.
    pub(crate) pipe: Option<ChildStderr>,
    first: Vec<u8>,
}

impl Complaint {
    pub(crate) fn of(pipe: Option<ChildStderr>) -> Self {
        let first = Vec::new();
        Self { pipe, first }
    }

    /// Reads what is there.
    pub(crate) fn read(&mut self) -> io::Result<()> {
        let Some(pipe) = &mut self.pipe else {
            return Ok(());
        };
        let mut buffer = [0; PIECE];
        let count = pipe.read(&mut buffer)?;
        let room = COMPLAINT_MAX.saturating_sub(self.first.len());
        self.first.extend_from_slice(&buffer[..count.min(room)]);
        if count == 0 {
            self.pipe = None;
        }
        Ok(())
    }

    /// Waits for something to read, and reads it; false where nothing came.
    fn wait(&mut self, at_most: Duration) -> io::Result<bool> {
        let Some(pipe) = &self.pipe else {
            thread::sleep(at_most);
            return Ok(false);
        };
        let mut open = [PollFd::new(pipe, PollFlags::IN)];
        poll_for(&mut open, at_most)?;
        let is_there = !open[0].revents().is_empty();
        if is_there {
            self.read()?;
        }
        Ok(is_there)
    }

    /// Reads what a program that has ended had said, as far as it is told.
    fn finish(&mut self) -> io::Result<()> {
        while self.first.len() < COMPLAINT_MAX && self.wait(Duration::ZERO)? {}
        Ok(())
    }

    /// As it stands behind what went wrong.
    pub(crate) fn told(&self) -> String {
        let first = String::from_utf8_lossy(&self.first);
        match first.trim().replace(char::is_control, " ") {
            nothing if nothing.is_empty() => nothing,
            first => format!(": {first}"),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    Yes,
    No,
}

/// Waits for the end of a program, which stays to be waited for, and reads what it complains about
/// until then.
pub(crate) fn wait_for(
    child: &Child,
    complaint: &mut Complaint,
    until: Instant,
) -> io::Result<Ended> {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
    let mut look_every = LOOK_EVERY;
    loop {
        match waitid(WaitId::Pid(Pid::from_child(child)), options) {
            Ok(None) | Err(Errno::INTR) => {}
            Ok(Some(_)) => {
                complaint.finish()?;
                return Ok(Ended::Yes);
            }
            Err(_) => return Ok(Ended::No),
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(Ended::No);
        }
        if !complaint.wait(left.min(look_every))? {
            look_every = LOOK_AT_MOST_EVERY.min(look_every * 2);
        }
    }
}
