//! The report of `skiffd check`: one line for each thing looked at.

use std::io::Write;

/// Findings, printed line by line as they are made: a dead network mount may stop the next check.
pub(crate) struct Report<'a> {
    out: &'a mut dyn Write,
    /// The keys of what is wrong.
    pub(super) wrong: Vec<&'static str>,
    /// Whether the daemon would start.
    pub(super) start: Start,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    Succeeds,
    Fails,
}

impl<'a> Report<'a> {
    pub(super) fn new(out: &'a mut dyn Write) -> Self {
        Self {
            out,
            wrong: Vec::new(),
            start: Start::Succeeds,
        }
    }

    pub(super) fn ok(&mut self, key: &str, text: &str) {
        self.line("ok   ", key, text);
    }

    pub(super) fn note(&mut self, key: &str, text: &str) {
        self.line("note ", key, text);
    }

    pub(super) fn wrong(&mut self, key: &'static str, text: &str) {
        self.wrong.push(key);
        self.line("wrong", key, text);
    }

    /// Says what the daemon would say, and end.
    pub(super) fn no_start(&mut self, text: &str) {
        self.start = Start::Fails;
        self.wrong("start", text);
    }

    /// Adds a note, unless its key is reported as wrong.
    pub(super) fn advise(&mut self, key: &'static str, text: &str) {
        if !self.wrong.contains(&key) {
            self.note(key, text);
        }
    }

    pub(super) fn line(&mut self, verdict: &str, key: &str, text: &str) {
        // A closed pipe is no error; the exit status tells the rest.
        let _ = writeln!(self.out, "{verdict} {key}: {text}");
    }
}
