//! [`Account`]: one user's password verifier, home, quota and rights, as `users.ron` has them.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use base64ct::{Base64, Encoding};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::access::{Access, FolderPath};
use crate::address::Network;
use crate::file_owner::FileOwner;
use crate::fingerprint::Fingerprint;
use crate::ftp::{CloseNotify, LostControl};
use crate::hash::PasswordHash;
use crate::name::UserName;
use crate::quota::{ByteQuota, EntryQuota};
use crate::rates::Rates;
use crate::retention::{Age, WhenFull};
use crate::schedule::{Date, Hours, WallClock};

/// Bytes of a stored key and of a server key: SHA-256's output.
pub const KEY_LENGTH: usize = 32;

const SALT_LENGTH: std::ops::RangeInclusive<usize> = 8..=64;

/// One user of `users.ron`, whose name is the key in the store.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// Checks the password; see [`Account::proof`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scram: Option<Verifier>,
    /// Checks the password as another server did, until the first login by FTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<PasswordHash>,
    /// The home directory, absolute or relative to `homes`; `None`: the user's name in `homes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub home: Option<PathBuf>,
    /// Bytes that the user may store; `None`: what `server.ron` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota: Option<ByteQuota>,
    /// Files, directories and links that the user may have; `None`: what `server.ron` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entries: Option<EntryQuota>,
    /// `None`: [`Access::ReadWrite`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<Access>,
    /// Folders of the home with a rule of their own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub folders: BTreeMap<FolderPath, Access>,
    /// The group of `users.ron` that it inherits from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<UserName>,
    /// Whether the user may log in.
    #[serde(default)]
    pub standing: AccountStatus,
    /// Who may log in: the user, or everybody, by FTP and with whatever password.
    #[serde(default, skip_serializing_if = "is_default")]
    pub login: Login,
    /// The last day on which the user may log in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Date>,
    /// Files go that were not changed for so long; `None`: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep: Option<Age>,
    /// `None`: [`WhenFull::Refuse`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ring: Option<WhenFull>,
    /// How many bytes may flow in a second, for all sessions of the user together; `None`: what
    /// `server.ron` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rates: Option<Rates>,
    /// The same for each session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_rates: Option<Rates>,
    /// Whose the files are; `None`: the daemon's user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<FileOwner>,
    /// When the user may be logged in; `None`: always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hours: Option<Vec<Hours>>,
    /// From where the user may log in; `None`: from everywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow: Option<Vec<Network>>,
    /// From where the user may not log in, whatever `allow` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deny: Option<Vec<Network>>,
    /// `None`: [`FtpAccess::Allowed`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ftp: Option<FtpAccess>,
    /// `None`: [`CertificateRule::Off`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<CertificateRule>,
    /// That of the user's certificate; `None`: one that names the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_fingerprint: Option<Fingerprint>,
    /// Whether the user may change the password; `None`: as [`Account::password_right`] says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passwd: Option<PasswordRight>,
    /// What becomes of an upload without close_notify; `None`: what `server.ron` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_close_notify: Option<CloseNotify>,
    /// What becomes of an upload whose client hung up; `None`: what `server.ron` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publish_on_lost_control: Option<LostControl>,
}

impl Account {
    /// An enabled account with every right and the server's defaults.
    pub fn new(scram: Verifier) -> Self {
        Self {
            scram: Some(scram),
            ..Self::proven_elsewhere()
        }
    }

    /// The same with a hash of another server.
    pub fn with_hash(hash: PasswordHash) -> Self {
        Self {
            hash: Some(hash),
            ..Self::proven_elsewhere()
        }
    }

    /// The same for a user whose password somebody else has checked. The store has no such accounts.
    pub fn proven_elsewhere() -> Self {
        Self {
            scram: None,
            hash: None,
            home: None,
            quota: None,
            entries: None,
            access: None,
            folders: BTreeMap::new(),
            group: None,
            standing: AccountStatus::default(),
            login: Login::default(),
            expires: None,
            keep: None,
            ring: None,
            rates: None,
            session_rates: None,
            owner: None,
            hours: None,
            allow: None,
            deny: None,
            ftp: None,
            certificate: None,
            certificate_fingerprint: None,
            passwd: None,
            data_close_notify: None,
            publish_on_lost_control: None,
        }
    }

