//! Sends results to a file or a pipe instead of standard output while one command runs, or to the
//! pager where they are longer than the screen.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::event::PollFlags;
use rustix::termios::tcgetwinsize;

use super::columns::columns;
use super::pager::Pager;
use super::poll::{PollEnd, poll_once};

/// What takes results now; `None` is standard output. Like that it is one for the whole process.
static TAKER: Mutex<Option<Taker>> = Mutex::new(None);

/// Whether a pager may be started unasked.
static HAS_PAGER: AtomicBool = AtomicBool::new(false);

enum Taker {
    File(File),
    Pages(Pages),
}

/// Results go elsewhere until this is dropped.
pub(crate) struct Redirection(());

impl Redirection {
    pub(crate) fn to(file: File) -> Self {
        *taker() = Some(Taker::File(file));
        Self(())
    }

    /// Results go through the pager if they turn out to be longer than the screen; `None` where
    /// they go elsewhere, nobody sees them, or no pager is wanted or there.
    pub(crate) fn to_pages() -> Option<Self> {
        let is_wanted = HAS_PAGER.load(Ordering::Relaxed);
        if !is_wanted || !is_screen() || !io::stdin().is_terminal() {
            return None;
        }
        let size = tcgetwinsize(io::stdout()).ok()?;
        let (rows, width) = (usize::from(size.ws_row), usize::from(size.ws_col));
        if rows < 2 || width == 0 {
            return None;
        }
        *taker() = Some(Taker::Pages(Pages {
            rows,
            width,
            state: PagesState::Kept {
                text: String::new(),
                used: 0,
            },
        }));
        Some(Self(()))
    }
}

/// True where nobody reads a pipe any more.
pub(crate) fn has_no_reader(pipe: BorrowedFd<'_>) -> bool {
    let polled = poll_once(pipe, PollFlags::empty(), Duration::ZERO);
    matches!(polled, Ok(PollEnd::Ready))
}

impl Drop for Redirection {
    fn drop(&mut self) {
        let ended = taker().take();
        if let Some(Taker::Pages(pages)) = ended {
            pages.end();
        }
    }
}

/// Lets results go through a pager unasked.
pub(crate) fn enable_pager() {
    HAS_PAGER.store(true, Ordering::Relaxed);
}

/// Results that may be longer than the screen.
struct Pages {
    rows: usize,
    width: usize,
    state: PagesState,
}

enum PagesState {
    /// All of them so far, and the rows that they take.
    Kept {
        text: String,
        used: usize,
    },
    Paged {
        pager: Pager,
        input: File,
    },
    /// There is no pager.
    Printed,
}

impl Pages {
    /// Takes text; returns what has to be written, and to where, if it is not kept.
    fn take(&mut self, text: &str) -> io::Result<Option<(String, File)>> {
        match &mut self.state {
            PagesState::Kept { text: kept, used } => {
                kept.push_str(text);
                *used += text
                    .lines()
                    .map(|line| rows_of(line, self.width))
                    .sum::<usize>();
                // The prompt takes a row.
                if *used < self.rows {
                    return Ok(None);
                }
                let kept = std::mem::take(kept);
                let (state, input) = match Pager::start() {
                    Some((pager, input)) => (
                        PagesState::Paged {
                            pager,
                            input: input.try_clone()?,
                        },
                        input,
                    ),
                    None => (PagesState::Printed, stdout()?),
                };
                self.state = state;
                Ok(Some((kept, input)))
            }
            PagesState::Paged { input, .. } => Ok(Some((text.to_owned(), input.try_clone()?))),
            PagesState::Printed => Ok(Some((text.to_owned(), stdout()?))),
        }
    }

    fn end(self) {
        match self.state {
            PagesState::Kept { text, .. } => {
                // The reader may have left.
                let _ = io::stdout().lock().write_all(text.as_bytes());
                let _ = io::stdout().flush();
            }
            PagesState::Paged { pager, input } => {
                // The pager sees the end of its input.
                drop(input);
                let _ = pager.wait();
            }
            PagesState::Printed => {}
        }
    }
}

/// The rows that a line takes on a screen of this width; colours take none.
fn rows_of(line: &str, width: usize) -> usize {
    let mut taken = 0;
    for (index, part) in line.split('\x1b').enumerate() {
        let shown = match index {
            0 => part,
            _ => part.split_once('m').map_or(part, |(_, behind)| behind),
        };
        taken += columns(shown);
    }
    taken.div_ceil(width).max(1)
}

/// Writes a whole line, or as much as the taker takes.
pub(super) fn write_line(line: &str) -> io::Result<()> {
    let mut taker = taker();
    let paged = match &mut *taker {
        Some(Taker::File(file)) => return file.write_all(line.as_bytes()),
        None => return io::stdout().lock().write_all(line.as_bytes()),
        Some(Taker::Pages(pages)) => pages.take(line)?,
    };
    drop(taker);
    match paged {
        Some((text, mut file)) => file.write_all(text.as_bytes()),
        None => Ok(()),
    }
}

/// Takes text of a file for the screen. Returns what has to be written, and to where if not to what
/// [`take_results`] has returned; `None` where it is kept.
pub(crate) fn take_text(text: String) -> io::Result<Option<(String, Option<File>)>> {
    match &mut *taker() {
        Some(Taker::Pages(pages)) => {
            let taken = pages.take(&text)?;
            Ok(taken.map(|(text, file)| (text, Some(file))))
        }
        Some(Taker::File(_)) | None => Ok(Some((text, None))),
    }
}

/// True where results are seen by a person.
pub(crate) fn is_screen() -> bool {
    match &*taker() {
        None => io::stdout().is_terminal(),
        Some(Taker::Pages(_)) => true,
        Some(Taker::File(_)) => false,
    }
}

/// Returns what takes results, for bytes.
pub(crate) fn take_results() -> io::Result<File> {
    match &*taker() {
        Some(Taker::File(file)) => file.try_clone(),
        Some(Taker::Pages(_)) | None => stdout(),
    }
}

fn stdout() -> io::Result<File> {
    let mut stdout = io::stdout().lock();
    stdout.flush()?;
    Ok(File::from(stdout.as_fd().try_clone_to_owned()?))
}

fn taker() -> MutexGuard<'static, Option<Taker>> {
    TAKER.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_lines() {
        assert_eq!(rows_of("", 10), 1);
        assert_eq!(rows_of("0123456789", 10), 1);
        assert_eq!(rows_of("0123456789a", 10), 2);
        assert_eq!(rows_of("\x1b[01;34m01234\x1b[0m56789", 10), 1);
        assert_eq!(rows_of("年年年年年年", 10), 2);
    }
}
