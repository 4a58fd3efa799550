//! Lines that wait for the log thread: formatted where the event happens, into buffers that the
//! thread swaps for empty ones.

use std::io::Write;
use std::mem;
use std::net::IpAddr;
use std::time::SystemTime;

use skiff_conf::Log;

use super::format::{Stamp, access_line, line, login_failed_line, message_line};
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
    stamp: Stamp,
    /// Lines lost since the last report of losses.
    pub(super) lost: u64,
    /// New settings that the files are to be opened by; the latest wins.
    pub(super) reopen: Option<Log>,
    /// True once the thread is to end after these lines.
    pub(super) ended: bool,
}

impl Pending {
    /// Sets which kinds of lines have a file of their own.
    pub(super) fn route(&mut self, access: bool, xferlog: bool) {
        let waiting = self.access.take().unwrap_or_default();
        match access {
            true => self.access = Some(waiting),
            false => self.messages.extend(waiting),
        }
        self.xferlog = xferlog.then(|| self.xferlog.take().unwrap_or_default());
    }

    pub(super) fn event(&mut self, at: SystemTime, record: &Record<'_>) {
        let out = self.access.as_mut().unwrap_or(&mut self.messages);
        self.stamp.put(out, at);
        line(out, |out| access_line(out, record));
        if let (Some(out), Some(kind)) = (&mut self.xferlog, record.transfer) {
            line(out, |out| xferlog_line(out, at, record, kind));
        }
    }

    pub(super) fn login_failed(&mut self, at: SystemTime, address: IpAddr, user: &[u8]) {
        let out = self.access.as_mut().unwrap_or(&mut self.messages);
        self.stamp.put(out, at);
        line(out, |out| login_failed_line(out, address, user));
    }

    pub(super) fn message(&mut self, at: SystemTime, level: log::Level, text: &str) {
        self.stamp.put(&mut self.messages, at);
        line(&mut self.messages, |out| message_line(out, level, text));
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
            let out = self.access.as_mut().unwrap_or(&mut self.messages);
            self.stamp.put(out, SystemTime::now());
            line(out, |out| {
                write!(out, "log: {lost} lines lost, the disk did not keep up")
            });
        }
    }
}

#[cfg(test)]
impl Pending {
    pub(super) fn messages(&self) -> String {
        String::from_utf8(self.messages.clone()).unwrap()
    }
}
