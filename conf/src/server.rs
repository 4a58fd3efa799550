//! `server.ron`: what the daemon is to do.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use crate::account::{Account, Iterations};
use crate::address::DEFAULT_PORT;
use crate::complaint::Complaint;
use crate::document::Document;
use crate::ftp::{Ftp, FtpTls};
use crate::limits::Limits;
use crate::listen;
use crate::name::UserName;
use crate::quota::{Allowance, QuotaRules};
use crate::units::{self, Bytes, Mode};

/// The whole of `server.ron`, checked; every path is absolute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// The file all this was read from.
    pub file: PathBuf,
    pub native: Native,
    pub ftp: Ftp,
    /// The certificate to show; `None`: one that the daemon makes itself, in `state`.
    pub tls: Option<Identity>,
    /// The folder of the homes.
    pub homes: PathBuf,
    /// Ledger snapshots, the server's secret, its own certificate.
    pub state: PathBuf,
    /// The user store.
    pub users: PathBuf,
    pub quota: QuotaRules,
    pub durability: Durability,
    pub file_mode: Mode,
    pub dir_mode: Mode,
    /// The group of new files, by name; `None`: as the kernel gives it.
    pub group: Option<String>,
    pub stages: Stages,
    pub limits: Limits,
    /// For passwords set from now on.
    pub scram_iterations: Iterations,
    pub log: Log,
}

/// Where the native dialect is spoken.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Native {
    #[serde(deserialize_with = "listen::addresses::<DEFAULT_PORT, _>")]
    pub listen: Vec<SocketAddr>,
    pub tls: Tls,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub enum Tls {
    #[default]
    On,
    Off,
}

/// PEM files.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// What a final reply to an upload promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub enum Durability {
    /// The file is on the disk.
    #[default]
    Fsync,
    /// The file is in the kernel's memory; a power cut may lose it.
    None,
}

/// What interrupted uploads leave behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stages {
    /// Older ones are swept.
    pub ttl: Duration,
    /// Older ones of a user go first when his quota is short.
    pub idle: Duration,
    /// Bytes of the disk that uploads never touch.
    pub free_space_floor: Bytes,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    pub access: LogTarget,
    pub level: Level,
    /// A second log in the format of xferlog(5).
    pub xferlog: Option<PathBuf>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogTarget {
    StandardError,
    File(PathBuf),
}

/// How much the daemon tells of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub enum Level {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
    Trace,
}

impl Server {
    /// Reads and checks a `server.ron`. Relative paths in it are relative to its
    /// folder.
    pub fn load(path: &Path) -> Result<Self, Complaint> {
        Raw::check(&Document::read(path)?, path)
    }

    /// What `text` says, as if it stood in the file `path`.
    pub fn parse(text: &str, path: &Path) -> Result<Self, Complaint> {
        Raw::check(&Document::new(path, text.to_owned().into()), path)
    }

    /// Where this user's home is.
    pub fn home(&self, name: &UserName, account: &Account) -> PathBuf {
        let own = account
            .home
            .as_deref()
            .unwrap_or_else(|| Path::new(name.as_str()));
        self.homes.join(own)
    }

    /// What this user may store: his account decides, else `quota.users`, else
    /// `quota.default`.
    pub fn allowance(&self, name: &UserName, account: &Account) -> Allowance {
        let ruled = self
            .quota
            .users
            .get(name)
            .copied()
            .unwrap_or(self.quota.default);
        Allowance {
            bytes: account.quota.unwrap_or(ruled),
            entries: account.entries.unwrap_or(self.quota.entries),
        }
    }
}

/// `server.ron` as it is written: the keys at the top, in their order in the sample.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Raw {
    native: Native,
    ftp: Ftp,
    tls: Option<Identity>,
    homes: PathBuf,
    state: PathBuf,
    users: PathBuf,
    quota: QuotaRules,
    durability: Durability,
    #[serde(deserialize_with = "units::file_mode")]
    file_mode: Mode,
    #[serde(deserialize_with = "units::dir_mode")]
    dir_mode: Mode,
    group: Option<String>,
    #[serde(deserialize_with = "units::duration")]
    stage_ttl: Duration,
    #[serde(deserialize_with = "units::duration")]
    stage_idle: Duration,
    free_space_floor: Bytes,
    limits: Limits,
    scram_iterations: Iterations,
    log: RawLog,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawLog {
    access: PathBuf,
    level: Level,
    xferlog: Option<PathBuf>,
}

