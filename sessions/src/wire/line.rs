//! Cuts a peer's bytes into lines of bounded length, which are taken one at a time.

use std::ops::Range;

/// The longest line either side may send, its CRLF included, in bytes. A path of
/// [`SENT_PATH_MAX`](crate::path::SENT_PATH_MAX) bytes fits in it, each byte written as `%XX`.
pub const LINE_MAX: usize = 16 * 1024;

/// Telnet's "interpret as command" (RFC 854).
const IAC: u8 = 0xff;

/// The rules by which lines end.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Rules {
    /// A line ends with CRLF.
    #[default]
    Strict,
    /// A line ends with CRLF or a bare LF, and telnet commands are taken out of it: clients send
    /// some before ABOR (RFC 959 section 4.1.3).
    Telnet,
}

/// What stands at the head of an inbox.
#[derive(PartialEq, Eq, Debug)]
pub enum Head {
    /// No whole line yet.
    Incomplete,
    /// A line at this range of the inbox, without its end.
    Line(Range<usize>),
    /// A line that ends with a bare LF, where the rules forbid it, or holds NUL or CR.
    Broken,
    /// A line longer than `LINE_MAX`.
    TooLong,
}

/// The bytes received from a peer that were not taken as lines yet.
#[derive(Default)]
pub struct Inbox {
    rules: Rules,
    telnet: TelnetState,
    bytes: Vec<u8>,
    start: usize,
    /// Where the search for LF goes on, so that a slow peer costs linear time.
    searched: usize,
    /// The line that was taken last, well-formed or not; of one that is too long, its beginning.
    taken: Range<usize>,
    /// The number of LFs that wait.
    ends: usize,
    skipping: Skipping,
}

/// How much of a telnet command has come.
#[derive(Default, PartialEq, Eq)]
enum TelnetState {
    #[default]
    Nothing,
    /// An IAC at the beginning of a line.
    Iac,
    /// WILL, WONT, DO or DONT: the option's number follows.
    Option,
    /// An IAC in the middle of a line, where it is a byte of a name.
    IacInLine,
}

#[derive(Default, PartialEq, Eq)]
enum Skipping {
    #[default]
    Nothing,
    /// The current line is too long: everything up to its LF is dropped.
    ToLineEnd,
}

