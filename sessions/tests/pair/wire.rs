//! One direction of the connection: bytes on their way, and how far they may get.

use std::io;

use skiff_sessions::lane::Lane;

/// How the bytes of one direction arrive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Cut {
    Whole,
    /// So many at a time; the next come when both ends are at rest.
    Every(usize),
    /// Up to this position, then, when both ends are at rest, all.
    At(usize),
}

#[derive(Debug)]
pub(super) struct Wire {
    /// All that was ever written.
    sent: Vec<u8>,
    read: usize,
    /// Bytes of `sent` that may be read.
    limit: usize,
    /// By which `limit` grows.
    step: usize,
    pipe: Pipe,
    /// Bytes that it takes before the next turn.
    turn: usize,
    state: State,
}

/// What a wire takes, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Pipe {
    /// Unread, in all.
    pub(super) holds: usize,
    /// In one turn: a write may be cut short anywhere.
    pub(super) each_turn: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Open,
    /// The writer is gone: what was sent can be read, then comes the end.
    Ended,
    /// The reader is gone: bytes are taken and lost, as a kernel does it.
    Unread,
}

impl Wire {
    pub(super) fn new(pipe: Pipe, cut: Cut) -> Self {
        let (limit, step) = match cut {
            Cut::Whole => (usize::MAX, 0),
            Cut::Every(step) => (step, step),
            Cut::At(position) => (position, usize::MAX),
        };
        let (sent, read, state) = (Vec::new(), 0, State::Open);
        Self {
            sent,
            read,
            limit,
            step,
            pipe,
            turn: 0,
            state,
        }
    }

    pub(super) fn begin_turn(&mut self) {
        self.turn = self.pipe.each_turn;
    }

    /// Lets more bytes through; `false` where none were held back.
    pub(super) fn release(&mut self) -> bool {
        let held = self.limit < self.sent.len();
        if held {
            self.limit = self.limit.saturating_add(self.step);
        }
        held
    }

    pub(super) fn sent(&self) -> &[u8] {
        &self.sent
    }

    pub(super) fn unread(&self) -> usize {
        self.sent.len() - self.read
    }

    /// All that was sent, with a bar behind what was read.
    pub(super) fn text(&self) -> String {
        let (read, unread) = self.sent.split_at(self.read);
        format!("{} | {}", read.escape_ascii(), unread.escape_ascii())
    }

    /// The writer has written all that it will.
    pub(super) fn end(&mut self) {
        self.state = State::Ended;
    }

    /// The connection breaks: what has not arrived never will.
    pub(super) fn cut_off(&mut self) {
        self.sent.truncate(self.limit);
        self.limit = usize::MAX;
        self.state = State::Ended;
    }
}

/// One end's hold on both directions.
pub(super) struct Ends<'a> {
    pub(super) incoming: &'a mut Wire,
    pub(super) outgoing: &'a mut Wire,
}

impl Ends<'_> {
    /// Counts bytes both ways, so that doing nothing can be told from doing something.
    pub(super) fn traffic(&self) -> usize {
        self.incoming.read + self.outgoing.sent.len()
    }

    pub(super) fn close(&mut self) {
        self.outgoing.state = State::Ended;
        self.incoming.state = State::Unread;
    }

    /// Takes what it can off `bytes`; all, where nobody reads any more.
    pub(super) fn flush_out(&mut self, bytes: &mut Vec<u8>) -> bool {
        let taken = match self.write(bytes) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => bytes.len(),
            Err(_) => 0,
        };
        bytes.drain(..taken);
        taken > 0
    }
}

impl Lane for Ends<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let wire = &mut *self.incoming;
        let end = wire.sent.len().min(wire.limit);
        let count = (end - wire.read).min(buf.len());
        if count > 0 {
            buf[..count].copy_from_slice(&wire.sent[wire.read..wire.read + count]);
            wire.read += count;
            return Ok(count);
        }
        match wire.state {
            State::Ended if wire.unread() == 0 => Ok(0),
            _ => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let wire = &mut *self.outgoing;
        let room = wire.turn.min(wire.pipe.holds.saturating_sub(wire.unread()));
        let count = match wire.state {
            State::Unread => return Ok(buf.len()),
            State::Ended => return Err(io::ErrorKind::BrokenPipe.into()),
            State::Open => room.min(buf.len()),
        };
        if count == 0 && !buf.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        wire.sent.extend_from_slice(&buf[..count]);
        wire.turn -= count;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn has_buffered_input(&self) -> bool {
        false
    }
}
