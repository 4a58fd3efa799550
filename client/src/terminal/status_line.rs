//! Draws the lines of progress below all others on the terminal of standard error, and keeps what
//! is printed apart from them. indicatif says what is drawn and when; how it gets onto the screen
//! is said here, so that a window that changes its width keeps no remnants.

use std::io::{self, Write};
use std::mem;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use indicatif::{MultiProgress, ProgressDrawTarget, TermLike};
use rustix::termios::tcgetwinsize;

use super::columns::terminal_width;

/// All lines of progress; one for the program, which has one terminal.
static LINES: LazyLock<MultiProgress> = LazyLock::new(|| {
    let target = ProgressDrawTarget::term_like_with_hz(Box::new(Frame::default()), DRAWINGS_MAX);
    MultiProgress::with_draw_target(target)
});

/// The most drawings a second.
const DRAWINGS_MAX: u8 = 10;

/// The size of a terminal that does not know its own.
const USUAL_WIDTH: usize = 80;
const USUAL_HEIGHT: u16 = 24;

/// Between two drawings the cursor stands at the first column of the first line, so that what is
/// cleared from there to the screen's end (ECMA-48, ED) is all of it, also where a narrower window
/// has broken lines into several.
const CLEAR_BEHIND: &str = "\x1b[J";

/// Clears the lines. It begins at the second column: where the whole screen is cleared, some
/// terminals keep what was there in what scrolls back (tmux does).
const CLEAR: &str = "\r \x1b[J\r\x1b[K";

/// A line that turns out too wide is cut by the terminal, not broken (DECAWM).
const NO_WRAP: &str = "\x1b[?7l";
const WRAP: &str = "\x1b[?7h";

/// Returns the lines of progress, to add to.
pub(super) fn lines() -> &'static MultiProgress {
    &LINES
}

/// Prints something while the lines are away and nobody can draw them.
pub(crate) fn print_apart(print: impl FnOnce()) {
    LINES.suspend(print);
}

/// Returns the columns that a line may take. The last one of the terminal stays free: where it is
/// written to, terminals do not agree on where the cursor is.
pub(super) fn line_width() -> usize {
    let width = terminal_width(io::stderr()).unwrap_or(USUAL_WIDTH);
    width.saturating_sub(1)
}

/// The terminal as indicatif draws to it: lines are collected, and drawn at once when all are there.
#[derive(Debug, Default)]
struct Frame(Mutex<FrameState>);

#[derive(Debug, Default)]
struct FrameState {
    /// The lines of the drawing that is being made.
    lines: Vec<String>,
    screen: Screen,
}

/// Whether lines are on the screen.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Screen {
    #[default]
    Free,
    Drawn,
}

impl Frame {
    fn state(&self) -> MutexGuard<'_, FrameState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TermLike for Frame {
    fn width(&self) -> u16 {
        u16::try_from(line_width()).unwrap_or(u16::MAX)
    }

    fn height(&self) -> u16 {
        let rows = tcgetwinsize(io::stderr()).map_or(0, |size| size.ws_row);
        if rows > 0 { rows } else { USUAL_HEIGHT }
    }

    fn write_line(&self, line: &str) -> io::Result<()> {
        self.write_str(line)
    }

    /// Takes one line, which has no control characters. Blanks only fill a line up.
    fn write_str(&self, line: &str) -> io::Result<()> {
        let line = line.trim_end();
        if !line.is_empty() {
            self.state().lines.push(line.to_owned());
        }
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        let mut state = self.state();
        let lines = mem::take(&mut state.lines);
        match (lines.as_slice(), state.screen) {
            ([], Screen::Free) => {}
            ([], Screen::Drawn) => {
                write(CLEAR);
                state.screen = Screen::Free;
            }
            (lines, _) => {
                write(&draw(lines));
                state.screen = Screen::Drawn;
            }
        }
        Ok(())
    }

    // Every drawing begins where the one before began, so that the cursor need not be moved.

    fn move_cursor_up(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_down(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_right(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_left(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn clear_line(&self) -> io::Result<()> {
        Ok(())
    }
}

/// Returns what draws lines, the first of which is where the cursor is, and leaves the cursor there.
fn draw(lines: &[String]) -> String {
    let mut drawn = format!("\r{NO_WRAP}");
    drawn += &lines.join("\x1b[K\r\n");
    drawn += WRAP;
    drawn += CLEAR_BEHIND;
    if lines.len() > 1 {
        drawn += &format!("\x1b[{}A", lines.len() - 1);
    }
    drawn.push('\r');
    drawn
}

/// Writes at once, so that nobody sees half of it.
fn write(text: &str) {
    // Whoever has closed the terminal sees nothing of it.
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cursor_comes_back_to_the_first_line() {
        let drawn = draw(&["one".into(), "two".into(), "three".into()]);
        assert!(drawn.starts_with("\r\x1b[?7lone\x1b[K\r\ntwo\x1b[K\r\nthree"));
        assert!(drawn.ends_with("\x1b[J\x1b[2A\r"), "{drawn:?}");
        assert!(draw(&["one".into()]).ends_with("one\x1b[?7h\x1b[J\r"));
    }

    #[test]
    fn blanks_are_no_line() {
        let frame = Frame::default();
        for text in ["one", "    ", "", "two  "] {
            frame.write_str(text).unwrap();
        }
        assert_eq!(frame.state().lines, ["one", "two"]);
    }
}
