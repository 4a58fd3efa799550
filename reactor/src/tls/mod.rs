//! TLS of the server: certificate and key, the rustls configuration of each dialect, and the
//! channel binding of logins. Besides this folder, only `transport/channel.rs`,
//! `event_loop/shared.rs`, `connection/data.rs` and `sessions::lane` name rustls. What is sent over
//! a connection does not belong here.

pub(crate) mod ftp;
pub(crate) mod validity;

use std::fs;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::NoServerSessionStorage;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{Connection, ServerConfig, ServerConnection, SupportedProtocolVersion};
use sha2::{Digest, Sha256};
use skiff_conf::{Identity, Server};
use skiff_sessions::cipher_suites::{self, Aes};

use self::validity::Validity;

/// The label of the exporter (RFC 9266 section 2).
const BINDING_LABEL: &[u8] = b"EXPORTER-Channel-Binding";
const ALPN: &[u8] = b"skiff/1";

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    #[error("{}: {error}", path.display())]
    File { path: PathBuf, error: io::Error },
    #[error("{}: {what}", path.display())]
    Pem { path: PathBuf, what: String },
    #[error("a certificate cannot be made: {0}")]
    Make(#[from] rcgen::Error),
    #[error("the certificate and its key do not go together: {0}")]
    Pair(rustls::Error),
    #[error("tls cannot be set up: {0}")]
    Setup(#[from] rustls::Error),
}

/// The certificate and its key, used by both dialects.
#[derive(Clone)]
pub(crate) struct ServerIdentity {
    aes: Aes,
    provider: Arc<CryptoProvider>,
    certified: Arc<SingleCertAndKey>,
    fingerprint: String,
    /// `None` where its dates cannot be read.
    validity: Option<Validity>,
}

impl ServerIdentity {
    /// Loads the operator's files, or the self-made ones in `state`, which are made if missing.
    pub(crate) fn load(identity: Option<&Identity>, state: &Path) -> Result<Self, TlsError> {
        match identity {
            Some(identity) => Self::from_files(&identity.certificate, &identity.key, Aes::detect()),
            None => {
                let [certificate, key] = own_files(state);
                if !certificate.exists() || !key.exists() {
                    make_identity(&certificate, &key)?;
                }
                Self::from_files(&certificate, &key, Aes::detect())
            }
        }
    }

    /// Whether the daemon makes its own at its start.
    pub(crate) fn is_to_be_made(config: &Server) -> bool {
        let [certificate, key] = own_files(&config.state);
        config.tls.is_none() && (!certificate.exists() || !key.exists())
    }

    /// SHA-256 of the certificate in hexadecimal, as clients show it.
    pub(crate) fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    pub(crate) fn validity(&self) -> Option<Validity> {
        self.validity
    }

    fn from_files(certificate: &Path, key: &Path, aes: Aes) -> Result<Self, TlsError> {
        let chain: Vec<_> = CertificateDer::pem_file_iter(certificate)
            .and_then(Iterator::collect)
            .map_err(|error| pem_error(certificate, &error))?;
        let Some(leaf) = chain.first() else {
            let what = "holds no certificate".to_owned();
            return Err(TlsError::Pem {
                path: certificate.to_owned(),
                what,
            });
        };
        let fingerprint = hex(&Sha256::digest(leaf));
        let validity = Validity::of(leaf);
        let key = PrivateKeyDer::from_pem_file(key).map_err(|error| pem_error(key, &error))?;
        let provider = Arc::new(cipher_suites::provider(aes));
        let certified = CertifiedKey::from_der(chain, key, &provider).map_err(TlsError::Pair)?;
        Ok(Self {
            aes,
            provider,
            certified: Arc::new(certified.into()),
            fingerprint,
            validity,
        })
    }

    /// A configuration that asks for no client certificate and keeps no state of finished sessions.
    fn config(
        &self,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Result<ServerConfig, rustls::Error> {
        let certified = Arc::clone(&self.certified);
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(versions)?
            .with_no_client_auth()
            .with_cert_resolver(certified);
        config.session_storage = Arc::new(NoServerSessionStorage {});
        // Clients put AES first where their processor has instructions for it, which is what costs
        // most where ours has none. With such instructions here, the client's order counts.
        config.ignore_client_order = self.aes == Aes::Software;
        Ok(config)
    }
}

/// The self-made certificate and its key.
fn own_files(state: &Path) -> [PathBuf; 2] {
    ["certificate.pem", "key.pem"].map(|name| state.join(name))
}

/// Makes connections of the native dialect.
#[derive(Clone)]
pub(crate) struct Tls(Arc<ServerConfig>);

impl Tls {
    pub(crate) fn new(identity: &ServerIdentity) -> Result<Self, TlsError> {
        let mut config = identity.config(&[&rustls::version::TLS13])?;
        config.alpn_protocols = vec![ALPN.to_vec()];
        // Native sessions last and are not resumed; tickets would only cost memory.
        config.send_tls13_tickets = 0;
        Ok(Self(Arc::new(config)))
    }

    pub(crate) fn connection(&self) -> Result<Connection, TlsError> {
        Ok(ServerConnection::new(Arc::clone(&self.0))?.into())
    }
}

/// The `tls-exporter` channel binding of a connection whose handshake is done.
pub(crate) fn binding(connection: &Connection) -> Option<[u8; 32]> {
    connection
        .export_keying_material([0; 32], BINDING_LABEL, Some(b""))
        .ok()
}

/// Makes a self-signed certificate: native clients trust the login (SCRAM with channel binding),
/// not a name.
fn make_identity(certificate: &Path, key: &Path) -> Result<(), TlsError> {
    let pair = rcgen::KeyPair::generate()?;
    let mut params = rcgen::CertificateParams::new(vec!["skiff".to_owned()])?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, "skiff");
    params.not_after = rcgen::date_time_ymd(4096, 1, 1);
    let made = params.self_signed(&pair)?;
    write_private(key, &pair.serialize_pem())?;
    write_private(certificate, &made.pem())
}

/// Writes a file whole or not at all, readable by its owner only.
fn write_private(path: &Path, text: &str) -> Result<(), TlsError> {
    let fresh = path.with_extension("new");
    let write = || {
        let mut options = fs::OpenOptions::new();
        let mut file = options
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&fresh)?;
        io::Write::write_all(&mut file, text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&fresh, path)
    };
    write().map_err(|error| TlsError::File {
        path: path.to_owned(),
        error,
    })
}

fn pem_error(path: &Path, error: &rustls::pki_types::pem::Error) -> TlsError {
    TlsError::Pem {
        path: path.to_owned(),
        what: error.to_string(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
