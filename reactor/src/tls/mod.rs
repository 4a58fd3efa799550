//! TLS of the server: certificates and keys, the rustls configuration of each dialect, and the
//! channel binding of logins. Besides this folder, only `transport/channel.rs`,
//! `event_loop/shared.rs`, `connection/data.rs` and `sessions::lane` name rustls. What is sent over
//! a connection does not belong here.

pub(crate) mod clients;
mod der;
pub(crate) mod ftp;
pub(crate) mod names;
mod served;
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
use rustls::server::danger::ClientCertVerifier;
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{Connection, ServerConfig, ServerConnection, SupportedProtocolVersion};
use sha2::{Digest, Sha256};
use skiff_conf::{Certificates, ClientAuthority, HostName, Identity, Server, TlsVersion};
use skiff_sessions::cipher_suites::{self, Aes};
use skiff_sessions::host::{HostPattern, Hosts};

use self::names::CertificateNames;
use self::served::{Served, ServedCertificate};
use self::validity::{Validities, Validity};

type Versions = &'static [&'static SupportedProtocolVersion];

const FROM_TLS12: Versions = &[&TLS12, &TLS13];
const FROM_TLS13: Versions = &[&TLS13];

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
    #[error(
        "{} is not the key of the certificate {}: {error}", key.display(), certificate.display()
    )]
    Pair {
        certificate: PathBuf,
        key: PathBuf,
        error: rustls::Error,
    },
    #[error("tls cannot be set up: {0}")]
    Setup(#[from] rustls::Error),
}

impl TlsError {
    fn without_certificate(path: &Path) -> Self {
        Self::Pem {
            path: path.to_owned(),
            what: "holds no certificate".to_owned(),
        }
    }
}

/// The certificates and their keys, used by both dialects.
#[derive(Clone)]
pub(crate) struct ServerIdentity {
    aes: Aes,
    provider: Arc<CryptoProvider>,
    served: Arc<Served>,
    /// `None` where clients are asked for no certificates.
    clients: Option<Arc<dyn ClientCertVerifier>>,
    versions: Versions,
    hosts: Hosts,
    fingerprints: Vec<String>,
    validities: Validities,
}

impl ServerIdentity {
    /// Loads the operator's files, or the self-made ones in `state`, which are made if missing.
    pub(crate) fn load(settings: &Certificates, state: &Path) -> Result<Self, TlsError> {
        if !settings.identities.is_empty() {
            return Self::from_files(settings, &settings.identities, Aes::detect());
        }
        let [certificate, key] = own_files(state);
        if !certificate.exists() || !key.exists() {
            make_identity(&certificate, &key)?;
        }
        let own = Identity {
            certificate,
            key,
            names: Vec::new(),
        };
        Self::from_files(settings, &[own], Aes::detect())
    }

    /// Whether the daemon makes its own at its start.
    pub(crate) fn is_to_be_made(config: &Server) -> bool {
        let [certificate, key] = own_files(&config.state);
        config.tls.identities.is_empty() && (!certificate.exists() || !key.exists())
    }

    /// SHA-256 of each certificate in hexadecimal, as clients show it.
    pub(crate) fn fingerprints(&self) -> &[String] {
        &self.fingerprints
    }

    pub(crate) fn validities(&self) -> &Validities {
        &self.validities
    }

    /// What HOST may name: all that there are certificates for, where the operator has named any.
    pub(crate) fn hosts(&self) -> &Hosts {
        &self.hosts
    }

