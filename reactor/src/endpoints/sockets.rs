//! Binds listening sockets.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, listen, socket_with, sockopt};
use skiff_conf::Server;

/// Connections that may wait to be accepted, as the kernel bounds them (listen(2)).
const BACKLOG: i32 = 1024;

/// Binds `address`, one of those that the settings name. Where they name an IPv4 address of the same
/// port too, an IPv6 socket leaves IPv4 to it (IPV6_V6ONLY, ipv6(7)); alone, `[::]` takes both, if
/// the machine does not say otherwise.
pub(crate) fn bind_listener(address: SocketAddr, config: &Server) -> io::Result<TcpListener> {
    match shares_its_port(address, config) {
        true => bind_ipv6_alone(address),
        false => TcpListener::bind(address),
    }
}

/// Whether an IPv6 address has the port of an IPv4 address.
fn shares_its_port(address: SocketAddr, config: &Server) -> bool {
    let others = [
        &config.native.listen,
        &config.ftp.listen,
        &config.ftp.implicit,
    ];
    let same = |other: &SocketAddr| other.is_ipv4() && other.port() == address.port();
    address.is_ipv6() && others.into_iter().flatten().any(same)
}

/// Whether an address may be left out that cannot be bound: `[::]` beside `0.0.0.0` of the same port,
/// as the default has it, on a machine without IPv6.
pub(crate) fn is_missing_family(address: SocketAddr, error: &io::Error, config: &Server) -> bool {
    let is_missing = matches!(
        Errno::from_io_error(error),
        Some(Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL)
    );
    let any = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), address.port());
    let beside = [
        &config.native.listen,
        &config.ftp.listen,
        &config.ftp.implicit,
    ];
    let is_beside = beside
        .into_iter()
        .any(|list| list.contains(&address) && list.contains(&any));
    is_missing && is_beside && address.is_ipv6() && address.ip().is_unspecified()
}

fn bind_ipv6_alone(address: SocketAddr) -> io::Result<TcpListener> {
    let flags = SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::INET6, SocketType::STREAM, flags, None)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    sockopt::set_ipv6_v6only(&socket, true)?;
    bind(&socket, &address)?;
    listen(&socket, BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn settings(addresses: &str) -> Server {
        let text = format!("(native: (listen: [{addresses}]), ftp: (listen: []))");
        Server::parse(&text, Path::new("server.ron")).unwrap()
    }

    #[test]
    fn ipv4_is_left_to_its_own_socket_of_the_same_port() {
        let both = settings("\"0.0.0.0:8001\", \"[::]:8001\", \"[::]:8002\"");
        let shares = |index: usize| shares_its_port(both.native.listen[index], &both);
        assert_eq!([shares(0), shares(1), shares(2)], [false, true, false]);
        let alone = settings("\"[::]:8001\"");
        assert!(!shares_its_port(alone.native.listen[0], &alone));
    }

    #[test]
    fn a_machine_without_ipv6_is_served_by_the_default() {
        let default = Server::parse("()", Path::new("server.ron")).unwrap();
        let [ipv4, ipv6] = default.native.listen[..] else {
            panic!("{:?}", default.native.listen);
        };
        let none = io::Error::from(Errno::AFNOSUPPORT);
        assert!(is_missing_family(ipv6, &none, &default));
        assert!(is_missing_family(default.ftp.listen[1], &none, &default));
        assert!(!is_missing_family(ipv4, &none, &default));
        let taken = io::Error::from(Errno::ADDRINUSE);
        assert!(!is_missing_family(ipv6, &taken, &default));
        let alone = settings("\"[::]:8001\"");
        assert!(
            !is_missing_family(ipv6, &none, &alone),
            "nothing else is there"
        );
    }

    #[test]
    fn such_a_socket_can_be_connected_to() {
        let config = settings("\"127.0.0.1:0\", \"[::1]:0\"");
        let bound = bind_listener(config.native.listen[1], &config);
        // A machine without IPv6 has no such address.
        if let Ok(bound) = bound {
            std::net::TcpStream::connect(bound.local_addr().unwrap()).unwrap();
        }
    }
}
