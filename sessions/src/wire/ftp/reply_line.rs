//! Reply lines being written: `NNN text`, and replies of many lines (RFC 959
//! section 4.2): `NNN-first`, lines that begin with a blank, `NNN last`.

use std::fmt::Display;
use std::io::Write;

/// One line of a reply, up to its end.
pub(super) struct Line<'a>(&'a mut Vec<u8>);

impl<'a> Line<'a> {
    /// The only line of a reply, or its last.
    pub(super) fn last(code: u16, out: &'a mut Vec<u8>) -> Self {
        Self(out).text(format_args!("{code:03} "))
    }

    /// Of many.
    pub(super) fn first(code: u16, out: &'a mut Vec<u8>) -> Self {
        Self(out).text(format_args!("{code:03}-"))
    }

    pub(super) fn between(out: &'a mut Vec<u8>) -> Self {
        Self(out).text(" ")
    }

    /// Control characters become `?`: text never ends its line.
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

    /// As it is: what a name cannot hold is all that is replaced.
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

    /// Between quotes, its own quotes doubled (RFC 959 appendix II).
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

    /// Facts of a machine listing; holds no line end.
    pub(super) fn write(self, push: impl FnOnce(&mut Vec<u8>)) -> Self {
        push(self.0);
        self
    }

    pub(super) fn end(self) {
        self.0.extend_from_slice(b"\r\n");
    }
}