    /// What the password is checked by; `None` where this server cannot check it.
    pub fn proof(&self) -> Option<Proof<'_>> {
        match (&self.scram, &self.hash) {
            (Some(scram), _) => Some(Proof::Scram(scram)),
            (None, Some(hash)) => Some(Proof::Hash(hash)),
            (None, None) => None,
        }
    }

    /// Gives the account a new password.
    pub fn set_password(&mut self, scram: Verifier) {
        self.scram = Some(scram);
        self.hash = None;
    }

    /// What the user may do where no folder has a rule of its own.
    pub fn access(&self) -> &Access {
        self.access.as_ref().unwrap_or(&Access::ReadWrite)
    }

    /// Whether the user may log in by FTP.
    pub fn ftp(&self) -> FtpAccess {
        self.ftp.unwrap_or_default()
    }

    /// What a certificate of the user's client is for.
    pub fn certificate(&self) -> CertificateRule {
        self.certificate.unwrap_or_default()
    }

    /// Whether the user may log in from `address`.
    pub fn admits(&self, address: IpAddr) -> bool {
        let holds = |networks: &Vec<Network>| networks.iter().any(|of| of.contains(address));
        let denied = self.deny.as_ref().is_some_and(holds);
        !denied && self.allow.as_ref().is_none_or(holds)
    }

    /// Whether the account may be used at that time.
    pub fn is_open_at(&self, clock: &WallClock) -> bool {
        let within = |hours: &Vec<Hours>| hours.iter().any(|hours| hours.contain(clock));
        let expired = self.expires.is_some_and(|last| last < clock.date);
        !expired && self.hours.as_ref().is_none_or(within)
    }

    /// Whether [`Self::is_open_at`] may change with time.
    pub fn is_timed(&self) -> bool {
        self.expires.is_some() || self.hours.is_some()
    }

    /// Whether the user may change the password. An account with less than all rights is often one
    /// for many people, none of whom is to lock the others out, unless the store says otherwise.
    pub fn password_right(&self) -> PasswordRight {
        let usual = match (self.login, self.access()) {
            (Login::Own, Access::ReadWrite) => PasswordRight::Changeable,
            _ => PasswordRight::Fixed,
        };
        self.passwd.unwrap_or(usual)
    }
}

/// What checks a password.
#[derive(Debug, Clone, Copy)]
pub enum Proof<'a> {
    Scram(&'a Verifier),
    Hash(&'a PasswordHash),
}

/// Whether an account may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum AccountStatus {
    #[default]
    Enabled,
    /// The user cannot log in; files and quota stay.
    Disabled,
}

/// Who may log in to an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Login {
    /// Who knows the password.
    #[default]
    Own,
    /// Everybody, by FTP, with whatever password.
    Anonymous,
}

/// What a certificate that the user's client shows is for; one of `tls.client_ca` that is the
/// account's, by its fingerprint or by the user's name in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum CertificateRule {
    /// Nothing.
    #[default]
    Off,
    /// The user logs in with it and the password, and not otherwise: by FTP under TLS alone.
    Required,
    /// The user logs in with it alone by FTP, or with the password alone.
    Instead,
}

/// Whether the user may log in by FTP; `true` or `false` in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "bool", into = "bool")]
pub enum FtpAccess {
    #[default]
    Allowed,
    Refused,
}

impl From<bool> for FtpAccess {
    fn from(allowed: bool) -> Self {
        match allowed {
            true => Self::Allowed,
            false => Self::Refused,
        }
    }
}

impl From<FtpAccess> for bool {
    fn from(ftp: FtpAccess) -> Self {
        ftp == FtpAccess::Allowed
    }
}

/// Whether the user may change the password of the account; `passwd: true` or `false` in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "bool", into = "bool")]
pub enum PasswordRight {
    /// Whoever proves the old password may set a new one.
    Changeable,
    /// Only `skiffd user passwd` changes it.
    Fixed,
}

impl From<bool> for PasswordRight {
    fn from(changeable: bool) -> Self {
        match changeable {
            true => Self::Changeable,
            false => Self::Fixed,
        }
    }
}

