//! Writes the lines of replies (RFC 959 section 4.2): `NNN text`, or `NNN-first`, lines that begin
//! with a blank, and `NNN last`.

use std::fmt::Display;
use std::io::Write;

/// One line of a reply that is being written.
pub(super) struct Line<'a>(&'a mut Vec<u8>);

impl<'a> Line<'a> {
    /// The only line of a reply, or its last.
    pub(super) fn last(code: u16, out: &'a mut Vec<u8>) -> Self {
        Self(out).text(format_args!("{code:03} "))
    }

    /// The first line of a reply of many.
    pub(super) fn first(code: u16, out: &'a mut Vec<u8>) -> Self {
        Self(out).text(format_args!("{code:03}-"))
    }

    /// A line between the first and the last.
    pub(super) fn between(out: &'a mut Vec<u8>) -> Self {
        Self(out).text(" ")
    }

    /// Adds text. Control characters become `?`, so that text never ends its line.
    pub(super) fn text(self, text: impl Display) -> Self {
        let start = self.0.len();
        // Writing to a Vec does not fail.
        let _ = write!(self.0, "{text}");
        for byte in &mut self.0[start..] {
            if byte.is_ascii_control() {
                *byte = b'?';
            }
        }
        self
    }

    /// Adds a path as it is, but for NUL, CR and LF, which become `?`.
    pub(super) fn path(self, path: &[u8]) -> Self {
        let start = self.0.len();
        self.0.extend_from_slice(path);
        for byte in &mut self.0[start..] {
            if matches!(byte, 0 | b'\r' | b'\n') {
                *byte = b'?';
            }
        }
        self
    }

    /// Adds a path in quotes, its own quotes doubled (RFC 959 appendix II).
    pub(super) fn quoted(self, path: &[u8]) -> Self {
        let mut line = self.text('"');
        for (index, part) in path.split(|&b| b == b'"').enumerate() {
            if index > 0 {
                line = line.text("\"\"");
            }
            line = line.path(part);
        }
        line.text('"')
    }

    /// Adds what `push` writes, which must hold no line end.
    pub(super) fn write(self, push: impl FnOnce(&mut Vec<u8>)) -> Self {
        push(self.0);
        self
    }

    pub(super) fn end(self) {
        self.0.extend_from_slice(b"\r\n");
    }
}
