//! [`Server`]: all settings of `server.ron`, read and checked.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use crate::account::{Account, Iterations};
use crate::address::DEFAULT_PORT;
use crate::authenticator::Authenticator;
use crate::certificates::{self, Certificates};
use crate::complaint::Complaint;
use crate::document::Document;
use crate::file_owner::FileOwners;
use crate::folders::SharedFolders;
use crate::ftp::{Ftp, FtpTls};
use crate::hooks::{self, Hook};
use crate::io_cause::IoCause;
use crate::limits::Limits;
use crate::listen;
use crate::metrics::{Metrics, MetricsAddress};
use crate::name::UserName;
use crate::quota::{Allowance, QuotaRules};
use crate::rates::RateRules;
use crate::rules::ProxyProtocol;
use crate::units::{self, Bytes, Mode};
use crate::users;

/// All settings of `server.ron`, checked; all paths are absolute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// The path of `server.ron` itself.
    pub file: PathBuf,
    pub native: Native,
    pub ftp: Ftp,
    /// What TLS is spoken with.
    pub tls: Certificates,
    /// Whose word is taken for a client's address.
    pub proxy_protocol: ProxyProtocol,
    /// The folder in which homes are.
    pub homes: PathBuf,
    /// The folder whose files a new home gets; `None`: it is empty.
    pub skeleton: Option<PathBuf>,
    /// The folder for ledger snapshots, the server's secret and its own certificate.
    pub state: PathBuf,
    /// The path of `users.ron`.
    pub users: PathBuf,
    /// The program that knows users whom `users` does not; `None`: nobody does.
    pub authenticator: Option<Authenticator>,
    /// The programs that are run when something has happened.
    pub on: Vec<Hook>,
    /// Whom a daemon that root started becomes; `None`: nobody else.
    pub run_as: Option<RunAs>,
    /// Whose the files of the homes are.
    pub file_owners: FileOwners,
    /// What the process denies itself.
    pub walls: Walls,
    pub quota: QuotaRules,
    pub rates: RateRules,
    /// Folders that appear in the homes of several users.
    pub folders: SharedFolders,
    pub durability: Durability,
    /// Permission bits of new files.
    pub file_mode: Mode,
    /// Permission bits of new directories.
    pub dir_mode: Mode,
    /// The name of the group of new files; `None`: the kernel decides.
    pub group: Option<String>,
    pub stages: Stages,
    /// How often each home is counted again; `None`: only where its ledger was lost.
    pub recount: Option<Duration>,
    pub limits: Limits,
    /// PBKDF2 rounds of passwords that are set from now on.
    pub scram_iterations: Iterations,
    pub log: Log,
    /// Where the daemon's numbers can be read; `None`: nowhere.
    pub metrics: Option<Metrics>,
}

/// The `native` section: addresses and TLS of the native dialect.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Native {
    #[serde(deserialize_with = "listen::addresses::<DEFAULT_PORT, _>")]
    pub listen: Vec<SocketAddr>,
    pub tls: Tls,
}

/// Whether connections use TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub enum Tls {
    #[default]
    On,
    Off,
}

/// The user that the daemon runs as, by names of the system or by numbers.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunAs {
    pub user: String,
    /// `None`: the user's own.
    #[serde(default)]
    pub group: Option<String>,
}

/// Which restrictions of its own process the daemon insists on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub enum Walls {
    /// All of them, or it does not start.
    Strict,
    /// Those that the kernel has.
    #[default]
    Best,
    Off,
}

/// Where an uploaded file is when the client is told that it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub enum Durability {
    /// On the disk.
    #[default]
    Fsync,
    /// In the kernel's memory; a power cut may lose it.
    None,
}

/// When the stages of interrupted uploads are removed, and what uploads leave free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stages {
    /// Older stages are removed.
    pub ttl: Duration,
    /// Older stages of a user are removed where a new upload would exceed the quota.
    pub idle: Duration,
    /// Bytes of the disk that uploads leave free.
    pub free_space_floor: Bytes,
}

