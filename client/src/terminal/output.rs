//! Prints lines on standard output and standard error.

use std::fmt::Display;
use std::io::Write;

use super::redirect::write_line;

/// Prints a result on standard output, or where that was redirected to. A write error is ignored:
/// the reader of a pipe may have left.
pub(crate) fn print_line(line: impl Display) {
    let _ = write_line(&format!("{line}\n"));
}

/// Prints an error or a line of progress on standard error; a write error is ignored.
pub(crate) fn print_error(line: impl Display) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}
