//! The listening socket of metrics, on a loopback address or a Unix socket, and its connections.

use std::fs::Permissions;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;

use mio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use mio::{Interest, Registry, Token};
use rustix::fs::{Access, access};
use rustix::io::Errno;
use skiff_conf::MetricsAddress;

use super::http::Reached;

/// The socket's owner and group may connect to it.
const MODE: u32 = 0o660;

pub(crate) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

pub(super) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Listener {
    /// Binds the address. A Unix socket that is there, and that nobody listens on, is left over from
    /// a daemon that has ended, and is replaced.
    pub(crate) fn bind(address: &MetricsAddress) -> io::Result<Self> {
        match address {
            MetricsAddress::Tcp(address) => Ok(Self::Tcp(TcpListener::bind(*address)?)),
            MetricsAddress::Unix(path) => {
                match examine(path)? {
                    Place::Free => {}
                    Place::LeftOver => std::fs::remove_file(path)?,
                }
                let listener = UnixListener::bind(path)?;
                std::fs::set_permissions(path, Permissions::from_mode(MODE))?;
                Ok(Self::Unix(listener))
            }
        }
    }

    /// The socket of the process before, which it has bound to `address`.
    pub(crate) fn take_over(address: &MetricsAddress, socket: OwnedFd) -> io::Result<Self> {
        match address {
            MetricsAddress::Tcp(_) => {
                let socket = std::net::TcpListener::from(socket);
                socket.set_nonblocking(true)?;
                Ok(Self::Tcp(TcpListener::from_std(socket)))
            }
            MetricsAddress::Unix(_) => {
                let socket = std::os::unix::net::UnixListener::from(socket);
                socket.set_nonblocking(true)?;
                Ok(Self::Unix(UnixListener::from_std(socket)))
            }
        }
    }

    /// Another descriptor of the socket.
    pub(super) fn descriptor(&self) -> io::Result<OwnedFd> {
        match self {
            Self::Tcp(listener) => listener.as_fd().try_clone_to_owned(),
            Self::Unix(listener) => listener.as_fd().try_clone_to_owned(),
        }
    }

    /// Whether [`Self::bind`] would succeed; makes and removes nothing.
    pub(crate) fn try_out(address: &MetricsAddress) -> io::Result<()> {
        match address {
            MetricsAddress::Tcp(address) => TcpListener::bind(*address).map(drop),
            MetricsAddress::Unix(path) => {
                examine(path)?;
                let folder = path.parent().unwrap_or(path);
                Ok(access(folder, Access::WRITE_OK | Access::EXEC_OK)?)
            }
        }
    }

    /// Where it listens, which the system may have chosen.
    pub(crate) fn address(&self) -> io::Result<String> {
        Ok(match self {
            Self::Tcp(listener) => listener.local_addr()?.to_string(),
            Self::Unix(listener) => match listener.local_addr()?.as_pathname() {
                Some(path) => format!("unix:{}", path.display()),
                None => "a unix socket without a name".to_owned(),
            },
        })
    }

    pub(super) fn reached(&self) -> Reached {
        match self {
            Self::Tcp(_) => Reached::Tcp,
            Self::Unix(_) => Reached::Unix,
        }
    }

    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        match self {
            Self::Tcp(listener) => registry.register(listener, token, Interest::READABLE),
            Self::Unix(listener) => registry.register(listener, token, Interest::READABLE),
        }
    }

    pub(super) fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        match self {
            Self::Tcp(listener) => registry.deregister(listener),
            Self::Unix(listener) => registry.deregister(listener),
        }
    }

    pub(super) fn accept(&self) -> io::Result<Stream> {
        match self {
            Self::Tcp(listener) => listener.accept().map(|(stream, _)| Stream::Tcp(stream)),
            Self::Unix(listener) => listener.accept().map(|(stream, _)| Stream::Unix(stream)),
        }
    }
}

enum Place {
    Free,
    LeftOver,
}

/// What is at the path of a socket that is to be made.
fn examine(path: &Path) -> io::Result<Place> {
    match path.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Place::Free),
        Err(error) => Err(error),
        Ok(found) if !found.file_type().is_socket() => Err(Errno::EXIST.into()),
        Ok(_) => match std::os::unix::net::UnixStream::connect(path) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(Place::LeftOver),
            Err(error) => Err(error),
            Ok(_) => Err(Errno::ADDRINUSE.into()),
        },
    }
}

impl Stream {
    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        let both = Interest::READABLE | Interest::WRITABLE;
        match self {
            Self::Tcp(stream) => registry.register(stream, token, both),
            Self::Unix(stream) => registry.register(stream, token, both),
        }
    }

    pub(super) fn end_writing(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Self::Unix(stream) => stream.shutdown(Shutdown::Write),
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buf),
            Self::Unix(stream) => stream.read(buf),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(buf),
            Self::Unix(stream) => stream.write(buf),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_that_is_left_over_is_replaced_and_nothing_else_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.sock");
        let address = MetricsAddress::Unix(path.clone());
        let first = Listener::bind(&address).unwrap();
        let mode = path.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, MODE);
        for taken in [
            Listener::bind(&address).map(drop),
            Listener::try_out(&address),
        ] {
            assert_eq!(taken.unwrap_err().kind(), io::ErrorKind::AddrInUse);
        }
        drop(first);
        assert!(path.exists());
        Listener::try_out(&address).unwrap();
        drop(Listener::bind(&address).unwrap());
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "precious").unwrap();
        for taken in [
            Listener::bind(&address).map(drop),
            Listener::try_out(&address),
        ] {
            assert_eq!(taken.unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        }
        assert_eq!(std::fs::read(&path).unwrap(), b"precious");
    }
}
