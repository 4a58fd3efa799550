//! Certificates that clients show: by whom they may be issued, what was revoked, and
//! [`ClientCertificate`], one that the handshake has verified.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateRevocationListDer;
use rustls::pki_types::pem::PemObject;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{Connection, RootCertStore};
use sha2::{Digest, Sha256};
use skiff_conf::ClientAuthority;

use super::names::CertificateNames;
use super::{TlsError, certificates, pem_error};

/// A certificate that a client has shown, and has the key of.
#[derive(Debug)]
pub(crate) struct ClientCertificate {
    /// Its SHA-256.
    pub(crate) fingerprint: [u8; 32],
    pub(crate) names: CertificateNames,
}

impl ClientCertificate {
    /// That of a connection whose handshake is done.
    pub(crate) fn of(connection: &Connection) -> Option<Self> {
        let leaf = connection.peer_certificates()?.first()?;
        Some(Self {
            fingerprint: fingerprint(connection)?,
            names: CertificateNames::of(leaf),
        })
    }
}

/// The SHA-256 of the certificate that a client has shown.
pub(crate) fn fingerprint(connection: &Connection) -> Option<[u8; 32]> {
    let leaf = connection.peer_certificates()?.first()?;
    Some(Sha256::digest(leaf).into())
}

/// Judges certificates of clients, who need not show one: what an account asks for is known at the
/// login only.
pub(super) fn verifier(
    authority: &ClientAuthority,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(&authority.ca)? {
        roots.add(certificate).map_err(|error| TlsError::Pem {
            path: authority.ca.clone(),
            what: format!("is no certificate of an authority: {error}"),
        })?;
    }
    if roots.is_empty() {
        return Err(TlsError::without_certificate(&authority.ca));
    }
    let lists = authority.crl.as_deref().map(revocation_lists).transpose()?;
    let named = authority.crl.as_ref().unwrap_or(&authority.ca).clone();
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .with_crls(lists.unwrap_or_default())
        .allow_unauthenticated()
        .build()
        .map_err(|error| TlsError::Pem {
            path: named,
            what: format!(
                "clients cannot be judged by it: {error}; a revocation list must be of version 2, \
                 which openssl makes where its settings have a crlnumber"
            ),
        })
}

/// A file without one would revoke nothing, and nobody would know.
fn revocation_lists(path: &Path) -> Result<Vec<CertificateRevocationListDer<'static>>, TlsError> {
    let lists: Vec<_> = CertificateRevocationListDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| pem_error(path, &error))?;
    match lists.is_empty() {
        false => Ok(lists),
        true => Err(TlsError::Pem {
            path: path.to_owned(),
            what: "holds no revocation list (X509 CRL)".to_owned(),
        }),
    }
}