impl Inbox {
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            ..Self::default()
        }
    }

    /// Adds bytes from the peer.
    pub fn push(&mut self, bytes: &[u8]) {
        let before = self.bytes.len();
        match self.rules {
            Rules::Strict => self.bytes.extend_from_slice(bytes),
            Rules::Telnet => self.push_telnet(bytes),
        }
        self.ends += line_ends(&self.bytes[before..]);
    }

    /// The number of bytes that wait.
    pub fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    /// Whether nothing waits, not even a part of a telnet command.
    pub fn is_empty(&self) -> bool {
        self.len() == 0 && self.telnet == TelnetState::Nothing
    }

    /// The number of whole lines that wait.
    pub fn lines(&self) -> usize {
        match self.skipping {
            Skipping::Nothing => self.ends,
            Skipping::ToLineEnd => self.ends.saturating_sub(1),
        }
    }

    /// Takes all bytes that wait, for a transfer that reads on from here.
    pub fn drain(&mut self) -> Vec<u8> {
        let rest = self.bytes.split_off(self.start);
        self.clear();
        rest
    }

    /// The bytes of a line that was taken.
    pub fn slice(&self, range: Range<usize>) -> &[u8] {
        &self.bytes[range]
    }

    /// The bytes of the line that was taken last, also of one that broke the rules; of one that was
    /// too long, at least the first bytes. Valid until the next call that changes the inbox.
    pub fn taken(&self) -> &[u8] {
        &self.bytes[self.taken.clone()]
    }

    /// Takes the first line. A `Line`'s range is valid until the next call that changes the inbox.
    pub fn take(&mut self) -> Head {
        self.skip_rest_of_long_line();
        let found = self.bytes[self.searched..].iter().position(|&b| b == b'\n');
        let Some(offset) = found else {
            self.searched = self.bytes.len();
            return self.incomplete();
        };
        let (start, end) = (self.start, self.searched + offset);
        self.taken = start..end;
        self.take_up_to(end + 1);
        self.classify(start, end)
    }

    /// Takes the first whole line for which `is_urgent` is true, wherever it stands; the others
    /// keep their order. `Incomplete` where there is none. Looks at all bytes that wait.
    pub fn take_urgent(&mut self, is_urgent: impl Fn(&[u8]) -> bool) -> Head {
        self.skip_rest_of_long_line();
        let mut start = self.start;
        while let Some(length) = self.bytes[start..].iter().position(|&b| b == b'\n') {
            let next = start + length + 1;
            match self.classify(start, next - 1) {
                Head::Line(line) if is_urgent(&self.bytes[line.clone()]) => {
                    // The line moves to the front, and the front is taken.
                    self.bytes[self.start..next].rotate_right(next - start);
                    let front = self.start;
                    self.taken = front..front + line.len();
                    self.take_up_to(front + next - start);
                    return Head::Line(front..front + line.len());
                }
                _ => start = next,
            }
        }
        Head::Incomplete
    }

    /// Whether `is_it` is true for any whole line that waits.
    pub fn has_line(&self, is_it: impl Fn(&[u8]) -> bool) -> bool {
        let mut start = self.start;
        while let Some(length) = self.bytes[start..].iter().position(|&b| b == b'\n') {
            if let Head::Line(line) = self.classify(start, start + length)
                && is_it(&self.bytes[line])
            {
                return true;
            }
            start += length + 1;
        }
        false
    }

    /// Whether the first line is whole and `is_it` is true for it.
    pub fn head_is(&self, is_it: impl FnOnce(&[u8]) -> bool) -> bool {
        let rest = &self.bytes[self.start..];
        let Some(length) = rest.iter().position(|&b| b == b'\n') else {
            return false;
        };
        match self.classify(self.start, self.start + length) {
            Head::Line(line) => is_it(&self.bytes[line]),
            _ => false,
        }
    }

    /// Frees memory: an idle session holds no line buffer.
    pub fn compact(&mut self) {
        if self.is_empty() {
            self.clear();
        } else if self.start > 0 {
            self.bytes.drain(..self.start);
            self.searched -= self.start;
            self.start = 0;
            self.taken = 0..0;
        }
    }

    fn push_telnet(&mut self, mut bytes: &[u8]) {
        while let Some((&first, rest)) = bytes.split_first() {
            bytes = match self.telnet {
                TelnetState::Nothing => self.push_text(bytes),
                TelnetState::Iac => self.push_telnet_command(first, rest, bytes),
                TelnetState::Option => {
                    self.telnet = TelnetState::Nothing;
                    rest
                }
                TelnetState::IacInLine => self.push_iac_in_line(first, rest, bytes),
            };
        }
    }

    /// Adds text up to an IAC and returns the bytes behind that.
    fn push_text<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let at = bytes.iter().position(|&b| b == IAC);
        let (text, rest) = bytes.split_at(at.unwrap_or(bytes.len()));
        self.bytes.extend_from_slice(text);
        if rest.is_empty() {
            return rest;
        }
        self.telnet = match self.is_at_line_start() {
            true => TelnetState::Iac,
            false => TelnetState::IacInLine,
        };
        &rest[1..]
    }

    /// Whether the next byte begins a line.
    fn is_at_line_start(&self) -> bool {
        self.skipping == Skipping::Nothing && self.bytes.last().is_none_or(|&last| last == b'\n')
    }

    /// Handles the byte behind an IAC inside a line: telnet commands come before a verb only, and
    /// clients double an IAC that belongs to a name, or know nothing of telnet.
    fn push_iac_in_line<'a>(&mut self, next: u8, rest: &'a [u8], all: &'a [u8]) -> &'a [u8] {
        self.telnet = TelnetState::Nothing;
        self.bytes.push(IAC);
        if next == IAC { rest } else { all }
    }

    /// Handles the byte behind an IAC. If it is no command, the IAC was a byte of a name whose
    /// client knows nothing of telnet.
    fn push_telnet_command<'a>(&mut self, command: u8, rest: &'a [u8], all: &'a [u8]) -> &'a [u8] {
        self.telnet = TelnetState::Nothing;
        match command {
            240..=250 => rest,
            251..=254 => {
                self.telnet = TelnetState::Option;
                rest
            }
            IAC => {
                self.bytes.push(IAC);
                rest
            }
            _ => {
                self.bytes.push(IAC);
                all
            }
        }
    }

    /// Classifies the bytes from `start` up to the LF at `end`.
    fn classify(&self, start: usize, end: usize) -> Head {
        if end + 1 - start > LINE_MAX {
            return Head::TooLong;
        }
        let line = &self.bytes[start..end];
        let line = match (line.strip_suffix(b"\r"), self.rules) {
            (Some(line), _) => line,
            (None, Rules::Telnet) => line,
            (None, Rules::Strict) => return Head::Broken,
        };
        if line.iter().any(|b| matches!(b, 0 | b'\r')) {
            return Head::Broken;
        }
        Head::Line(start..start + line.len())
    }

    /// Drops one line with its LF.
    fn take_up_to(&mut self, next: usize) {
        self.start = next;
        self.searched = next;
        self.ends -= 1;
    }

    fn clear(&mut self) {
        self.bytes = Vec::new();
        self.start = 0;
        self.searched = 0;
        self.taken = 0..0;
        self.ends = 0;
    }

    fn incomplete(&mut self) -> Head {
        if self.len() < LINE_MAX {
            return Head::Incomplete;
        }
        self.taken = self.start..self.bytes.len();
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
                self.ends -= 1;
                self.skipping = Skipping::Nothing;
            }
            None => self.start = self.bytes.len(),
        }
        self.searched = self.start;
        self.compact();
    }
}

