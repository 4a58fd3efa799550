//! Lines that wait for the log thread: formatted where the event happens, into buffers that the
//! thread swaps for empty ones.

use std::mem;
use std::time::SystemTime;

use skiff_conf::{Log, LogFormat};

use super::format::{Stamp, line};
use super::line::{Line, Prefix};
use super::record::Record;
use super::sink::Sink;
use super::xferlog::xferlog_line;

/// Most bytes that wait for a disk that does not answer; lines beyond are counted and lost.
const BYTES_MAX: usize = 256 * 1024;

#[derive(Default)]
pub(super) struct Pending {
    messages: Vec<u8>,
    /// `None` if access lines go with the messages.
    access: Option<Vec<u8>>,
    xferlog: Option<Vec<u8>>,
    format: LogFormat,
    /// Of what goes with the messages.
    prefix: Prefix,
    stamp: Stamp,
    /// Lines lost since the last report of losses.
    pub(super) lost: u64,
    /// New settings that the files are to be opened by; the latest wins.
    pub(super) reopen: Option<Log>,
    /// True once the thread is to end after these lines.
    pub(super) ended: bool,
}

/// Which kinds of lines have a file of their own, and how the lines look.
pub(super) struct Routes {
    pub(super) access: bool,
    pub(super) xferlog: bool,
    pub(super) format: LogFormat,
    pub(super) prefix: Prefix,
}

impl Pending {
    pub(super) fn route(&mut self, routes: &Routes) {
        let waiting = self.access.take().unwrap_or_default();
        match routes.access {
            true => self.access = Some(waiting),
            false => self.messages.extend(waiting),
        }
        self.xferlog = routes
            .xferlog
            .then(|| self.xferlog.take().unwrap_or_default());
        (self.format, self.prefix) = (routes.format, routes.prefix);
    }

    pub(super) fn event(&mut self, at: SystemTime, record: &Record<'_>) {
        self.put(at, &Line::Command(record));
        if let (Some(out), Some(kind)) = (&mut self.xferlog, record.transfer) {
            line(out, |out| xferlog_line(out, at, record, kind));
        }
    }

    pub(super) fn put(&mut self, at: SystemTime, line: &Line<'_>) {
        let (out, prefix) = match (line, &mut self.access) {
            (Line::Message { .. }, _) | (_, None) => (&mut self.messages, self.prefix),
            (_, Some(access)) => (access, Prefix::None),
        };
        line.put(out, (self.format, prefix), &mut self.stamp, at);
    }

    pub(super) fn is_full(&self) -> bool {
        self.buffers().map(Vec::len).sum::<usize>() >= BYTES_MAX
    }

    /// True if the thread has nothing to do.
    pub(super) fn is_idle(&self) -> bool {
        let wanted = self.lost > 0 || self.reopen.is_some() || self.ended;
        !wanted && self.buffers().all(Vec::is_empty)
    }

    fn buffers(&self) -> impl Iterator<Item = &Vec<u8>> {
        let buffers = [
            Some(&self.messages),
            self.access.as_ref(),
            self.xferlog.as_ref(),
        ];
        buffers.into_iter().flatten()
    }

    /// Swaps all lines into their sinks.
    pub(super) fn take_lines(
        &mut self,
        messages: &mut Sink,
        access: &mut Option<Sink>,
        xferlog: &mut Option<Sink>,
    ) {
        self.report_losses();
        messages.exchange(&mut self.messages);
        for (sink, lines) in [(access, &mut self.access), (xferlog, &mut self.xferlog)] {
            if let (Some(sink), Some(lines)) = (sink, lines) {
                sink.exchange(lines);
            }
        }
    }

    fn report_losses(&mut self) {
        let lost = mem::take(&mut self.lost);
        if lost > 0 {
            self.put(SystemTime::now(), &Line::Lost(lost));
        }
    }
}

#[cfg(test)]
impl Pending {
    pub(super) fn messages(&self) -> String {
        String::from_utf8(self.messages.clone()).unwrap()
    }
}
