//! Runs the pager. While it is there Ctrl-C is its own, as with git(1) and man(1); once the user has
//! left it, nobody wants more of what would go through it.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::redirect::has_no_reader;

/// Whether a pager runs: there is one for the whole process, as there is one terminal.
static RUNS: AtomicBool = AtomicBool::new(false);

/// An end of the pipe to it, until all that it gets was written.
static PIPE: Mutex<Option<OwnedFd>> = Mutex::new(None);

/// Whether one has ended since that was asked.
static HAS_ENDED: AtomicBool = AtomicBool::new(false);

/// What the pager is doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum PagerState {
    Absent,
    Reads,
    /// The user has left it, and not all was written.
    Left,
}

/// A pager that runs.
pub(crate) struct Pager {
    child: Child,
    line: String,
}

impl Pager {
    /// Starts PAGER, else less(1) or more(1), whichever is there, and returns what it reads; `None`
    /// where there is none.
    pub(crate) fn start() -> Option<(Self, File)> {
        let line = pager()?;
        let mut child = shell_command(&in_place_of_shell(&line)).spawn().ok()?;
        let input = child.stdin.take().map(OwnedFd::from)?;
        *pipe() = input.try_clone().ok();
        RUNS.store(true, Ordering::Relaxed);
        Some((Self { child, line }, File::from(input)))
    }

    /// The line that the shell was given.
    pub(crate) fn line(&self) -> &str {
        &self.line
    }

    /// Waits until the user has left it; no end of the pipe to it may be open any more.
    pub(crate) fn wait(mut self) -> io::Result<ExitStatus> {
        pipe().take();
        self.child.wait()
    }
}

impl Drop for Pager {
    fn drop(&mut self) {
        pipe().take();
        RUNS.store(false, Ordering::Relaxed);
        HAS_ENDED.store(true, Ordering::Relaxed);
    }
}

/// Returns what the pager is doing. That it was left is told by its pipe, unasked (POLLERR,
/// poll(2)).
pub(crate) fn state() -> PagerState {
    if !RUNS.load(Ordering::Relaxed) {
        return PagerState::Absent;
    }
    match &*pipe() {
        Some(pipe) if has_no_reader(pipe.as_fd()) => PagerState::Left,
        _ => PagerState::Reads,
    }
}

/// True once after a pager has ended.
pub(crate) fn take_ended() -> bool {
    HAS_ENDED.swap(false, Ordering::Relaxed)
}

fn pipe() -> MutexGuard<'static, Option<OwnedFd>> {
    PIPE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn pager() -> Option<String> {
    let named = std::env::var("PAGER").ok();
    let usual = || ["less", "more"].into_iter().find(|name| is_there(name));
    named
        .filter(|pager| !pager.trim().is_empty())
        .or_else(|| usual().map(str::to_owned))
}

fn is_there(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| Path::new(&folder).join(program).is_file())
}

/// Has the pager take the place of its shell, which Ctrl-C would end before it. A line of more than
/// one command is left as it is.
fn in_place_of_shell(line: &str) -> String {
    match line.contains(['|', '&', ';', '<', '>', '(', ')', '\n', '=']) {
        true => line.to_owned(),
        false => format!("exec {line}"),
    }
}

/// Returns the shell's command for a line that reads results: less(1) is to leave short texts alone,
/// keep colours, and leave on the screen what was read, unless the user says otherwise.
pub(crate) fn shell_command(line: &str) -> Command {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", line]).stdin(Stdio::piped());
    if std::env::var_os("LESS").is_none() {
        command.env("LESS", "FRX");
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_simple_line_takes_the_place_of_its_shell() {
        for (line, run) in [
            ("less -R", "exec less -R"),
            ("LESS=R less", "LESS=R less"),
            ("tac | less", "tac | less"),
        ] {
            assert_eq!(in_place_of_shell(line), run);
        }
    }
}
