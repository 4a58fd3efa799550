//! Prints lines on standard output and standard error.

use std::fmt::Display;
use std::io::Write;

use super::columns::{reading_width, wrap};
use super::redirect::write_line;
use super::status_line::print_apart;

/// Prints a result on standard output, or where that was redirected to. A write error is ignored:
/// the reader of a pipe may have left.
pub(crate) fn print_line(line: impl Display) {
    print_apart(|| {
        let _ = write_line(&format!("{line}\n"));
    });
}

/// Prints a text laid out for the width of standard output; names are not wrapped by it.
pub(crate) fn print_wrapped(text: &str) {
    print_line(wrap(text, reading_width()).trim_end_matches('\n'));
}

/// Prints an error or a line of progress on standard error; a write error is ignored.
pub(crate) fn print_error(line: impl Display) {
    print_apart(|| {
        let _ = writeln!(std::io::stderr().lock(), "{line}");
    });
}

/// Prints what is neither a result nor an error on standard error.
pub(crate) fn print_note(line: impl Display) {
    print_error(line);
}
