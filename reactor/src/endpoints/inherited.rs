//! Listening sockets that the service manager has made (sd_listen_fds(3)), or that the process before
//! hands over: they outlive a daemon, so that nobody is refused while another takes its place.

use std::net::{Ipv6Addr, SocketAddr, TcpListener};

use listenfd::ListenFd;
use rustix::net::sockopt::ipv6_v6only;

/// The sockets that no listener has taken yet.
#[derive(Default)]
pub(crate) struct Inherited {
    sockets: Vec<(SocketAddr, TcpListener)>,
    from: From,
    /// The ports of those that take IPv4 too (ipv6(7)) and were taken.
    dual_ports: Vec<u16>,
}

/// Who has made the sockets.
#[derive(Clone, Copy, Default)]
enum From {
    #[default]
    ServiceManager,
    ProcessBefore,
}

impl Inherited {
    /// Those of the process before, with the addresses by which its settings named them.
    pub(crate) fn from_process(sockets: Vec<(SocketAddr, TcpListener)>) -> Self {
        Self {
            sockets,
            from: From::ProcessBefore,
            dual_ports: Vec::new(),
        }
    }

    /// Takes all that the service manager has passed, and says what is wrong with others.
    pub(crate) fn from_manager() -> (Self, Vec<String>) {
        let mut passed = ListenFd::from_env();
        let mut inherited = Self::default();
        let mut wrong = Vec::new();
        for index in 0..passed.len() {
            let taken = passed.take_tcp_listener(index);
            let addressed = taken.and_then(|socket| match socket {
                Some(socket) => Ok(Some((socket.local_addr()?, socket))),
                None => Ok(None),
            });
            match addressed {
                Ok(socket) => inherited.sockets.extend(socket),
                Err(error) => wrong.push(format!(
                    "socket {index} of the service manager is not listened on: {error}"
                )),
            }
        }
        (inherited, wrong)
    }

    /// Takes the socket of this address.
    pub(crate) fn take(&mut self, address: SocketAddr) -> Option<TcpListener> {
        let at = self.sockets.iter().position(|(its, _)| *its == address)?;
        // The others stay in their order: several may have a port that the system chose.
        let (_, socket) = self.sockets.remove(at);
        let is_any = address.ip() == Ipv6Addr::UNSPECIFIED;
        if is_any && ipv6_v6only(&socket) == Ok(false) {
            self.dual_ports.push(address.port());
        }
        Some(socket)
    }

    /// Whether the connections to an IPv4 address come by a socket for IPv6 that was passed.
    pub(crate) fn covers(&self, address: SocketAddr) -> bool {
        let any = SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), address.port());
        let is_dual = |(its, socket): &(SocketAddr, TcpListener)| {
            *its == any && ipv6_v6only(socket) == Ok(false)
        };
        address.is_ipv4()
            && address.ip().is_unspecified()
            && (self.dual_ports.contains(&address.port()) || self.sockets.iter().any(is_dual))
    }

    /// Closes what nobody took, and says so.
    pub(crate) fn close(self) -> Vec<String> {
        let unnamed = |(address, _): (SocketAddr, TcpListener)| match self.from {
            From::ServiceManager => {
                format!(
                    "the service manager listens on {address}, which no listen key names; closed"
                )
            }
            From::ProcessBefore => {
                format!("{address} is listened on no more: no listen key names it")
            }
        };
        self.sockets.into_iter().map(unnamed).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holding(address: &str) -> (SocketAddr, Inherited) {
        let socket = TcpListener::bind(address).unwrap();
        let address = socket.local_addr().unwrap();
        let inherited = Inherited {
            sockets: vec![(address, socket)],
            ..Inherited::default()
        };
        (address, inherited)
    }

    #[test]
    fn a_socket_is_taken_by_its_address_once() {
        let (address, mut inherited) = holding("127.0.0.1:0");
        let other = SocketAddr::new(address.ip(), 1);
        assert!(inherited.take(other).is_none());
        let taken = inherited.take(address).unwrap();
        assert_eq!(taken.local_addr().unwrap(), address);
        assert!(inherited.take(address).is_none() && inherited.close().is_empty());
    }

    #[test]
    fn what_no_key_names_is_told() {
        let (address, inherited) = holding("127.0.0.1:0");
        let told = inherited.close();
        assert_eq!(told.len(), 1);
        assert!(
            told[0].contains(&format!("listens on {address}, ")),
            "{told:?}"
        );
    }
}
