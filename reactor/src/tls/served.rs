//! [`Served`]: the server's certificates, and which of them a client gets: by the name that it asks
//! for (RFC 6066 section 3, or FTP's HOST), and by the signatures that it can check.

use std::fmt;
use std::sync::Arc;

use rustls::SignatureScheme;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use skiff_sessions::host::HostPattern;

/// A certificate with its key, and the names that it is for.
pub(super) struct ServedCertificate {
    pub(super) certified: Arc<CertifiedKey>,
    pub(super) names: Vec<HostPattern>,
}

/// All of them, in the order of the settings.
pub(super) struct Served(Vec<ServedCertificate>);

impl Served {
    pub(super) fn new(certificates: Vec<ServedCertificate>) -> Self {
        Self(certificates)
    }

    /// The first certificate for `name` whose signature the client can check, one of just this name
    /// before one of a pattern. Where there is none, the first that it can check: a client tells its
    /// user more of a wrong name than of a handshake that failed.
    fn choose(
        &self,
        name: Option<&str>,
        schemes: &[SignatureScheme],
    ) -> Option<&Arc<CertifiedKey>> {
        let usable = self
            .0
            .iter()
            .filter(|one| one.certified.key.choose_scheme(schemes).is_some());
        let named = name.and_then(|name| {
            let exact = |host: &HostPattern| host.as_str().eq_ignore_ascii_case(name);
            let covers = |host: &HostPattern| host.covers(name);
            let mut exactly = usable.clone().filter(|one| one.names.iter().any(exact));
            let mut covering = usable.clone().filter(|one| one.names.iter().any(covers));
            exactly.next().or_else(|| covering.next())
        });
        let found = named.or_else(|| usable.clone().next());
        found.map(|one| &one.certified)
    }
}

impl fmt::Debug for Served {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Served").finish_non_exhaustive()
    }
}

impl ResolvesServerCert for Served {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.choose(hello.server_name(), hello.signature_schemes())
            .cloned()
    }
}

/// [`Served`] for a client that has named its host before TLS: a name in its hello is the one that it
/// connected to, which may be a balancer's.
#[derive(Debug)]
pub(super) struct ServedAs {
    pub(super) served: Arc<Served>,
    pub(super) host: Arc<str>,
}

impl ResolvesServerCert for ServedAs {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.served
            .choose(Some(&self.host), hello.signature_schemes())
            .cloned()
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, SignatureAlgorithm};
    use rustls::crypto::ring::sign::any_supported_type;

    use super::*;

    const ECDSA: SignatureScheme = SignatureScheme::ECDSA_NISTP256_SHA256;
    const EDDSA: SignatureScheme = SignatureScheme::ED25519;

    fn certificate(algorithm: &'static SignatureAlgorithm, names: &[&str]) -> ServedCertificate {
        let params = rcgen::CertificateParams::new(vec!["unused.example".to_owned()]).unwrap();
        let pair = KeyPair::generate_for(algorithm).unwrap();
        let chain = vec![params.self_signed(&pair).unwrap().der().clone()];
        let key = any_supported_type(&pair.serialize_der().try_into().unwrap()).unwrap();
        ServedCertificate {
            certified: Arc::new(CertifiedKey::new(chain, key)),
            names: names.iter().map(|name| HostPattern::new(name)).collect(),
        }
    }

    #[test]
    fn a_client_gets_what_it_names_and_can_check() {
        let ecdsa = |names: &[&str]| certificate(&PKCS_ECDSA_P256_SHA256, names);
        let eddsa = |names: &[&str]| certificate(&PKCS_ED25519, names);
        let served = Served::new(vec![
            ecdsa(&["a.example"]),
            eddsa(&["a.example"]),
            ecdsa(&["*.b.example"]),
            ecdsa(&["x.b.example"]),
            eddsa(&["only.ed"]),
        ]);
        let at = |index: usize| Some(&served.0[index].certified);
        for (name, schemes, index) in [
            (None, &[ECDSA, EDDSA][..], 0),
            (None, &[EDDSA, ECDSA], 0),
            (None, &[EDDSA], 1),
            (Some("a.example"), &[EDDSA], 1),
            (Some("A.Example"), &[ECDSA], 0),
            (Some("y.b.example"), &[ECDSA], 2),
            (Some("x.b.example"), &[ECDSA], 3),
            (Some("x.b.example"), &[EDDSA], 1),
            (Some("only.ed"), &[ECDSA, EDDSA], 4),
            (Some("only.ed"), &[ECDSA], 0),
            (Some("nobody.example"), &[ECDSA], 0),
        ] {
            let found = served.choose(name, schemes);
            let is_it = found.zip(at(index)).is_some_and(|(a, b)| Arc::ptr_eq(a, b));
            assert!(is_it, "{name:?} {schemes:?}");
        }
        let unknown = [SignatureScheme::RSA_PSS_SHA256];
        assert!(served.choose(None, &unknown).is_none());
    }
}