impl Raw {
    fn check(document: &Document, path: &Path) -> Result<Server, Complaint> {
        let raw: Self = document.parse()?;
        raw.check_listen(document)?;
        let file = std::path::absolute(path)
            .map_err(|error| Complaint::about(path, format_args!("cannot be located: {error}")))?;
        Ok(raw.resolve(file))
    }

    fn check_listen(&self, document: &Document) -> Result<(), Complaint> {
        if self.native.listen.is_empty() {
            let what = "no address; write at least one such as \"0.0.0.0:8001\"";
            return Err(document.complain("native.listen", what));
        }
        if self.ftp.tls == FtpTls::Off && !self.ftp.implicit.is_empty() {
            let what = "is all TLS, but ftp.tls is Off; make it Require, or leave this list empty";
            return Err(document.complain("ftp.implicit", what));
        }
        self.check_ports(document)
    }

    /// No port is asked for twice.
    fn check_ports(&self, document: &Document) -> Result<(), Complaint> {
        let lists = [
            ("native.listen", &self.native.listen),
            ("ftp.listen", &self.ftp.listen),
            ("ftp.implicit", &self.ftp.implicit),
        ];
        for (i, (key, listed)) in lists.iter().enumerate() {
            if let Some(address) = listen::find_repeated(listed) {
                let what = format!("{address} stands twice; keep one of them");
                return Err(document.complain(key, what));
            }
            for (other, taken) in &lists[..i] {
                if let Some((address, their)) = listen::find_clash(listed, taken) {
                    let what =
                        format!("{address} clashes with {their} of {other}; choose another port");
                    return Err(document.complain(key, what));
                }
            }
        }
        Ok(())
    }

    fn resolve(self, file: PathBuf) -> Server {
        let folder = file.parent().unwrap_or_else(|| Path::new("/")).to_owned();
        Server {
            native: self.native,
            ftp: self.ftp,
            tls: self.tls.map(|identity| identity.within(&folder)),
            homes: folder.join(self.homes),
            state: folder.join(self.state),
            users: folder.join(self.users),
            quota: self.quota,
            durability: self.durability,
            file_mode: self.file_mode,
            dir_mode: self.dir_mode,
            group: self.group,
            stages: Stages {
                ttl: self.stage_ttl,
                idle: self.stage_idle,
                free_space_floor: self.free_space_floor,
            },
            limits: self.limits,
            scram_iterations: self.scram_iterations,
            log: self.log.within(&folder),
            file,
        }
    }
}

impl Identity {
    fn within(self, folder: &Path) -> Self {
        Self {
            certificate: folder.join(self.certificate),
            key: folder.join(self.key),
        }
    }
}

impl RawLog {
    fn within(self, folder: &Path) -> Log {
        let access = match self.access.as_os_str() == "-" {
            true => LogTarget::StandardError,
            false => LogTarget::File(folder.join(self.access)),
        };
        Log {
            access,
            level: self.level,
            xferlog: self.xferlog.map(|path| folder.join(path)),
        }
    }
}

impl Default for Native {
    fn default() -> Self {
        Self {
            listen: vec![SocketAddr::from(([0, 0, 0, 0], DEFAULT_PORT))],
            tls: Tls::On,
        }
    }
}

impl Default for RawLog {
    fn default() -> Self {
        Self {
            access: PathBuf::from("-"),
            level: Level::Info,
            xferlog: None,
        }
    }
}

impl Default for Raw {
    fn default() -> Self {
        Self {
            native: Native::default(),
            ftp: Ftp::default(),
            tls: None,
            homes: PathBuf::from("homes"),
            state: PathBuf::from("state"),
            users: PathBuf::from("users.ron"),
            quota: QuotaRules::default(),
            durability: Durability::Fsync,
            file_mode: Mode::new(0o644),
            dir_mode: Mode::new(0o755),
            group: None,
            stage_ttl: Duration::from_secs(24 * 3600),
            stage_idle: Duration::from_secs(10 * 60),
            free_space_floor: Bytes::new(64_000_000),
            limits: Limits::default(),
            scram_iterations: Iterations::DEFAULT,
            log: RawLog::default(),
        }
    }
}
