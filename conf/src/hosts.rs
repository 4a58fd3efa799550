//! [`Host`]: a server that `client.ron` gives a name of the user's own.

use std::path::PathBuf;

use serde::Deserialize;

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
