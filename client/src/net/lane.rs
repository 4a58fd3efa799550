//! Wraps the link's socket, with TLS or without, as the lane that lines and bulk data go through.

use std::io;
use std::net::TcpStream;

use rustls::Connection;
use skiff_sessions::lane::{Lane, Plain, Tls};

/// A lane over the link's socket, of either kind.
pub(crate) enum AnyLane<'a> {
    Plain(Plain<'a, TcpStream>),
    Tls(Tls<'a, TcpStream>),
}

impl<'a> AnyLane<'a> {
    /// Wraps the socket, and the TLS connection where there is one; `ciphertext` is the buffer that
    /// TLS reads into.
    pub(crate) fn over(
        socket: &'a mut TcpStream,
        tls: Option<&'a mut Connection>,
        ciphertext: &'a mut [u8],
    ) -> Self {
        match tls {
            None => Self::Plain(Plain(socket)),
            Some(tls) => Self::Tls(Tls::new(tls, socket, ciphertext)),
        }
    }
}

impl Lane for AnyLane<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(lane) => lane.read(buf),
            Self::Tls(lane) => lane.read(buf),
        }
    }

    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(lane) => lane.write(buf),
            Self::Tls(lane) => lane.write(buf),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(lane) => lane.flush(),
            Self::Tls(lane) => lane.flush(),
        }
    }

    fn has_buffered_input(&self) -> bool {
        match self {
            Self::Plain(lane) => lane.has_buffered_input(),
            Self::Tls(lane) => lane.has_buffered_input(),
        }
    }
}

/// Writes `bytes` from `sent` on, advances `sent`, and flushes. After `WouldBlock`, call it again
/// with the same `sent`.
pub(crate) fn write_all(lane: &mut impl Lane, bytes: &[u8], sent: &mut usize) -> io::Result<()> {
    while *sent < bytes.len() {
        match lane.write(&bytes[*sent..])? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            count => *sent += count,
        }
    }
    lane.flush()
}
