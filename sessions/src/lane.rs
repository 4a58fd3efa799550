//! The connection that bulk data goes through, with or without TLS: plaintext in and out, without
//! blocking.

use std::io::{self, Read, Write};
use std::os::fd::BorrowedFd;

use rustls::Connection;

/// A byte stream that answers `WouldBlock` instead of waiting.
pub trait Lane {
    /// Reads what is there into `buf`. `Ok(0)` is the peer's clean end; an end without close_notify
    /// is `UnexpectedEof`.
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize>;

    /// Takes as many bytes as it can and returns how many. Taken bytes may still wait for `flush`.
    fn write(&mut self, buf: &[u8]) -> io::Result<usize>;

    /// Hands all taken bytes to the kernel, or answers `WouldBlock`.
    fn flush(&mut self) -> io::Result<()>;

    /// Whether bytes were read off the socket that this lane has not handed out yet. A burst may
    /// not end before it has taken them.
    fn has_buffered_input(&self) -> bool;

    /// Flushes, and sends close_notify where there is TLS.
    fn close(&mut self) -> io::Result<()> {
        self.flush()
    }

    /// Sends at most `max` bytes of `file` from `offset` on, without copying them through user
    /// space (sendfile(2)). Returns how many; `None` where this lane cannot.
    fn sendfile(
        &mut self,
        _file: BorrowedFd<'_>,
        _offset: u64,
        _max: u64,
    ) -> Option<io::Result<u64>> {
        None
    }

    /// Moves at most `max` received bytes into `pipe` without copying them through user space
    /// (splice(2)). Returns how many, 0 for the clean end; `None` where this lane cannot.
    fn splice_into(&mut self, _pipe: BorrowedFd<'_>, _max: u64) -> Option<io::Result<u64>> {
        None
    }
}

/// A lane over a socket without TLS.
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

    fn has_buffered_input(&self) -> bool {
        false
    }
}

/// A lane over a TLS connection. `cipher` is a borrowed buffer: one large read of the socket feeds
/// many records.
pub struct Tls<'a, S> {
    connection: &'a mut Connection,
    socket: &'a mut S,
    cipher: &'a mut [u8],
    /// The bytes of `cipher` that the connection has not taken yet.
    unfed: std::ops::Range<usize>,
}

impl<'a, S: Read + Write> Tls<'a, S> {
    /// Wraps a TLS connection and its socket. `cipher` must have at least 17 KiB, the length of one
    /// record.
    pub fn new(connection: &'a mut Connection, socket: &'a mut S, cipher: &'a mut [u8]) -> Self {
        Self {
            connection,
            socket,
            cipher,
            unfed: 0..0,
        }
    }

    /// Gives the connection more ciphertext, reading the socket if none is left. `wanted` plaintext
    /// bytes bound the read, so that little is left over.
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

/// The longest TLS record with its overhead, in bytes (RFC 8446 section 5.2).
const RECORD_MAX: usize = 5 + 16_384 + 256;

enum Fed {
    Some,
    PeerClosed,
    /// The socket ended. Without close_notify rustls's reader calls that an error.
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

    fn has_buffered_input(&self) -> bool {
        !self.unfed.is_empty()
    }

    /// May be called again after `WouldBlock`: close_notify is queued once.
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
