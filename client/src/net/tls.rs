//! Sets up TLS 1.3 with any certificate: the remembered fingerprint shows who the server is before
//! the login, and the login proves it (SCRAM bound to this channel).

use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, Connection, Error};
use skiff_sessions::certificate::AnyCertificate;
use skiff_sessions::cipher_suites::{self, Aes};
use skiff_sessions::scram::Binding;

use super::known_hosts::{Fingerprint, fingerprint_of};

/// The protocol name in ALPN (PROTOCOL.md section 1).
const ALPN: &[u8] = b"skiff/1";

/// The most ciphertext that may wait for the socket, in bytes: what one chunk becomes.
const TLS_BUFFER_MAX: usize = 512 * 1024;

/// Returns the client's end of a handshake with `host`, a name or an address.
pub(crate) fn new_connection(host: &str) -> Result<Connection, Error> {
    let provider = Arc::new(cipher_suites::provider(Aes::detect()));
    let verifier = Arc::new(AnyCertificate(Arc::clone(&provider)));
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.resumption = rustls::client::Resumption::disabled();
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_| Error::General(format!("{host:?} is no host name")))?;
    let mut connection = ClientConnection::new(Arc::new(config), name)?;
    connection.set_buffer_limit(Some(TLS_BUFFER_MAX));
    Ok(connection.into())
}

/// True when the peer agreed to this protocol in ALPN.
pub(crate) fn speaks_skiff(connection: &Connection) -> bool {
    connection.alpn_protocol() == Some(ALPN)
}

/// Returns the fingerprint of the server's own certificate; `None` before the handshake is done.
pub(crate) fn fingerprint(connection: &Connection) -> Option<Fingerprint> {
    let certificate = connection.peer_certificates()?.first()?;
    Some(fingerprint_of(certificate))
}

/// Returns the value that binds a login to this channel (tls-exporter, RFC 9266 section 2).
pub(crate) fn channel_binding(connection: &Connection) -> Result<Binding, Error> {
    let label = b"EXPORTER-Channel-Binding";
    connection
        .export_keying_material([0; 32], label, Some(b""))
        .map(Binding::TlsExporter)
}