/// The `log` section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// Where the log goes.
    pub access: LogTarget,
    pub level: Level,
    pub format: LogFormat,
    /// A second log in the format of xferlog(5).
    pub xferlog: Option<PathBuf>,
}

/// Where a log is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogTarget {
    StandardError,
    File(PathBuf),
    /// The system's log, which gets the daemon's own messages too.
    Syslog,
}

/// How the lines of the log look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub enum LogFormat {
    /// For people: fields in a fixed order.
    #[default]
    Line,
    /// An object for each line.
    Json,
}

/// The least important messages that are logged.
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
    /// Reads and checks a `server.ron`. Relative paths in it are relative to its folder.
    pub fn load(path: &Path) -> Result<Self, Complaint> {
        Raw::check(&Document::read(path)?, path)
    }

    /// Checks `text` as if it were the content of the file `path`.
    pub fn parse(text: &str, path: &Path) -> Result<Self, Complaint> {
        Raw::check(&Document::new(path, text.to_owned().into()), path)
    }

    /// The path of this user's home.
    pub fn home(&self, name: &UserName, account: &Account) -> PathBuf {
        match &account.home {
            Some(own) => self.homes.join(own_folder(own, name)),
            None => self.homes.join(name.as_str()),
        }
    }

    /// What this user may store: by the account, else by `quota.users`, else by `quota.default`.
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

/// The path with the user's name in place of each `%u`, so that a group has one for all.
fn own_folder(path: &Path, name: &UserName) -> PathBuf {
    match path.to_str() {
        Some(text) => text.replace("%u", name.as_str()).into(),
        None => path.to_owned(),
    }
}

/// The keys of `server.ron` at the top level, in the order of the sample.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Raw {
    native: Native,
    ftp: Ftp,
    tls: Option<certificates::Raw>,
    proxy_protocol: ProxyProtocol,
    homes: PathBuf,
    skeleton: Option<PathBuf>,
    state: PathBuf,
    users: PathBuf,
    authenticator: Option<Authenticator>,
    #[serde(deserialize_with = "hooks::hooks")]
    on: Vec<Hook>,
    run_as: Option<RunAs>,
    file_owners: FileOwners,
    walls: Walls,
    quota: QuotaRules,
    rates: RateRules,
    #[serde(deserialize_with = "users::unique")]
    folders: SharedFolders,
    durability: Durability,
    #[serde(deserialize_with = "units::file_mode")]
    file_mode: Option<Mode>,
    #[serde(deserialize_with = "units::dir_mode")]
    dir_mode: Option<Mode>,
    group: Option<String>,
    #[serde(deserialize_with = "units::duration")]
    stage_ttl: Duration,
    #[serde(deserialize_with = "units::duration")]
    stage_idle: Duration,
    free_space_floor: Bytes,
    #[serde(deserialize_with = "units::duration_or_never")]
    recount: Option<Duration>,
    limits: Limits,
    scram_iterations: Iterations,
    log: RawLog,
    metrics: Option<Metrics>,
}

/// The keys of the `log` section.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawLog {
    access: PathBuf,
    level: Level,
    format: LogFormat,
    xferlog: Option<PathBuf>,
}

impl Raw {
    fn check(document: &Document, path: &Path) -> Result<Server, Complaint> {
        let raw: Self = document.parse()?;
        raw.check_listen(document)?;
        if let Some(tls) = &raw.tls {
            tls.check(document)?;
        }
        let file = std::path::absolute(path).map_err(|error| {
            Complaint::about(path, format_args!("cannot be located: {}", IoCause(&error)))
        })?;
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
        self.ftp.check_rules(document)?;
        let lists = [&self.native.listen, &self.ftp.listen, &self.ftp.implicit];
        self.proxy_protocol
            .check(&lists.map(Vec::as_slice), document)?;
        self.check_ports(document)
    }

