//! Listening sockets: accepts connections in batches, and retries after the process ran out of
//! descriptors.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};

/// After EMFILE an edge-triggered listener gets no new edge, so accept(2) is retried after this
/// time.
const RETRY: Duration = Duration::from_millis(100);
/// Most connections accepted in one turn of the loop, so that a storm of them does not delay the
/// sessions.
const ACCEPT_BATCH: usize = 64;

pub(crate) struct Listener {
    socket: TcpListener,
    pub(crate) address: SocketAddr,
    /// The address by which the settings name it: its port may be 0.
    pub(crate) named: SocketAddr,
    pub(crate) protocol: Protocol,
    state: AcceptState,
}

/// The protocol that a listener's connections speak.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Protocol {
    Native,
    /// FTP in clear until AUTH (RFC 4217).
    Ftp,
    /// FTP under TLS from the first byte (implicit FTPS).
    FtpOverTls,
}

/// Whence a connection has come, and where to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    pub(crate) peer: SocketAddr,
    pub(crate) protocol: Protocol,
    /// The address by which the settings name the listener.
    pub(crate) listener: SocketAddr,
}

/// What a listener has accepted.
pub(crate) struct Accepted {
    pub(crate) connections: Vec<(TcpStream, SocketAddr)>,
    pub(crate) ran_out: RanOut,
}

/// Whether accept(2) failed for want of descriptors.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum RanOut {
    No,
    /// It succeeded the last time.
    Newly,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum AcceptState {
    /// accept(2) returned `WouldBlock`: an edge will report the next connection.
    Drained,
    /// More connections may wait.
    Ready,
    /// Out of descriptors until a connection closes, or until this time.
    Backoff(Instant),
}

impl Listener {
    /// One that the settings name by the address `named`.
    pub(crate) fn of(
        socket: std::net::TcpListener,
        named: SocketAddr,
        protocol: Protocol,
    ) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let socket = TcpListener::from_std(socket);
        let address = socket.local_addr()?;
        Ok(Self {
            socket,
            address,
            named,
            protocol,
            state: AcceptState::Drained,
        })
    }

    /// Another descriptor of the socket.
    pub(crate) fn descriptor(&self) -> io::Result<OwnedFd> {
        self.socket.as_fd().try_clone_to_owned()
    }

    /// Closes it. Without the first step the poll would go on to report connections where another
    /// process has a descriptor of the same socket (epoll(7)).
    pub(crate) fn close(mut self, registry: &Registry) {
        let _ = registry.deregister(&mut self.socket);
    }

    pub(crate) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(&mut self.socket, token, Interest::READABLE)
    }

    pub(crate) fn mark_ready(&mut self) {
        self.state = AcceptState::Ready;
    }

    /// Lets the next [`Self::accept`] try again, after a descriptor was freed.
    pub(crate) fn retry_accept(&mut self) {
        if let AcceptState::Backoff(_) = self.state {
            self.state = AcceptState::Ready;
        }
    }

    /// When [`Self::accept`] must be called next without a new edge.
    pub(crate) fn due(&self, now: Instant) -> Option<Instant> {
        match self.state {
            AcceptState::Drained => None,
            AcceptState::Ready => Some(now),
            AcceptState::Backoff(until) => Some(until),
        }
    }

    /// Accepts up to [`ACCEPT_BATCH`] connections.
    pub(crate) fn accept(&mut self, now: Instant) -> Accepted {
        let mut accepted = Accepted {
            connections: Vec::new(),
            ran_out: RanOut::No,
        };
        if self.due(now).is_none_or(|due| due > now) {
            return accepted;
        }
        while accepted.connections.len() < ACCEPT_BATCH {
            match self.socket.accept() {
                Ok(connection) => accepted.connections.push(connection),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.state = AcceptState::Drained;
                    return accepted;
                }
                // The peer was gone before it was accepted (accept(2)).
                Err(error) if is_transient(&error) => {}
                Err(error) => {
                    if !matches!(self.state, AcceptState::Backoff(_)) {
                        log::warn!("{}: nobody can be let in: {error}", self.address);
                        accepted.ran_out = RanOut::Newly;
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

#[cfg(test)]
mod tests {
    use mio::{Events, Poll};

    use super::*;

    /// The process that takes over has the other descriptor.
    #[test]
    fn what_is_closed_is_reported_no_more_though_another_has_it() {
        let mut poll = Poll::new().unwrap();
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let mut listener = Listener::of(socket, address, Protocol::Native).unwrap();
        listener.register(poll.registry(), Token(0)).unwrap();
        let other = std::net::TcpListener::from(listener.descriptor().unwrap());
        listener.close(poll.registry());
        let _client = std::net::TcpStream::connect(address).unwrap();
        other.accept().unwrap();
        let mut events = Events::with_capacity(4);
        poll.poll(&mut events, Some(Duration::ZERO)).unwrap();
        assert!(events.is_empty(), "{events:?}");
    }
}
