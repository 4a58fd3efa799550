//! TLS as every measurement uses it: version 1.3, one cipher, any certificate.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, TcpStream};
use std::path::Path;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::cipher::{AeadKey, Iv};
use rustls::crypto::ring::cipher_suite::TLS13_AES_128_GCM_SHA256;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::version::TLS13;
use rustls::{ClientConfig, ClientConnection, ServerConfig};
use rustls::{ConnectionTrafficSecrets, ServerConnection, SupportedCipherSuite};
use skiff_sessions::certificate::AnyCertificate;

use crate::stream::Stream;
use crate::{LoadError, Result};

/// The one that every server has.
pub(crate) const SUITE: SupportedCipherSuite = TLS13_AES_128_GCM_SHA256;

/// The protocol name of the native dialect.
pub(crate) const NATIVE: &[u8] = b"skiff/1";

/// One per session: its data connections resume what its control connection began, with tickets
/// that are used once (RFC 8446, appendix C.4).
pub(crate) fn client(alpn: Option<&[u8]>) -> Result<Arc<ClientConfig>> {
    let provider = provider();
    let verifier = Arc::new(AnyCertificate(Arc::clone(&provider)));
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.alpn_protocols = alpn.into_iter().map(<[u8]>::to_vec).collect();
    config.resumption = Resumption::in_memory_sessions(32);
    Ok(Arc::new(config))
}

pub(crate) fn connect(socket: TcpStream, config: &Arc<ClientConfig>) -> Result<Stream> {
    let name = ServerName::from(socket.peer_addr()?.ip());
    Stream::client(socket, ClientConnection::new(Arc::clone(config), name)?)
}

/// With the identity that `write_identity` made in `dir`.
pub(crate) fn server(dir: &Path) -> Result<Arc<ServerConfig>> {
    let unreadable = |error| LoadError::Usage(format!("the identity in {dir:?}: {error}"));
    let certificate =
        CertificateDer::from_pem_file(dir.join("certificate.pem")).map_err(unreadable)?;
    let key = PrivateKeyDer::from_pem_file(dir.join("key.pem")).map_err(unreadable)?;
    let config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])?
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)?;
    Ok(Arc::new(config))
}

/// A self-signed P-256 certificate and its key: certificate.pem, key.pem, and both.pem for servers
/// that want them in one file.
pub(crate) fn write_identity(dir: &Path) -> Result<()> {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()])?;
    let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    fs::write(dir.join("certificate.pem"), &certificate)?;
    fs::write(dir.join("key.pem"), &key)?;
    fs::write(dir.join("both.pem"), key + &certificate)?;
    Ok(())
}

/// A key as a handshake makes it: rustls gives none of 16 bytes otherwise.
pub(crate) fn record_key() -> Result<(AeadKey, Iv)> {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()])?;
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der());
    let key = key.map_err(|what| LoadError::Usage(what.to_owned()))?;
    let server = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])?
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)?;
    let mut config = ClientConfig::clone(&*client(None)?);
    config.enable_secret_extraction = true;
    let name = ServerName::from(IpAddr::from(Ipv4Addr::LOCALHOST));
    let mut client = ClientConnection::new(Arc::new(config), name)?;
    let mut server = ServerConnection::new(Arc::new(server))?;
    while client.is_handshaking() || client.wants_write() {
        let mut wire = Vec::new();
        client.write_tls(&mut wire)?;
        server.read_tls(&mut wire.as_slice())?;
        server.process_new_packets()?;
        wire.clear();
        server.write_tls(&mut wire)?;
        client.read_tls(&mut wire.as_slice())?;
        client.process_new_packets()?;
    }
    match client.dangerous_extract_secrets()?.tx {
        (_, ConnectionTrafficSecrets::Aes128Gcm { key, iv }) => Ok((key, iv)),
        _ => Err(LoadError::Usage("the cipher is AES-128-GCM".to_owned())),
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(CryptoProvider {
        cipher_suites: vec![SUITE],
        ..ring::default_provider()
    })
}
