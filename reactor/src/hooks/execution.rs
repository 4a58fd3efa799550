//! One run of a hook's program.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Seek, Write};
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::fs::{MemfdFlags, memfd_create};

use super::event::{Attempt, Event};
use crate::programs::child::{Complaint, Ended, command, end, wait_for};

/// Runs the program for the event; the error says what went wrong.
pub(super) fn execute(
    words: &[OsString],
    deadline: Duration,
    event: &Event,
    attempt: &Attempt,
) -> Result<(), String> {
    let ended = run(words, deadline, event, attempt);
    ended.unwrap_or_else(|error| Err(format!("it cannot be run: {error}")))
}

fn run(
    words: &[OsString],
    deadline: Duration,
    event: &Event,
    attempt: &Attempt,
) -> io::Result<Result<(), String>> {
    let until = Instant::now() + deadline;
    let mut child = command(words)?
        .envs(event.environment(attempt))
        .stdin(Stdio::from(input(&event.line(attempt))?))
        .stdout(Stdio::null())
        .spawn()?;
    let mut complaint = Complaint::of(child.stderr.take());
    let ended = wait_for(&child, &mut complaint, until);
    let status = end(&mut child)?;
    let complaint = complaint.told();
    Ok(match ended? {
        Ended::Yes if status.success() => Ok(()),
        Ended::Yes => Err(format!("it ended with {status}{complaint}")),
        Ended::No => Err(format!("it took longer than {deadline:?}{complaint}")),
    })
}

/// A file that holds the text: a pipe would hold the runner up where nobody reads it.
fn input(text: &str) -> io::Result<File> {
    let mut file = File::from(memfd_create("event", MemfdFlags::CLOEXEC)?);
    file.write_all(text.as_bytes())?;
    file.rewind()?;
    Ok(file)
}
