//! Reads and checks the settings files `server.ron`, `client.ron` and `users.ron`. A file is
//! accepted whole or refused with one line that names the file, the line, the key and what would
//! be right.
//!
//! | file | is read by | becomes |
//! |---|---|---|
//! | `server.ron` | [`Server::load`] | [`Server`] |
//! | `client.ron` | [`Client::load`] | [`Client`] |
//! | `users.ron` | [`UserStore::load`], changed by [`UserStore::edit`] | [`UserStore`] of [`Account`]s |
//!
//! Each value is checked while it is parsed (a size becomes a [`Bytes`] at once), so that a
//! complaint has its line. Nothing here opens a socket, resolves a name, or hashes a password.

mod access;
mod account;
mod address;
mod advice;
mod alias;
mod authenticator;
mod banner;
mod certificates;
mod client;
mod complaint;
mod document;
mod file_owner;
mod fingerprint;
mod folders;
mod ftp;
mod group;
mod hash;
mod hooks;
mod hosts;
mod io_cause;
mod key_location;
mod limits;
mod listen;
mod metrics;
mod name;
mod parse_error;
mod private_file;
mod quota;
mod rates;
mod restart;
mod retention;
mod rules;
mod schedule;
mod server;
mod text_keys;
mod units;
mod users;

pub use access::{Access, FolderPath, Right};
pub use account::{
    Account, AccountStatus, CertificateRule, FtpAccess, Iterations, KEY_LENGTH, Login, OutOfRange,
    PasswordRight, Proof, Verifier,
};
pub use address::{DEFAULT_PORT, HostPort, Network};
pub use advice::Advice;
pub use alias::{Alias, BadAlias};
pub use authenticator::{Authenticator, Program};
pub use banner::Banner;
pub use certificates::{Certificates, ClientAuthority, HostName, Identity, TlsVersion};
pub use client::{Client, Pager, read_password};
pub use complaint::{Complaint, Place};
pub use file_owner::{FileOwner, FileOwners};
pub use fingerprint::Fingerprint;
pub use folders::{FolderName, FolderQuota, SharedFolder, SharedFolders};
pub use ftp::{
    CloseNotify, DYNAMIC_PORTS, Ftp, FtpTls, LostControl, PassiveAddress, PortRange, Resumption,
};
pub use group::Group;
pub use hash::{Argon2, Argon2Variant, BadHash, PasswordHash, Scheme, Scrypt, ScryptFlavour};
pub use hooks::{Hook, HookEvent};
pub use hosts::Host;
pub use io_cause::IoCause;
pub use limits::Limits;
pub use metrics::{Metrics, MetricsAddress};
pub use name::{BadName, UserName};
pub use private_file::sync_folder;
pub use quota::{Allowance, ByteQuota, EntryQuota, QuotaRules};
pub use rates::{Rate, RateRules, Rates};
pub use retention::{Age, WhenFull};
pub use rules::{PassiveRule, ProxyProtocol, TlsRule};
pub use schedule::{Date, Hours, WallClock};
pub use server::{
    Durability, Level, Log, LogFormat, LogTarget, Native, RunAs, Server, Stages, Tls, Walls,
};
pub use text_keys::{is_switch, is_text_key, unknown_key};
pub use units::{BadValue, Bytes, Mode, parse_duration};
pub use users::{FileStamp, StoreError, UserStore};

/// The shipped `server.ron`: every key, its default, and what it does.
pub const SERVER_SAMPLE: &str = include_str!("../server.ron");

/// The shipped `client.ron`.
pub const CLIENT_SAMPLE: &str = include_str!("../client.ron");
