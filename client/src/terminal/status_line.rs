//! Draws one line below all others on the terminal of standard error, and keeps what is printed
//! apart from it.

use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Whether the line is on the screen. One for the program, which has one terminal.
static STATUS_LINE: Mutex<StatusLine> = Mutex::new(StatusLine::Absent);

enum StatusLine {
    Absent,
    Drawn,
}

/// Between two drawings the cursor stands at the line's first column, so that what is cleared from
/// there to the screen's end (ECMA-48, ED) is all of it, also where a narrower window has broken it
/// into several.
const CLEAR_BEHIND: &str = "\x1b[J";

/// Clears the line. It begins at the second column: where the whole screen is cleared, some
/// terminals keep what was there in what scrolls back (tmux does).
const CLEAR: &str = "\r \x1b[J\r\x1b[K";

/// A line that turns out too wide is cut by the terminal, not broken (DECAWM).
const NO_WRAP: &str = "\x1b[?7l";
const WRAP: &str = "\x1b[?7h";

/// Draws `line`, which has no control characters, in the place of what was drawn before.
pub(crate) fn draw(line: &str) {
    let mut status = lock();
    write(&format!("\r{NO_WRAP}{line}{WRAP}{CLEAR_BEHIND}\r"));
    *status = StatusLine::Drawn;
}

/// Takes the line from the screen.
pub(crate) fn clear() {
    lock().clear();
}

/// Prints something while the line is away and nobody can draw it; it comes back when it is drawn
/// the next time.
pub(crate) fn print_apart(print: impl FnOnce()) {
    let mut status = lock();
    status.clear();
    print();
}

impl StatusLine {
    fn clear(&mut self) {
        if let Self::Drawn = self {
            write(CLEAR);
            *self = Self::Absent;
        }
    }
}

/// Writes at once, so that nobody sees half of it.
fn write(text: &str) {
    // Whoever has closed the terminal sees nothing of it.
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

fn lock() -> MutexGuard<'static, StatusLine> {
    STATUS_LINE.lock().unwrap_or_else(PoisonError::into_inner)
}
