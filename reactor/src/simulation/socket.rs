//! [`Socket`], a peer's end of a connection, which never waits, and [`Fence`], which waits for all.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;

pub(super) struct Socket(TcpStream);

/// Lets all that was sent on this processor arrive: packets to this host wait in one queue, and
/// one sent last arrives last.
pub(super) struct Fence(TcpStream, TcpStream);

impl Fence {
    pub(super) fn new() -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let one = TcpStream::connect(listener.local_addr()?)?;
        one.set_nodelay(true)?;
        Ok(Self(one, listener.accept()?.0))
    }

    pub(super) fn wait(&mut self) -> io::Result<()> {
        self.0.write_all(b".")?;
        self.1.read_exact(&mut [0])
    }
}

/// What is there to be read.
pub(super) enum Got {
    Bytes(Vec<u8>),
    Nothing,
    End,
}

impl Socket {
    pub(super) fn connect(to: SocketAddr) -> io::Result<Self> {
        Self::of(TcpStream::connect(to)?)
    }

    pub(super) fn of(stream: TcpStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        Ok(Self(stream))
    }

    pub(super) fn read(&mut self) -> Got {
        let mut buffer = vec![0; 64 * 1024];
        match self.0.read(&mut buffer) {
            Ok(0) => Got::End,
            Ok(count) => {
                buffer.truncate(count);
                Got::Bytes(buffer)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Got::Nothing,
            Err(_) => Got::End,
        }
    }

    /// Sends what fits; `None` where the connection is lost.
    pub(super) fn send(&mut self, bytes: &[u8]) -> Option<usize> {
        match self.0.write(bytes) {
            Ok(count) => Some(count),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Some(0),
            Err(_) => None,
        }
    }

    pub(super) fn stream(&mut self) -> &mut TcpStream {
        &mut self.0
    }

    /// Lets the connection end by a reset.
    pub(super) fn reset(self) {
        let _ = set_socket_linger(&self.0, Some(Duration::ZERO));
    }
}
