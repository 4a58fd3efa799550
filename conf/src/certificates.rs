//! [`Certificates`]: the `tls` section of `server.ron`, that is the server's certificates, the oldest
//! version of TLS, and whose certificates of clients are trusted.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, de};

use crate::address;
use crate::complaint::Complaint;
use crate::document::Document;
use crate::units::{BadValue, from_text};

/// The `tls` section, checked; all paths are absolute.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Certificates {
    /// The first one is for clients that ask for no name, or for one that none of them has. None:
    /// the daemon makes one itself, in `state`.
    pub identities: Vec<Identity>,
    pub minimum: TlsVersion,
    /// Whose certificates FTP clients may show; `None`: they are asked for none.
    pub clients: Option<ClientAuthority>,
}

/// The PEM files by which certificates of clients are judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientAuthority {
    /// The certificates of those who issue them.
    pub ca: PathBuf,
    /// What they have revoked (RFC 5280 section 5).
    pub crl: Option<PathBuf>,
}

/// The PEM files of a certificate chain and its private key.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    pub certificate: PathBuf,
    pub key: PathBuf,
    /// What clients that are to get it ask for; empty: the names in the certificate.
    #[serde(default)]
    pub names: Vec<HostName>,
}

/// The oldest version of TLS that is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TlsVersion {
    #[default]
    Tls12,
    Tls13,
}

/// A name of this server in lower case, `ftp.example.org`, or a pattern as certificates have it,
/// `*.example.org` (RFC 6125 section 6.4.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostName(String);

impl HostName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for HostName {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        let bare = text.strip_prefix("*.").unwrap_or(text);
        match address::is_name(bare) && bare.is_ascii() {
            true => Ok(Self(text.trim_end_matches('.').to_ascii_lowercase())),
            false => Err(BadValue::new(
                text,
                "a name of this server; write one such as \"ftp.example.org\" or \
                 \"*.example.org\"",
            )),
        }
    }
}

impl<'de> Deserialize<'de> for HostName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer)
    }
}

impl<'de> Deserialize<'de> for TlsVersion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "1.2" => Ok(Self::Tls12),
            "1.3" => Ok(Self::Tls13),
            other => Err(de::Error::custom(BadValue::new(
                other,
                "a version of TLS that is spoken; write \"1.2\" or \"1.3\"",
            ))),
        }
    }
}

/// The keys of the `tls` section.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Raw {
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    names: Vec<HostName>,
    others: Vec<Identity>,
    minimum: TlsVersion,
    client_ca: Option<PathBuf>,
    client_crl: Option<PathBuf>,
}

impl Raw {
    /// Refuses a part of something that is not there.
    pub(crate) fn check(&self, document: &Document) -> Result<(), Complaint> {
        let lonely = |key: &str, whole: &str| {
            let what = format!("goes with {whole}, which is not there; write both, or neither");
            Err(document.complain(key, what))
        };
        let has_own = self.certificate.is_some();
        match () {
            () if has_own && self.key.is_none() => lonely("tls.certificate", "tls.key"),
            () if !has_own && self.key.is_some() => lonely("tls.key", "tls.certificate"),
            () if !has_own && !self.names.is_empty() => lonely("tls.names", "tls.certificate"),
            () if !has_own && !self.others.is_empty() => lonely("tls.others", "tls.certificate"),
            () if self.client_ca.is_none() && self.client_crl.is_some() => {
                lonely("tls.client_crl", "tls.client_ca")
            }
            () => Ok(()),
        }
    }

    pub(crate) fn within(self, folder: &Path) -> Certificates {
        let own = self.certificate.zip(self.key);
        let own = own.map(|(certificate, key)| Identity {
            certificate,
            key,
            names: self.names,
        });
        let identities = own.into_iter().chain(self.others);
        Certificates {
            identities: identities.map(|one| one.within(folder)).collect(),
            minimum: self.minimum,
            clients: self.client_ca.map(|ca| ClientAuthority {
                ca: folder.join(ca),
                crl: self.client_crl.map(|crl| folder.join(crl)),
            }),
        }
    }
}

impl Certificates {
    /// All files that are read at the start and at each reload.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let served = self.identities.iter();
        let served = served.flat_map(|one| [one.certificate.as_path(), one.key.as_path()]);
        let clients = self.clients.iter();
        let clients = clients.flat_map(|clients| {
            let crl = clients.crl.as_deref();
            std::iter::once(clients.ca.as_path()).chain(crl)
        });
        served.chain(clients)
    }
}

impl Identity {
    fn within(self, folder: &Path) -> Self {
        Self {
            certificate: folder.join(self.certificate),
            key: folder.join(self.key),
            names: self.names,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_as_certificates_have_them() {
        for (text, name) in [
            ("FTP.Example.org", "ftp.example.org"),
            ("ftp.example.org.", "ftp.example.org"),
            ("*.example.org", "*.example.org"),
            ("nas", "nas"),
        ] {
            let parsed: HostName = text.parse().unwrap();
            assert_eq!(parsed.as_str(), name);
        }
        for bad in ["", "*", "*.", "a.*.b", "*a.b", "192.0.2.7", "a b", "a/b"] {
            assert!(bad.parse::<HostName>().is_err(), "{bad:?}");
        }
    }
}
