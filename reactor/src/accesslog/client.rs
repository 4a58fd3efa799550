//! [`Client`]: whom a line of the log is about.

use std::fmt;
use std::net::SocketAddr;

/// One connection, as the log names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Client {
    /// Counts the connections of the daemon, so that lines of one session can be found.
    pub(crate) session: u64,
    pub(crate) peer: SocketAddr,
    pub(crate) dialect: Dialect,
    pub(crate) tls: TlsVersion,
}

/// What the connection's listener speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    Native,
    Ftp,
}

/// What the control connection is under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) enum TlsVersion {
    #[default]
    Clear,
    Tls12,
    Tls13,
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Native => "native",
            Self::Ftp => "ftp",
        })
    }
}

impl fmt::Display for TlsVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Clear => "-",
            Self::Tls12 => "TLSv1.2",
            Self::Tls13 => "TLSv1.3",
        })
    }
}
