//! Sends results to a file or a pipe instead of standard output while one command runs.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What takes results now; `None` is standard output. Like that it is one for the whole process.
static TAKER: Mutex<Option<File>> = Mutex::new(None);

/// Results go elsewhere until this is dropped.
pub(crate) struct Redirection(());

impl Redirection {
    pub(crate) fn to(file: File) -> Self {
        *taker() = Some(file);
        Self(())
    }
}

impl Drop for Redirection {
    fn drop(&mut self) {
        *taker() = None;
    }
}

/// Writes a whole line, or as much as the taker takes.
pub(super) fn write_line(line: &str) -> io::Result<()> {
    match &mut *taker() {
        Some(file) => file.write_all(line.as_bytes()),
        None => io::stdout().lock().write_all(line.as_bytes()),
    }
}

/// True where results are seen by a person.
pub(crate) fn is_screen() -> bool {
    taker().is_none() && io::stdout().is_terminal()
}

/// Returns what takes results, for bytes.
pub(crate) fn take_results() -> io::Result<File> {
    match &*taker() {
        Some(file) => file.try_clone(),
        None => {
            let mut stdout = io::stdout().lock();
            stdout.flush()?;
            Ok(File::from(stdout.as_fd().try_clone_to_owned()?))
        }
    }
}

fn taker() -> MutexGuard<'static, Option<File>> {
    TAKER.lock().unwrap_or_else(PoisonError::into_inner)
}
