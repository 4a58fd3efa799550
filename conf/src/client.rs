//! [`Client`]: the settings of `client.ron`, that is the server, the user and the trust in servers.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use zeroize::Zeroizing;

use crate::address::{DEFAULT_PORT, HostPort};
use crate::alias::Alias;
use crate::complaint::Complaint;
use crate::document::{self, Document};
use crate::hosts::Host;
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
    /// The file with the password of `user` at `server`, for [`read_password`].
    pub password_file: Option<PathBuf>,
    /// The shell command that prints the password of `user` at `server`; not beside
    /// `password_file`. Without either the client asks.
    pub password_command: Option<String>,
    pub tls: Tls,
    /// The fingerprints of servers seen before; `None`: in the client's usual folder.
    pub known_hosts: Option<PathBuf>,
    /// The longest wait for the connection and for each reply.
    #[serde(deserialize_with = "units::duration")]
    pub timeout: Duration,
    /// Servers by names of the user's own.
    pub hosts: BTreeMap<Alias, Host>,
    /// Commands by names of the user's own, at the prompt and in scripts.
    pub aliases: BTreeMap<Alias, String>,
    pub pager: Pager,
}

/// Whether what is longer than the screen goes through a pager.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub enum Pager {
    #[default]
    On,
    Off,
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
        let one_source = |section: &str, file: &Option<PathBuf>, command: &Option<String>| {
            let what = "password_file is there too; keep one of them";
            match (file, command) {
                (Some(_), Some(_)) => {
                    Err(document.complain(&format!("{section}password_command"), what))
                }
                _ => Ok(()),
            }
        };
        let set = |section: &str, key: &str, path: &mut Option<PathBuf>| {
            let given = path.take();
            let resolved = given.map(|given| resolve(&format!("{section}{key}"), &given));
            *path = resolved.transpose()?;
            Ok(())
        };
        set("", "known_hosts", &mut client.known_hosts)?;
        set("", "password_file", &mut client.password_file)?;
        one_source("", &client.password_file, &client.password_command)?;
        for (alias, host) in &mut client.hosts {
            let section = format!("hosts[\"{alias}\"].");
            set(&section, "password_file", &mut host.password_file)?;
            set(&section, "local_directory", &mut host.local_directory)?;
            one_source(&section, &host.password_file, &host.password_command)?;
        }
        Ok(client)
    }
}

/// Reads the first line of a password file. Fails unless it is a regular file that only its owner
/// can read.
pub fn read_password(path: &Path) -> Result<Zeroizing<String>, Complaint> {
    let (file, _) = private_file::open_private(path)?;
    let text = Zeroizing::new(document::read_text(path, file, MAX_PASSWORD)?);
    match text.lines().next() {
        None | Some("") => Err(Complaint::about(
            path,
            "holds no password in its first line",
        )),
        Some(line) => Ok(Zeroizing::new(line.to_owned())),
    }
}

/// The settings without a `client.ron`.
impl Default for Client {
    fn default() -> Self {
        Self {
            server: HostPort {
                host: "127.0.0.1".to_owned(),
                port: DEFAULT_PORT,
            },
            user: None,
            password_file: None,
            password_command: None,
            tls: Tls::On,
            known_hosts: None,
            timeout: Duration::from_secs(30),
            hosts: BTreeMap::new(),
            aliases: BTreeMap::new(),
            pager: Pager::On,
        }
    }
}

fn expand(given: &Path, folder: &Path) -> Option<PathBuf> {
    match given.strip_prefix("~") {
        Ok(rest) => Some(std::env::home_dir()?.join(rest)),
        Err(_) => Some(folder.join(given)),
    }
}
