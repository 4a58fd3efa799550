//! [`Host`]: a server that `client.ron` gives a name of the user's own.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, de};

use crate::address::HostPort;
use crate::fingerprint::Fingerprint;
use crate::name::UserName;
use crate::server::Tls;

/// What is known of one server.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Host {
    pub server: HostPort,
    /// `None`: as for a server without a name.
    #[serde(default)]
    pub user: Option<UserName>,
    /// The file with the password of `user` there.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// The shell command that prints the password of `user` there; not beside `password_file`.
    #[serde(default)]
    pub password_command: Option<String>,
    /// The certificate that the server has; no other is taken.
    #[serde(default)]
    pub fingerprint: Option<Fingerprint>,
    /// The directory at the server in which a session begins.
    #[serde(default)]
    pub directory: Option<String>,
    /// The directory on this machine in which the prompt begins.
    #[serde(default)]
    pub local_directory: Option<PathBuf>,
    /// `None`: as for a server without a name.
    #[serde(default)]
    pub tls: Option<Tls>,
}

/// The name of a host: 1 to 64 of the letters `A-Z a-z`, digits, `.`, `_` and `-`, not starting
/// with `.` or `-`. So it can stand where a server can, and before the `:` of a path there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostAlias(UserName);

/// The error of a name that no host can have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a name for a host; write A-Z a-z 0-9 . _ -, not starting with . or -")]
pub struct BadAlias(String);

impl HostAlias {
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl FromStr for HostAlias {
    type Err = BadAlias;

    fn from_str(name: &str) -> Result<Self, BadAlias> {
        // The grammar of users' names is as narrow.
        let parsed = name.parse().map(Self);
        parsed.map_err(|_| BadAlias(name.chars().take(100).collect()))
    }
}

impl fmt::Display for HostAlias {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Lets a map of hosts be asked with what was typed.
impl std::borrow::Borrow<str> for HostAlias {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl<'de> Deserialize<'de> for HostAlias {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}
