//! Doors: listening sockets, and what to do when the process has no descriptor left.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};

/// After EMFILE an edge-triggered listener gets no new edge: it is tried again.
const RETRY: Duration = Duration::from_millis(100);
/// Connections taken at a time, so that a storm at the door lets others work.
const BATCH: usize = 64;

pub(crate) struct Listener {
    socket: TcpListener,
    pub(crate) address: SocketAddr,
    pub(crate) speech: Speech,
    state: Door,
}

/// What is spoken behind a door.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Speech {
    Native,
    /// In clear, until AUTH.
    Ftp,
    /// FTP under TLS from the first byte.
    FtpOverTls,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Door {
    /// Drained: an edge will tell.
    Quiet,
    /// More may wait.
    Knocking,
    /// Out of descriptors until a close, or this time.
    Stuck(Instant),
}

impl Listener {
    pub(crate) fn bind(address: SocketAddr, speech: Speech) -> io::Result<Self> {
        let socket = TcpListener::bind(address)?;
        let address = socket.local_addr()?;
        Ok(Self {
            socket,
            address,
            speech,
            state: Door::Quiet,
        })
    }

    pub(crate) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(&mut self.socket, token, Interest::READABLE)
    }

    pub(crate) fn knock(&mut self) {
        self.state = Door::Knocking;
    }

    /// A descriptor was freed.
    pub(crate) fn unstick(&mut self) {
        if let Door::Stuck(_) = self.state {
            self.state = Door::Knocking;
        }
    }

    /// When it wants to be tried again, whatever happens.
    pub(crate) fn due(&self, now: Instant) -> Option<Instant> {
        match self.state {
            Door::Quiet => None,
            Door::Knocking => Some(now),
            Door::Stuck(until) => Some(until),
        }
    }

    /// The connections that wait, one batch.
    pub(crate) fn accept(&mut self, now: Instant) -> Vec<(TcpStream, SocketAddr)> {
        let mut accepted = Vec::new();
        if self.due(now).is_none_or(|due| due > now) {
            return accepted;
        }
        while accepted.len() < BATCH {
            match self.socket.accept() {
                Ok(connection) => accepted.push(connection),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.state = Door::Quiet;
                    return accepted;
                }
                // The peer was gone before it was let in (accept(2)).
                Err(error) if is_passing(&error) => {}
                Err(error) => {
                    if !matches!(self.state, Door::Stuck(_)) {
                        log::warn!("{}: nobody can be let in: {error}", self.address);
                    }
                    self.state = Door::Stuck(now + RETRY);
                    return accepted;
                }
            }
        }
        self.state = Door::Knocking;
        accepted
    }
}

fn is_passing(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionReset | Interrupted
    )
}
