//! Doors: listening sockets, and what to do when the process has no descriptor left.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};

/// After EMFILE an edge-triggered listener gets no new edge: it is tried again.
const RETRY: Duration = Duration::from_millis(100);
/// Connections taken at a time, so that a storm at the door lets others work.
const ACCEPT_BATCH: usize = 64;

pub(crate) struct Listener {
    socket: TcpListener,
    pub(crate) address: SocketAddr,
    pub(crate) protocol: Protocol,
    state: AcceptState,
}

/// What is spoken behind a door.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Protocol {
    Native,
    /// In clear, until AUTH.
    Ftp,
    /// FTP under TLS from the first byte.
    FtpOverTls,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum AcceptState {
    /// Drained: an edge will tell.
    Drained,
    /// More may wait.
    Ready,
    /// Out of descriptors until a close, or this time.
    Backoff(Instant),
}

impl Listener {
    pub(crate) fn bind(address: SocketAddr, protocol: Protocol) -> io::Result<Self> {
        let socket = TcpListener::bind(address)?;
        let address = socket.local_addr()?;
        Ok(Self {
            socket,
            address,
            protocol,
            state: AcceptState::Drained,
        })
    }

    pub(crate) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(&mut self.socket, token, Interest::READABLE)
    }

    pub(crate) fn mark_ready(&mut self) {
        self.state = AcceptState::Ready;
    }

    /// A descriptor was freed.
    pub(crate) fn retry_accept(&mut self) {
        if let AcceptState::Backoff(_) = self.state {
            self.state = AcceptState::Ready;
        }
    }

    /// When it wants to be tried again, whatever happens.
    pub(crate) fn due(&self, now: Instant) -> Option<Instant> {
        match self.state {
            AcceptState::Drained => None,
            AcceptState::Ready => Some(now),
            AcceptState::Backoff(until) => Some(until),
        }
    }

    /// The connections that wait, one batch.
    pub(crate) fn accept(&mut self, now: Instant) -> Vec<(TcpStream, SocketAddr)> {
        let mut accepted = Vec::new();
        if self.due(now).is_none_or(|due| due > now) {
            return accepted;
        }
        while accepted.len() < ACCEPT_BATCH {
            match self.socket.accept() {
                Ok(connection) => accepted.push(connection),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.state = AcceptState::Drained;
                    return accepted;
                }
                // The peer was gone before it was let in (accept(2)).
                Err(error) if is_transient(&error) => {}
                Err(error) => {
                    if !matches!(self.state, AcceptState::Backoff(_)) {
                        log::warn!("{}: nobody can be let in: {error}", self.address);
                    }
                    self.state = AcceptState::Backoff(now + RETRY);
                    return accepted;
                }
            }
        }
        self.state = AcceptState::Ready;
        accepted
    }
}

fn is_transient(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionReset | Interrupted
    )
}
