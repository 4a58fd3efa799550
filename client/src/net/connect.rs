//! Finds a server's addresses and connects to the first that accepts; Ctrl-C ends both.

use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::sockopt::socket_error;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use skiff_conf::HostPort;

use super::link::LinkError;
use crate::terminal::interrupt::Interrupt;
use crate::terminal::poll::{POLL_INTERVAL, PollEnd, poll_once};

/// Returns a non-blocking socket that is connected to the first address of the name that accepts.
///
/// # Errors
///
/// [`LinkError::Interrupted`] after Ctrl-C.
pub(super) fn connect(
    server: &HostPort,
    timeout: Duration,
    interrupt: &Interrupt,
) -> Result<TcpStream, LinkError> {
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in resolve(server, interrupt)? {
        match connect_to(address, Instant::now() + timeout, interrupt) {
            Ok(socket) => return Ok(socket),
            Err(_) if interrupt.is_stopped() => return Err(LinkError::Interrupted),
            Err(error) => failure = error,
        }
    }
    Err(LinkError::Connect(failure))
}

/// Asks the system's resolver, which may take long and cannot be stopped.
fn resolve(server: &HostPort, interrupt: &Interrupt) -> Result<Vec<SocketAddr>, LinkError> {
    let (host, port) = (server.host.clone(), server.port);
    let resolved = interrupt.unless_stopped(move || {
        let addresses = (host.as_str(), port).to_socket_addrs()?;
        io::Result::Ok(addresses.collect())
    });
    resolved
        .ok_or(LinkError::Interrupted)?
        .map_err(LinkError::Resolve)
}

/// Connects as connect(2) describes it for a socket that does not block.
fn connect_to(
    address: SocketAddr,
    deadline: Instant,
    interrupt: &Interrupt,
) -> io::Result<TcpStream> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(family, SocketType::STREAM, flags, None)?;
    match rustix::net::connect(&socket, &address) {
        Ok(()) => return Ok(socket.into()),
        Err(Errno::INPROGRESS | Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    loop {
        if interrupt.is_stopped() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        if poll_once(socket.as_fd(), PollFlags::OUT, left.min(POLL_INTERVAL))? == PollEnd::Ready {
            socket_error(&socket)??;
            return Ok(socket.into());
        }
    }
}
