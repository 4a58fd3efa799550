//! Lines on standard output and standard error.

use std::fmt::Display;
use std::io::Write;

/// A line of result. Nobody may be reading any more: that is no failure.
pub(crate) fn print_line(line: impl Display) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// A line of trouble.
pub(crate) fn print_error(line: impl Display) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}
