//! The rules by which the dialects differ, as data, so that no state asks which dialect it serves.

use core::net::{IpAddr, Ipv4Addr};

use crate::digest::Algorithm;
use crate::path::ParentOfRoot;

/// The rules of one session.
#[derive(Clone, Copy, Debug)]
pub struct DialectRules {
    pub first_speaker: FirstSpeaker,
    /// What `..` means in the home's `/`.
    pub parent_of_root: ParentOfRoot,
    /// What a client is told while work takes long.
    pub long_work: LongWork,
    /// What the operator demands of TLS.
    pub tls: TlsPolicy,
    /// Whether the control connection is under TLS now.
    pub privacy: Privacy,
    /// Whether the client has shown a certificate there.
    pub certificate: ClientCertificate,
    /// The client's address: data connections are accepted from and made to it only. Unused in the
    /// native dialect.
    pub peer: IpAddr,
    /// The algorithm that verifies transfers at the least cost here. Unused in FTP.
    pub digest: Algorithm,
}

/// Which end speaks first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FirstSpeaker {
    Client,
    Server,
}

/// What a client is told while work takes long.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LongWork {
    /// A line now and then tells that work goes on.
    ReportProgress,
    /// Nothing; a client whose command takes too long is asked to try again.
    AskToRetry,
}

/// What the operator demands of this listener's connections.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TlsPolicy {
    /// TLS cannot be begun: there is none, or it is there from the first byte.
    NotOffered,
    Optional,
    /// Logins and data connections must be under TLS.
    Required,
}

/// Whether the control connection is under TLS now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Privacy {
    Clear,
    Private,
}

/// Whether the client has shown a certificate, which the handshake has verified.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ClientCertificate {
    #[default]
    None,
    Shown,
}

impl DialectRules {
    /// The native dialect: one connection for everything.
    pub fn native(digest: Algorithm) -> Self {
        Self {
            first_speaker: FirstSpeaker::Client,
            parent_of_root: ParentOfRoot::Refused,
            long_work: LongWork::ReportProgress,
            tls: TlsPolicy::NotOffered,
            privacy: Privacy::Private,
            certificate: ClientCertificate::None,
            peer: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            digest,
        }
    }

    /// FTP: a control connection, and a data connection for each transfer (RFC 959 section 2.3).
    pub fn ftp(tls: TlsPolicy, privacy: Privacy, peer: IpAddr) -> Self {
        Self {
            first_speaker: FirstSpeaker::Server,
            parent_of_root: ParentOfRoot::IsRoot,
            long_work: LongWork::AskToRetry,
            tls,
            privacy,
            certificate: ClientCertificate::None,
            peer,
            digest: Algorithm::default(),
        }
    }
}
