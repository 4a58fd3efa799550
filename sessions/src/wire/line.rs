//! Lines out of bytes: found in a peer's inbox, bounded, and taken one at a time.

use std::ops::Range;

/// The longest line either side may send, its CRLF included, in bytes.
pub const LINE_MAX: usize = 8192;

/// What the head of an inbox is.
#[derive(PartialEq, Eq, Debug)]
pub enum Head {
    /// No line end yet, and room for one.
    Incomplete,
    /// A line; the range leaves its CRLF out.
    Line(Range<usize>),
    /// A line that ended with a bare LF or holds NUL or a CR.
    Broken,
    /// A line over `LINE_MAX`.
    TooLong,
}

/// Bytes that came in and were not yet understood.
#[derive(Default)]
pub struct Inbox {
    bytes: Vec<u8>,
    start: usize,
    /// Where the search for LF goes on, so that a slow peer costs O(n).
    searched: usize,
    skipping: Skipping,
}

#[derive(Default, PartialEq, Eq)]
enum Skipping {
    #[default]
    Nothing,
    /// The line under way was too long: all up to its LF is dropped.
    ToLineEnd,
}

impl Inbox {
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Bytes that wait.
    pub fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All that waits, for a transfer that goes on reading from here.
    pub fn drain(&mut self) -> Vec<u8> {
        let rest = self.bytes.split_off(self.start);
        self.clear();
        rest
    }

    pub fn slice(&self, range: Range<usize>) -> &[u8] {
        &self.bytes[range]
    }

    /// Finds the head and takes it out; a `Line`'s range is good until the
    /// next call that changes the inbox.
    pub fn take(&mut self) -> Head {
        self.skip_rest_of_long_line();
        let found = self.bytes[self.searched..].iter().position(|&b| b == b'\n');
        let Some(offset) = found else {
            self.searched = self.bytes.len();
            return self.incomplete();
        };
        let (start, end) = (self.start, self.searched + offset);
        self.start = end + 1;
        self.searched = self.start;
        if end + 1 - start > LINE_MAX {
            return Head::TooLong;
        }
        match self.bytes[start..end].split_last() {
            Some((b'\r', line)) if !line.iter().any(|b| matches!(b, 0 | b'\r')) => {
                Head::Line(start..end - 1)
            }
            _ => Head::Broken,
        }
    }

    /// The head is a whole line that `is_it` knows.
    pub fn head_is(&self, is_it: impl FnOnce(&[u8]) -> bool) -> bool {
        let head = self.bytes[self.start..]
            .split_inclusive(|&b| b == b'\n')
            .next();
        head.and_then(|head| head.strip_suffix(b"\r\n"))
            .is_some_and(is_it)
    }

    /// Gives memory back: an idle session holds no line buffer.
    pub fn compact(&mut self) {
        if self.is_empty() {
            self.clear();
        } else if self.start > 0 {
            self.bytes.drain(..self.start);
            self.searched -= self.start;
            self.start = 0;
        }
    }

    fn clear(&mut self) {
        self.bytes = Vec::new();
        self.start = 0;
        self.searched = 0;
    }

    fn incomplete(&mut self) -> Head {
        if self.len() < LINE_MAX {
            return Head::Incomplete;
        }
        self.start = self.bytes.len();
        self.skipping = Skipping::ToLineEnd;
        Head::TooLong
    }

    fn skip_rest_of_long_line(&mut self) {
        if self.skipping == Skipping::Nothing {
            return;
        }
        match self.bytes[self.start..].iter().position(|&b| b == b'\n') {
            Some(offset) => {
                self.start += offset + 1;
                self.skipping = Skipping::Nothing;
            }
            None => self.start = self.bytes.len(),
        }
        self.searched = self.start;
        self.compact();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(inbox: &mut Inbox) -> Vec<String> {
        let mut seen = Vec::new();
        loop {
            match inbox.take() {
                Head::Incomplete => return seen,
                Head::Line(range) => seen.push(String::from_utf8_lossy(inbox.slice(range)).into()),
                other => seen.push(format!("{other:?}")),
            }
        }
    }

    #[test]
    fn lines_at_every_split() {
        let text = b"PWD\r\nCWD a b\r\n\r\nbare\nnul\0\r\ncr\rin\r\nlast";
        let want = ["PWD", "CWD a b", "", "Broken", "Broken", "Broken"];
        for split in 0..=text.len() {
            let mut inbox = Inbox::default();
            inbox.push(&text[..split]);
            let mut seen = all(&mut inbox);
            inbox.compact();
            inbox.push(&text[split..]);
            seen.extend(all(&mut inbox));
            assert_eq!(seen, want, "split at {split}");
            assert_eq!(inbox.drain(), b"last");
        }
    }

    #[test]
    fn a_long_line_is_told_once_and_dropped_to_its_end() {
        let mut inbox = Inbox::default();
        let mut told = 0;
        for _ in 0..1000 {
            inbox.push(&[b'x'; 1000]);
            told += all(&mut inbox).len();
            assert!(inbox.len() < LINE_MAX);
        }
        assert_eq!(told, 1);
        inbox.push(b"xx\r\nPWD\r\n");
        assert_eq!(all(&mut inbox), ["PWD"]);
    }

    #[test]
    fn the_limit_is_exact() {
        let mut inbox = Inbox::default();
        inbox.push(&[b'x'; LINE_MAX - 2]);
        inbox.push(b"\r\n");
        assert_eq!(all(&mut inbox)[0].len(), LINE_MAX - 2);
        inbox.push(&[b'x'; LINE_MAX - 1]);
        inbox.push(b"\r\n");
        assert_eq!(all(&mut inbox), ["TooLong"]);
    }
}
