//! A blocking connection, in TLS 1.3 or in clear, that can be cut.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, Error};
use rustls::{SignatureScheme, StreamOwned};
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

/// Trust comes from the login, which the channel binding ties to this connection.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(rustls::PeerIncompatible::Tls12NotOffered.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
