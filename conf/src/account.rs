//! An account: how a user proves who he is, and what he may do.

use std::fmt;
use std::path::PathBuf;

use base64ct::{Base64, Encoding};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::ftp::CloseNotify;
use crate::units::Bytes;

/// Bytes of a stored key and of a server key: SHA-256's output.
pub const KEY_LENGTH: usize = 32;

const SALT_LENGTH: std::ops::RangeInclusive<usize> = 8..=64;

/// One user of `users.ron`; the name is the store's key to it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    pub scram: Verifier,
    /// Where the home is, if not in `homes` under the user's name; a relative path
    /// is relative to `homes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub home: Option<PathBuf>,
    /// Bytes; wins over what `server.ron` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota: Option<Bytes>,
    /// Files, directories and links; wins over what `server.ron` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entries: Option<u64>,
    #[serde(default)]
    pub access: Access,
    #[serde(default)]
    pub standing: Standing,
    #[serde(default, skip_serializing_if = "is_default")]
    pub ftp: FtpAccess,
    /// Wins over what `server.ron` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_close_notify: Option<CloseNotify>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub publish_on_lost_control: LostControl,
}

impl Account {
    /// An enabled account with every right and the server's defaults.
    pub fn new(scram: Verifier) -> Self {
        Self {
            scram,
            home: None,
            quota: None,
            entries: None,
            access: Access::default(),
            standing: Standing::default(),
            ftp: FtpAccess::default(),
            data_close_notify: None,
            publish_on_lost_control: LostControl::default(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Access {
    #[default]
    ReadWrite,
    ReadOnly,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Standing {
    #[default]
    Enabled,
    /// Cannot log in; files and quota stay.
    Disabled,
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

/// What becomes of an upload over FTP in clear whose control connection has ended
/// with no QUIT; `publish_on_lost_control: true` or `false` in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "bool", into = "bool")]
pub enum LostControl {
    /// It stays a stage.
    #[default]
    Discard,
    /// For cameras that hang up when they have sent all.
    Publish,
}

impl From<bool> for LostControl {
    fn from(publish: bool) -> Self {
        match publish {
            true => Self::Publish,
            false => Self::Discard,
        }
    }
}

impl From<LostControl> for bool {
    fn from(lost: LostControl) -> Self {
        lost == LostControl::Publish
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// What a server keeps of a password (RFC 5802 section 3, with SHA-256 as in
/// RFC 7677): enough to check a proof, not enough to make one. Wiped when dropped,
/// never shown.
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

/// Rounds of PBKDF2: fewer are guessed too fast, more keep a client busy for
/// minutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Iterations(u32);

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

/// The message never quotes the value: it may be a good key with one slip in it.
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
    fn iterations_are_bounded() {
        assert_eq!(Iterations::new(9_999), Err(OutOfRange(9_999)));
        assert_eq!(Iterations::new(10_000), Ok(Iterations::MIN));
        assert_eq!(Iterations::new(10_000_000), Ok(Iterations::MAX));
        let message = Iterations::new(10_000_001).unwrap_err().to_string();
        assert_eq!(message, "10000001 is not from 10000 to 10000000");
    }
}