fn line_ends(bytes: &[u8]) -> usize {
    bytes.iter().filter(|&&b| b == b'\n').count()
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

    fn telnet(bytes: &[u8]) -> Inbox {
        let mut inbox = Inbox::new(Rules::Telnet);
        inbox.push(bytes);
        inbox
    }

    fn raw(inbox: &mut Inbox) -> Vec<Vec<u8>> {
        let mut seen = Vec::new();
        loop {
            match inbox.take() {
                Head::Incomplete => return seen,
                Head::Line(range) => seen.push(inbox.slice(range).to_vec()),
                other => seen.push(format!("{other:?}").into()),
            }
        }
    }

    #[test]
    fn telnet_lines_at_every_split() {
        let text = b"PWD\r\nbare\n\xff\xf4\xff\xf2ABOR\r\nn\xff\xffa\xffb\xff\xfb\x01c\r\n\
            \n\xff\r\nnul\0\r\ncr\rin\r\n\xff\xfd\nx\n\xf2y\nlast";
        let want = [
            &b"PWD"[..],
            b"bare",
            b"ABOR",
            b"n\xffa\xffb\xff\xfb\x01c",
            b"",
            b"\xff",
            b"Broken",
            b"Broken",
            b"x",
            b"\xf2y",
        ];
        for split in 0..=text.len() {
            let mut inbox = telnet(&text[..split]);
            let mut seen = raw(&mut inbox);
            inbox.compact();
            inbox.push(&text[split..]);
            seen.extend(raw(&mut inbox));
            assert_eq!(seen, want, "split at {split}");
            assert_eq!(inbox.drain(), b"last");
        }
    }

    #[test]
    fn half_a_signal_is_something() {
        for half in [&b"\xff"[..], b"\xff\xfb"] {
            let mut inbox = telnet(&[b"AUTH TLS\r\n", half].concat());
            assert!(matches!(inbox.take(), Head::Line(_)));
            assert!(!inbox.is_empty());
        }
        assert!(telnet(b"\xff\xf4").is_empty());
    }

    fn is_short(line: &[u8]) -> bool {
        line.len() == 1
    }

    #[test]
    fn urgent_lines_at_every_split() {
        let text = b"long 1\r\na\r\nlong 2\n\xff\xf4b\r\nx\0\n\nlong 3\r\nc\nlast";
        for split in 0..=text.len() {
            let mut inbox = telnet(&text[..split]);
            let mut urgent = Vec::new();
            for rest in [&text[split..], b""] {
                while let Head::Line(line) = inbox.take_urgent(is_short) {
                    urgent.extend_from_slice(inbox.slice(line));
                    inbox.compact();
                }
                inbox.push(rest);
            }
            assert_eq!(urgent, b"abc", "split at {split}");
            assert_eq!(inbox.lines(), 5);
            let others = [&b"long 1"[..], b"long 2", b"Broken", b"", b"long 3"];
            assert_eq!(raw(&mut inbox), others, "split at {split}");
            assert_eq!(inbox.lines(), 0);
            assert_eq!(inbox.drain(), b"last");
        }
    }

    #[test]
    fn urgent_behind_a_head_that_was_searched() {
        let mut inbox = telnet(b"half");
        assert_eq!(inbox.take(), Head::Incomplete);
        inbox.push(b" a line\r\na\r\nrest");
        let Head::Line(line) = inbox.take_urgent(is_short) else {
            panic!("it is there");
        };
        assert_eq!(inbox.slice(line), b"a");
        assert_eq!(inbox.take_urgent(is_short), Head::Incomplete);
        assert_eq!(raw(&mut inbox), [b"half a line"]);
    }

    #[test]
    fn urgent_behind_a_line_too_long() {
        let mut inbox = telnet(&[b'x'; LINE_MAX]);
        assert_eq!(inbox.take(), Head::TooLong);
        // The rest of that line is not a line of its own.
        inbox.push(b"\na\r\nlong\r\n");
        assert_eq!(inbox.lines(), 2);
        assert!(matches!(inbox.take_urgent(is_short), Head::Line(_)));
        assert_eq!(raw(&mut inbox), [b"long"]);
    }

    #[test]
    fn lines_that_wait_are_counted() {
        let text = b"a\r\nb\nc\r\n\nd";
        for rules in [Rules::Strict, Rules::Telnet] {
            let mut inbox = Inbox::new(rules);
            for (at, byte) in text.iter().enumerate() {
                inbox.push(&[*byte]);
                assert_eq!(inbox.lines(), line_ends(&text[..=at]));
            }
            for left in [3, 2, 1, 0] {
                inbox.take();
                inbox.compact();
                assert_eq!(inbox.lines(), left);
            }
            assert_eq!(inbox.take(), Head::Incomplete);
            inbox.push(b"\n");
            inbox.drain();
            assert_eq!(inbox.lines(), 0);
        }
    }

    #[test]
    fn the_head_by_either_rule() {
        for (rules, bytes, known) in [
            (Rules::Strict, &b"a\r\n"[..], true),
            (Rules::Strict, b"a\n", false),
            (Rules::Telnet, b"a\n", true),
            (Rules::Telnet, b"\xff\xf4a\r\n", true),
            (Rules::Telnet, b"long\na\n", false),
            (Rules::Telnet, b"a", false),
        ] {
            let mut inbox = Inbox::new(rules);
            inbox.push(bytes);
            assert_eq!(inbox.head_is(is_short), known, "{bytes:?}");
        }
    }
}
