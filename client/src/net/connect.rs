//! Finds a server's addresses and connects to the first that accepts; Ctrl-C ends both.

use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::sockopt::{set_socket_recv_buffer_size, socket_error};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use skiff_conf::HostPort;

use super::link::LinkError;
use super::rate_limit::RateLimit;
use super::trace::Trace;
use crate::terminal::interrupt::Interrupt;
use crate::terminal::poll::{POLL_INTERVAL, PollEnd, poll_once};

/// What the command line says of all connections.
#[derive(Clone, Default)]
pub(crate) struct LinkOptions {
    pub family: Family,
    pub trace: Trace,
    /// `None`: as fast as it goes.
    pub limit: Option<RateLimit>,
}

/// Which addresses of a server are taken (`-4`, `-6`).
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) enum Family {
    #[default]
    Any,
    V4,
    V6,
}

impl Family {
    fn has(self, address: &SocketAddr) -> bool {
        match self {
            Self::Any => true,
            Self::V4 => address.is_ipv4(),
            Self::V6 => address.is_ipv6(),
        }
    }

    /// What is said where a name has none of them.
    fn none(self) -> &'static str {
        match self {
            Self::Any => "the name has no address",
            Self::V4 => "the name has no IPv4 address, which -4 asks for",
            Self::V6 => "the name has no IPv6 address, which -6 asks for",
        }
    }
}

/// Returns a non-blocking socket that is connected to the first address of the name that accepts.
///
/// # Errors
///
/// [`LinkError::Interrupted`] after Ctrl-C.
pub(super) fn connect(
    server: &HostPort,
    timeout: Duration,
    options: &LinkOptions,
    interrupt: &Interrupt,
) -> Result<TcpStream, LinkError> {
    let family = options.family;
    let mut failure = io::Error::new(io::ErrorKind::NotFound, family.none());
    let addresses = resolve(server, interrupt)?;
    for address in addresses.into_iter().filter(|address| family.has(address)) {
        match connect_to(address, Instant::now() + timeout, options, interrupt) {
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
    options: &LinkOptions,
    interrupt: &Interrupt,
) -> io::Result<TcpStream> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(family, SocketType::STREAM, flags, None)?;
    if let Some(limit) = &options.limit {
        // Before the connection is made: its window follows (tcp(7)).
        set_socket_recv_buffer_size(&socket, limit.buffer_size())?;
    }
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

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn addresses_of_the_other_family_are_not_tried() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = HostPort {
            host: "127.0.0.1".into(),
            port: listener.local_addr().unwrap().port(),
        };
        let connect = |family| {
            let options = LinkOptions {
                family,
                ..LinkOptions::default()
            };
            let patience = Duration::from_secs(10);
            connect(&server, patience, &options, &Interrupt::default())
        };
        assert!(connect(Family::Any).is_ok());
        assert!(connect(Family::V4).is_ok());
        let told = connect(Family::V6).unwrap_err().to_string();
        assert!(
            told.contains("no IPv6 address, which -6 asks for"),
            "{told}"
        );
    }
}