impl From<PasswordRight> for bool {
    fn from(right: PasswordRight) -> Self {
        right == PasswordRight::Changeable
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// What a server stores of a password (RFC 5802 section 3, with SHA-256 as in RFC 7677): it can
/// check a client's proof, but not make one. It is wiped when it is dropped, and its `Debug` shows
/// no secret.
#[derive(Clone, Zeroize, ZeroizeOnDrop, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verifier {
    /// 8 to 64 bytes.
    #[serde(serialize_with = "to_base64", deserialize_with = "salt")]
    pub salt: Vec<u8>,
    #[zeroize(skip)]
    pub iterations: Iterations,
    #[serde(serialize_with = "to_base64", deserialize_with = "key")]
    pub stored_key: [u8; KEY_LENGTH],
    #[serde(serialize_with = "to_base64", deserialize_with = "key")]
    pub server_key: [u8; KEY_LENGTH],
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("iterations", &self.iterations)
            .finish_non_exhaustive()
    }
}

/// The number of PBKDF2 rounds. With fewer than [`Iterations::MIN`] passwords are guessed too
/// fast, with more than [`Iterations::MAX`] a login takes minutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Iterations(u32);

/// The error of a number of rounds outside the range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not from {min} to {max}", min = Iterations::MIN.0, max = Iterations::MAX.0)]
pub struct OutOfRange(u32);

impl Iterations {
    pub const MIN: Self = Self(10_000);
    pub const MAX: Self = Self(10_000_000);
    pub const DEFAULT: Self = Self(600_000);

    pub fn new(rounds: u32) -> Result<Self, OutOfRange> {
        match (Self::MIN.0..=Self::MAX.0).contains(&rounds) {
            true => Ok(Self(rounds)),
            false => Err(OutOfRange(rounds)),
        }
    }

    pub const fn get(self) -> u32 {
        self.0
    }
}

impl Default for Iterations {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl<'de> Deserialize<'de> for Iterations {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(u32::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

fn to_base64<S: Serializer>(bytes: impl AsRef<[u8]>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&Zeroizing::new(Base64::encode_string(bytes.as_ref())))
}

fn salt<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let mut bytes = from_base64(deserializer)?;
    match SALT_LENGTH.contains(&bytes.len()) {
        true => Ok(std::mem::take(&mut bytes)),
        false => Err(de::Error::custom("a salt is 8 to 64 bytes in base64")),
    }
}

fn key<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; KEY_LENGTH], D::Error> {
    let bytes = from_base64(deserializer)?;
    let key = bytes.as_slice().try_into();
    key.map_err(|_| de::Error::custom("a key is 32 bytes in base64"))
}

/// Decodes base64. The error does not quote the value, which may be a key with one wrong letter.
fn from_base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Zeroizing<Vec<u8>>, D::Error> {
    let text = Zeroizing::new(String::deserialize(deserializer)?);
    let bytes = Base64::decode_vec(&text);
    bytes
        .map(Zeroizing::new)
        .map_err(|_| de::Error::custom("this is not base64"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verifier_is_never_shown() {
        let shown = format!(
            "{:?}",
            Verifier {
                salt: vec![7; 16],
                iterations: Iterations::DEFAULT,
                stored_key: [11; 32],
                server_key: [13; 32],
            }
        );
        assert_eq!(shown, "Verifier { iterations: Iterations(600000), .. }");
    }

    #[test]
    fn who_may_only_read_changes_no_password_unless_it_is_said() {
        use PasswordRight::{Changeable, Fixed};
        let mut account = Account::new(Verifier {
            salt: vec![7; 16],
            iterations: Iterations::DEFAULT,
            stored_key: [11; 32],
            server_key: [13; 32],
        });
        for (access, said, right) in [
            (Access::ReadWrite, None, Changeable),
            (Access::ReadWrite, Some(Fixed), Fixed),
            (Access::ReadWrite, Some(Changeable), Changeable),
            (Access::ReadOnly, None, Fixed),
            (Access::ReadOnly, Some(Fixed), Fixed),
            (Access::ReadOnly, Some(Changeable), Changeable),
            (Access::DropBox, None, Fixed),
        ] {
            (account.access, account.passwd) = (Some(access.clone()), said);
            assert_eq!(account.password_right(), right, "{access:?} {said:?}");
        }
    }

    #[test]
    fn iterations_are_bounded() {
        assert_eq!(Iterations::new(9_999), Err(OutOfRange(9_999)));
        assert_eq!(Iterations::new(10_000), Ok(Iterations::MIN));
        assert_eq!(Iterations::new(10_000_000), Ok(Iterations::MAX));
        let message = Iterations::new(10_000_001).unwrap_err().to_string();
        assert_eq!(message, "10000001 is not from 10000 to 10000000");
    }
}
