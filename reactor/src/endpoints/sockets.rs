//! Binds listening sockets.

use std::io;
use std::net::{SocketAddr, TcpListener};

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
    fn such_a_socket_can_be_connected_to() {
        let config = settings("\"127.0.0.1:0\", \"[::1]:0\"");
        let bound = bind_listener(config.native.listen[1], &config);
        // A machine without IPv6 has no such address.
        if let Ok(bound) = bound {
            std::net::TcpStream::connect(bound.local_addr().unwrap()).unwrap();
        }
    }
}
