//! A blocking connection, in TLS 1.3 or in clear, that can be cut.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use skiff_sessions::certificate::AnyCertificate;
use skiff_sessions::scram::Binding;

use super::PATIENCE;

#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Speech {
    Tls,
    Plain,
}

pub(crate) enum Wire {
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
    Plain(TcpStream),
}

impl Wire {
    /// Connected, the handshake done.
    #[track_caller]
    pub(crate) fn open(address: SocketAddr, speech: Speech) -> Self {
        let socket = TcpStream::connect(address).expect("the daemon takes connections");
        socket.set_nodelay(true).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_write_timeout(Some(PATIENCE)).unwrap();
        Self::over(socket, speech)
    }

    /// Over a connection that has said nothing yet, the handshake done.
    #[track_caller]
    pub(crate) fn over(socket: TcpStream, speech: Speech) -> Self {
        let address = socket.peer_addr().unwrap();
        match speech {
            Speech::Plain => Self::Plain(socket),
            Speech::Tls => Self::Tls(Box::new(secure(address, socket))),
        }
    }

    /// What ties a login to this connection.
    pub(crate) fn binding(&self) -> Binding {
        let Self::Tls(tls) = self else {
            return Binding::None;
        };
        let label = b"EXPORTER-Channel-Binding";
        let bytes = tls.conn.export_keying_material([0; 32], label, Some(b""));
        Binding::TlsExporter(bytes.unwrap())
    }

    /// With a reset, which may overtake what was sent.
    pub(crate) fn reset(self) {
        let linger = rustix::net::sockopt::set_socket_linger;
        linger(self.socket(), Some(std::time::Duration::ZERO)).unwrap();
    }

    /// No more is sent, without a word of TLS; what was sent arrives.
    pub(crate) fn hang_up(self) {
        self.socket().shutdown(Shutdown::Both).unwrap();
    }

    /// The sending side ends: close_notify where there is TLS, else FIN.
    pub(crate) fn finish_sending(&mut self) {
        match self {
            Self::Tls(tls) => {
                tls.conn.send_close_notify();
                tls.flush().unwrap();
            }
            Self::Plain(socket) => socket.shutdown(Shutdown::Write).unwrap(),
        }
    }

    pub(crate) fn socket(&self) -> &TcpStream {
        match self {
            Self::Tls(tls) => &tls.sock,
            Self::Plain(socket) => socket,
        }
    }
}

impl Read for Wire {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tls(tls) => tls.read(buf),
            Self::Plain(socket) => socket.read(buf),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tls(tls) => tls.write(buf),
            Self::Plain(socket) => socket.write(buf),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Tls(tls) => tls.flush(),
            Self::Plain(socket) => socket.flush(),
        }
    }
}

fn secure(address: SocketAddr, mut socket: TcpStream) -> StreamOwned<ClientConnection, TcpStream> {
    let provider = Arc::new(ring::default_provider());
    let verifier = Arc::new(AnyCertificate(Arc::clone(&provider)));
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"skiff/1".to_vec()];
    let name = ServerName::from(address.ip());
    let mut connection = ClientConnection::new(Arc::new(config), name).unwrap();
    while connection.is_handshaking() {
        connection
            .complete_io(&mut socket)
            .expect("the TLS handshake succeeds");
    }
    assert_eq!(connection.alpn_protocol(), Some(&b"skiff/1"[..]));
    StreamOwned::new(connection, socket)
}