    fn from_files(
        settings: &Certificates,
        identities: &[Identity],
        aes: Aes,
    ) -> Result<Self, TlsError> {
        let provider = Arc::new(cipher_suites::provider(aes));
        let loaded = identities
            .iter()
            .map(|identity| Loaded::from_files(identity, &provider));
        let loaded: Vec<Loaded> = loaded.collect::<Result<_, _>>()?;
        let mut validities = Validities::default();
        for (identity, one) in identities.iter().zip(&loaded) {
            let what = match identities.len() {
                1 => "the certificate".to_owned(),
                _ => format!("the certificate {}", identity.certificate.display()),
            };
            if let Some(validity) = one.validity {
                validities.add(what, validity);
            }
        }
        let hosts = match identities.iter().all(|identity| identity.names.is_empty()) {
            true => Hosts::Any,
            false => Hosts::Named(loaded.iter().flat_map(|one| one.names.clone()).collect()),
        };
        let clients = settings.clients.as_ref();
        let clients = clients.map(|authority| clients::verifier(authority, &provider));
        Ok(Self {
            aes,
            clients: clients.transpose()?,
            provider,
            versions: match settings.minimum {
                TlsVersion::Tls12 => FROM_TLS12,
                TlsVersion::Tls13 => FROM_TLS13,
            },
            hosts,
            fingerprints: loaded.iter().map(|one| one.fingerprint.clone()).collect(),
            validities,
            served: Arc::new(Served::new(
                loaded.into_iter().map(Loaded::served).collect(),
            )),
        })
    }

    /// A configuration that keeps no state of finished sessions.
    fn config(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        clients: Option<&Arc<dyn ClientCertVerifier>>,
    ) -> Result<ServerConfig, rustls::Error> {
        let served = Arc::clone(&self.served);
        let builder = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(versions)?;
        let builder = match clients {
            Some(clients) => builder.with_client_cert_verifier(Arc::clone(clients)),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_cert_resolver(served);
        config.session_storage = Arc::new(NoServerSessionStorage {});
        // Clients put AES first where their processor has instructions for it, which is what costs
        // most where ours has none. With such instructions here, the client's order counts.
        config.ignore_client_order = self.aes == Aes::Software;
        Ok(config)
    }
}

/// Reads a certificate and its key, which must go together; the names in it.
pub(crate) fn try_pair(identity: &Identity) -> Result<CertificateNames, TlsError> {
    let provider = cipher_suites::provider(Aes::detect());
    let loaded = Loaded::from_files(identity, &provider)?;
    let leaf = loaded.certified.end_entity_cert()?;
    Ok(CertificateNames::of(leaf))
}

/// Reads by what clients' certificates are judged.
pub(crate) fn try_clients(authority: &ClientAuthority) -> Result<(), TlsError> {
    let provider = Arc::new(cipher_suites::provider(Aes::detect()));
    clients::verifier(authority, &provider).map(drop)
}

/// A certificate as its files have it.
struct Loaded {
    certified: CertifiedKey,
    names: Vec<HostPattern>,
    fingerprint: String,
    /// `None` where its dates cannot be read.
    validity: Option<Validity>,
}

impl Loaded {
    fn from_files(identity: &Identity, provider: &CryptoProvider) -> Result<Self, TlsError> {
        let Identity {
            certificate,
            key,
            names,
        } = identity;
        let chain = certificates(certificate)?;
        let Some(leaf) = chain.first() else {
            return Err(TlsError::without_certificate(certificate));
        };
        let fingerprint = hex(&Sha256::digest(leaf));
        let validity = Validity::of(leaf);
        let names = match names.as_slice() {
            [] => CertificateNames::of(leaf).hosts,
            said => said.iter().map(HostName::to_string).collect(),
        };
        let read = PrivateKeyDer::from_pem_file(key).map_err(|error| pem_error(key, &error))?;
        let certified =
            CertifiedKey::from_der(chain, read, provider).map_err(|error| TlsError::Pair {
                certificate: certificate.clone(),
                key: key.clone(),
                error,
            })?;
        Ok(Self {
            certified,
            names: names.iter().map(|name| HostPattern::new(name)).collect(),
            fingerprint,
            validity,
        })
    }

    fn served(self) -> ServedCertificate {
        ServedCertificate {
            certified: Arc::new(self.certified),
            names: self.names,
        }
    }
}

/// All certificates of a PEM file.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| pem_error(path, &error))
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
        let mut config = identity.config(FROM_TLS13, None)?;
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
