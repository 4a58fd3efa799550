//! What bulk data goes through: plaintext in and out, nothing ever blocks.

use std::io::{self, Read, Write};
use std::os::fd::BorrowedFd;

use rustls::Connection;

/// A byte stream that answers `WouldBlock` instead of waiting.
pub trait Lane {
    /// Fills as much of `buf` as is there; `Ok(0)` is the peer's clean end.
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize>;

    /// Takes what it can; taken bytes may still wait for `flush`.
    fn write(&mut self, buf: &[u8]) -> io::Result<usize>;

    /// Everything taken is with the kernel, or `WouldBlock`.
    fn flush(&mut self) -> io::Result<()>;

    /// Bytes were read off the socket that only this lane still holds; a
    /// transfer does not go home before it has taken them.
    fn holds_input(&self) -> bool;

    /// Says that no more follows, to whom a mere end would not do.
    fn close(&mut self) -> io::Result<()> {
        self.flush()
    }

    /// Hands at most `max` bytes of a file from `offset` on to the peer without
    /// copying them; `None` where this lane cannot.
    fn send_from(
        &mut self,
        _file: BorrowedFd<'_>,
        _offset: u64,
        _max: u64,
    ) -> Option<io::Result<u64>> {
        None
    }

    /// Moves at most `max` bytes of what came to a pipe without copying them; 0
    /// is the clean end, `None` where this lane cannot.
    fn pour(&mut self, _pipe: BorrowedFd<'_>, _max: u64) -> Option<io::Result<u64>> {
        None
    }
}

/// A socket as it is.
pub struct Plain<'a, S>(pub &'a mut S);

impl<S: Read + Write> Lane for Plain<'_, S> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        retrying(|| self.0.read(buf))
    }

    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        retrying(|| self.0.write(buf))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn holds_input(&self) -> bool {
        false
    }
}

/// TLS over a socket. `cipher` is lent: one large read of the socket feeds
/// many records.
pub struct Tls<'a, S> {
    connection: &'a mut Connection,
    socket: &'a mut S,
    cipher: &'a mut [u8],
    /// What of `cipher` the connection has not taken yet.
    unfed: std::ops::Range<usize>,
}

impl<'a, S: Read + Write> Tls<'a, S> {
    /// `cipher` needs at least one record's length (17 KiB) to be of use.
    pub fn new(connection: &'a mut Connection, socket: &'a mut S, cipher: &'a mut [u8]) -> Self {
        Self {
            connection,
            socket,
            cipher,
            unfed: 0..0,
        }
    }

    /// A small reader takes little off the socket, so that little is left over.
    fn feed(&mut self, wanted: usize) -> io::Result<Fed> {
        if self.unfed.is_empty() {
            let room = wanted.max(RECORD_MAX).min(self.cipher.len());
            let count = retrying(|| self.socket.read(&mut self.cipher[..room]))?;
            if count == 0 {
                return Ok(Fed::SocketEnded);
            }
            self.unfed = 0..count;
        }
        let mut left = &self.cipher[self.unfed.clone()];
        let before = left.len();
        self.connection.read_tls(&mut left)?;
        self.unfed.start += before - left.len();
        let state = self.connection.process_new_packets().map_err(broken_tls)?;
        Ok(if state.peer_has_closed() {
            Fed::PeerClosed
        } else {
            Fed::Some
        })
    }
}

/// One record with its overhead (RFC 8446 section 5.2).
const RECORD_MAX: usize = 5 + 16_384 + 256;

enum Fed {
    Some,
    PeerClosed,
    /// The socket ended; without close_notify the reader calls it an error.
    SocketEnded,
}

impl<S: Read + Write> Lane for Tls<'_, S> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buf.len() {
            match self.connection.reader().read(&mut buf[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    match self.feed(buf.len() - filled) {
                        Ok(Fed::Some | Fed::PeerClosed) => {}
                        Ok(Fed::SocketEnded) if filled > 0 => break,
                        Ok(Fed::SocketEnded) => return Err(io::ErrorKind::UnexpectedEof.into()),
                        Err(_) if filled > 0 => break,
                        Err(error) => return Err(error),
                    }
                }
                Err(_) if filled > 0 => break,
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.flush()?;
        let taken = self.connection.writer().write(buf)?;
        match self.flush() {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            _ => Ok(taken),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        while self.connection.wants_write() {
            retrying(|| self.connection.write_tls(self.socket))?;
        }
        Ok(())
    }

    fn holds_input(&self) -> bool {
        !self.unfed.is_empty()
    }

    /// Queued once, whatever the number of tries it takes to get it out.
    fn close(&mut self) -> io::Result<()> {
        self.connection.send_close_notify();
        self.flush()
    }
}

fn retrying<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

fn broken_tls(error: rustls::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