    /// Refuses settings with two addresses that cannot be bound together.
    fn check_ports(&self, document: &Document) -> Result<(), Complaint> {
        let metrics = match &self.metrics {
            Some(Metrics {
                listen: MetricsAddress::Tcp(address),
            }) => vec![*address],
            Some(_) | None => Vec::new(),
        };
        let lists = [
            ("native.listen", &self.native.listen),
            ("ftp.listen", &self.ftp.listen),
            ("ftp.implicit", &self.ftp.implicit),
            ("metrics.listen", &metrics),
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
        // Whoever names a group wants it to read.
        let (file_mode, dir_mode) = match self.group {
            None => (Mode::new(0o600), Mode::new(0o700)),
            Some(_) => (Mode::new(0o640), Mode::new(0o750)),
        };
        Server {
            native: self.native,
            ftp: self.ftp,
            tls: self.tls.unwrap_or_default().within(&folder),
            proxy_protocol: self.proxy_protocol,
            homes: folder.join(self.homes),
            skeleton: self.skeleton.map(|skeleton| folder.join(skeleton)),
            state: folder.join(self.state),
            users: folder.join(self.users),
            authenticator: self.authenticator.map(|program| program.within(&folder)),
            on: self.on,
            run_as: self.run_as,
            file_owners: self.file_owners,
            walls: self.walls,
            quota: self.quota,
            rates: self.rates,
            folders: within(self.folders, &folder),
            durability: self.durability,
            file_mode: self.file_mode.unwrap_or(file_mode),
            dir_mode: self.dir_mode.unwrap_or(dir_mode),
            group: self.group,
            stages: Stages {
                ttl: self.stage_ttl,
                idle: self.stage_idle,
                free_space_floor: self.free_space_floor,
            },
            recount: self.recount,
            limits: self.limits,
            scram_iterations: self.scram_iterations,
            log: self.log.within(&folder),
            metrics: self.metrics.map(|metrics| metrics.within(&folder)),
            file,
        }
    }
}

/// Shared folders whose paths are absolute.
fn within(mut folders: SharedFolders, folder: &Path) -> SharedFolders {
    for shared in folders.values_mut() {
        shared.path = folder.join(&shared.path);
    }
    folders
}
impl RawLog {
    fn within(self, folder: &Path) -> Log {
        let access = match self.access.to_str() {
            Some("-") => LogTarget::StandardError,
            Some("syslog") => LogTarget::Syslog,
            _ => LogTarget::File(folder.join(self.access)),
        };
        Log {
            access,
            level: self.level,
            format: self.format,
            xferlog: self.xferlog.map(|path| folder.join(path)),
        }
    }
}

impl Default for Native {
    fn default() -> Self {
        Self {
            listen: listen::everywhere(DEFAULT_PORT),
            tls: Tls::On,
        }
    }
}

impl Default for RawLog {
    fn default() -> Self {
        Self {
            access: PathBuf::from("-"),
            level: Level::Info,
            format: LogFormat::Line,
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
            proxy_protocol: ProxyProtocol::default(),
            homes: PathBuf::from("homes"),
            skeleton: None,
            state: PathBuf::from("state"),
            users: PathBuf::from("users.ron"),
            authenticator: None,
            on: Vec::new(),
            run_as: None,
            file_owners: FileOwners::default(),
            walls: Walls::default(),
            quota: QuotaRules::default(),
            rates: RateRules::default(),
            folders: SharedFolders::new(),
            durability: Durability::Fsync,
            file_mode: None,
            dir_mode: None,
            group: None,
            stage_ttl: Duration::from_secs(24 * 3600),
            stage_idle: Duration::from_secs(10 * 60),
            free_space_floor: Bytes::new(64_000_000),
            recount: Some(Duration::from_secs(24 * 3600)),
            limits: Limits::default(),
            scram_iterations: Iterations::DEFAULT,
            log: RawLog::default(),
            metrics: None,
        }
    }
}
