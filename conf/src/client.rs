//! [`Client`]: the settings of `client.ron`, that is the server, the user and the trust in servers.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use zeroize::Zeroizing;

use crate::address::{DEFAULT_PORT, HostPort};
use crate::complaint::Complaint;
use crate::document::{self, Document};
use crate::name::UserName;
use crate::server::Tls;
use crate::{private_file, units};

/// Bytes of the longest password file.
const MAX_PASSWORD: u64 = 4096;

/// All settings of `client.ron`, checked. Relative paths are relative to the file's folder, `~/` is
/// the home directory.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Client {
    pub server: HostPort,
    /// The user to log in as; `None`: the client asks.
    pub user: Option<UserName>,
    /// The file that [`Client::password`] reads; `None`: the client asks for the password.
    pub password_file: Option<PathBuf>,
    pub tls: Tls,
    /// The fingerprints of servers seen before.
    pub known_hosts: PathBuf,
    /// The longest wait for the connection and for each reply.
    #[serde(deserialize_with = "units::duration")]
    pub timeout: Duration,
}

impl Client {
    /// Reads and checks a `client.ron`.
    pub fn load(path: &Path) -> Result<Self, Complaint> {
        Self::check(&Document::read(path)?, path)
    }

    /// Checks `text` as if it were the content of the file `path`.
    pub fn parse(text: &str, path: &Path) -> Result<Self, Complaint> {
        Self::check(&Document::new(path, text.to_owned().into()), path)
    }

    /// The first line of the password file; `None` where no file is set. Fails unless it is a
    /// regular file that only its owner can read.
    pub fn password(&self) -> Result<Option<Zeroizing<String>>, Complaint> {
        let Some(path) = &self.password_file else {
            return Ok(None);
        };
        let (file, _) = private_file::open_private(path)?;
        let text = document::read_text(path, file, MAX_PASSWORD)?;
        match text.lines().next() {
            None | Some("") => Err(Complaint::about(
                path,
                "holds no password in its first line",
            )),
            Some(line) => Ok(Some(Zeroizing::new(line.to_owned()))),
        }
    }

    fn check(document: &Document, path: &Path) -> Result<Self, Complaint> {
        let mut client: Self = document.parse()?;
        let folder = path.parent().unwrap_or_else(|| Path::new("."));
        let resolve = |key: &str, given: &Path| {
            expand(given, folder).ok_or_else(|| {
                document.complain(
                    key,
                    "~/ means nothing here, HOME is not set; write a full path",
                )
            })
        };
        client.known_hosts = resolve("known_hosts", &client.known_hosts)?;
        let password_file = client.password_file.take();
        client.password_file = password_file
            .map(|given| resolve("password_file", &given))
            .transpose()?;
        Ok(client)
    }
}

/// The settings without a `client.ron`; `known_hosts` still begins with `~/`, which
/// [`Client::parse`] replaces.
impl Default for Client {
    fn default() -> Self {
        Self {
            server: HostPort {
                host: "127.0.0.1".to_owned(),
                port: DEFAULT_PORT,
            },
            user: None,
            password_file: None,
            tls: Tls::On,
            known_hosts: PathBuf::from("~/.config/skiff/known_hosts"),
            timeout: Duration::from_secs(30),
        }
    }
}

fn expand(given: &Path, folder: &Path) -> Option<PathBuf> {
    match given.strip_prefix("~") {
        Ok(rest) => Some(std::env::home_dir()?.join(rest)),
        Err(_) => Some(folder.join(given)),
    }
}
