//! A data connection in memory: what the client sent and how it ended, and what it received.

use std::collections::VecDeque;
use std::io;

use skiff_sessions::lane::Lane;

/// How the client's end of a data connection went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Gone {
    /// With its goodbye, where there is TLS.
    Clean,
    /// Under TLS, with none.
    Truncated,
    Reset,
}

#[derive(Clone, Debug)]
pub(super) struct DataLane {
    pub(super) from_client: VecDeque<u8>,
    pub(super) gone: Option<Gone>,
    pub(super) to_client: Vec<u8>,
    /// Bytes that the client will still read.
    pub(super) room: usize,
    /// The server has said that no more follows.
    pub(super) closed: bool,
    /// Bytes either way in one burst.
    step: usize,
    left: usize,
}

impl DataLane {
    pub(super) fn new(step: usize) -> Self {
        Self {
            from_client: VecDeque::new(),
            gone: None,
            to_client: Vec::new(),
            room: usize::MAX,
            closed: false,
            step,
            left: 0,
        }
    }

    /// A burst begins.
    pub(super) fn turn(&mut self) {
        self.left = self.step;
    }

    /// Changes whenever something went through.
    pub(super) fn traffic(&self) -> (usize, usize, bool) {
        (self.from_client.len(), self.to_client.len(), self.closed)
    }
}

impl Lane for DataLane {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.from_client.is_empty() {
            return match self.gone {
                None => Err(io::ErrorKind::WouldBlock.into()),
                Some(Gone::Clean) => Ok(0),
                Some(Gone::Truncated) => Err(io::ErrorKind::UnexpectedEof.into()),
                Some(Gone::Reset) => Err(io::ErrorKind::ConnectionReset.into()),
            };
        }
        let count = buf.len().min(self.left).min(self.from_client.len());
        if count == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.left -= count;
        for (to, byte) in buf.iter_mut().zip(self.from_client.drain(..count)) {
            *to = byte;
        }
        Ok(count)
    }

    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        assert!(!self.closed, "nothing follows the goodbye");
        if self.gone == Some(Gone::Reset) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let count = buf.len().min(self.left).min(self.room);
        if count == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.left -= count;
        self.room -= count;
        self.to_client.extend_from_slice(&buf[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn has_buffered_input(&self) -> bool {
        false
    }

    fn close(&mut self) -> io::Result<()> {
        self.closed = true;
        Ok(())
    }
}

/// What a reply is written through while a listing's lines go into it.
pub(super) struct Spoken<'a>(pub(super) &'a mut Vec<u8>);

impl Lane for Spoken<'_> {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }

    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(buf);
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn has_buffered_input(&self) -> bool {
        false
    }
}
