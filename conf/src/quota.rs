//! [`QuotaRules`]: the `quota` section of `server.ron`, and [`Allowance`]: what one user gets.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::name::UserName;
use crate::units::{BadValue, Bytes};
use crate::users;

const UNLIMITED: &str = "unlimited";

/// Bytes that a user may store: a size with its unit, or `unlimited`. A plain number below
/// [`ByteQuota::PLAIN_MIN`] is refused, because whoever writes `800` means megabytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteQuota(Bytes);

impl ByteQuota {
    /// As much as the file system holds.
    pub const UNLIMITED: Self = Self(Bytes::MAX);

    /// The least number that is taken as bytes without a unit.
    pub const PLAIN_MIN: u64 = 1_000_000;

    pub const fn new(bytes: u64) -> Self {
        Self(Bytes::new(bytes))
    }

    /// The bytes, at most [`Bytes::MAX`], which is no limit.
    pub const fn get(self) -> u64 {
        self.0.get()
    }
}

impl FromStr for ByteQuota {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        if text == UNLIMITED {
            return Ok(Self::UNLIMITED);
        }
        match text.parse::<u64>() {
            Ok(count) if count < Self::PLAIN_MIN => Err(BadValue::ambiguous(plain(count))),
            _ => text.parse().map(Self),
        }
    }
}

/// The question that a plain number is answered with.
fn plain(count: u64) -> String {
    match count {
        0 => "0 bytes? write \"unlimited\", or \"0B\" if nothing may be stored".to_owned(),
        _ => format!("{count} bytes? write \"{count}MB\", or \"{count}B\" if you mean it"),
    }
}

/// Shows the quota as [`ByteQuota::from_str`] reads it.
impl fmt::Display for ByteQuota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.to_string();
        match *self {
            Self::UNLIMITED => f.write_str(UNLIMITED),
            _ if shown.ends_with(|c: char| c.is_ascii_digit()) => write!(f, "{shown}B"),
            _ => f.write_str(&shown),
        }
    }
}

impl Serialize for ByteQuota {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ByteQuota {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ByteQuotaVisitor)
    }
}

struct ByteQuotaVisitor;

impl de::Visitor<'_> for ByteQuotaVisitor {
    type Value = ByteQuota;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a size such as \"800MB\", or \"unlimited\"")
    }

    fn visit_u64<E: de::Error>(self, count: u64) -> Result<ByteQuota, E> {
        self.visit_str(&count.to_string())
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<ByteQuota, E> {
        text.parse().map_err(E::custom)
    }
}

/// Files, directories and links that a user may have: a number, or `unlimited`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct EntryQuota(u64);

impl EntryQuota {
    /// As many as the file system holds.
    pub const UNLIMITED: Self = Self(i64::MAX as u64);

    pub const fn new(count: u64) -> Self {
        match count < Self::UNLIMITED.0 {
            true => Self(count),
            false => Self::UNLIMITED,
        }
    }

    /// The count; that of [`EntryQuota::UNLIMITED`] is no limit.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl FromStr for EntryQuota {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        match (text, text.parse()) {
            (UNLIMITED, _) => Ok(Self::UNLIMITED),
            (_, Ok(count)) => Ok(Self::new(count)),
            (_, Err(_)) => Err(BadValue::new(
                text,
                "a number of files; write a whole number, or \"unlimited\"",
            )),
        }
    }
}

impl Serialize for EntryQuota {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match *self {
            Self::UNLIMITED => serializer.serialize_str(UNLIMITED),
            Self(count) => serializer.serialize_u64(count),
        }
    }
}

impl<'de> Deserialize<'de> for EntryQuota {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EntryQuotaVisitor)
    }
}

struct EntryQuotaVisitor;

impl de::Visitor<'_> for EntryQuotaVisitor {
    type Value = EntryQuota;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number of files, or \"unlimited\"")
    }

    fn visit_u64<E: de::Error>(self, count: u64) -> Result<EntryQuota, E> {
        Ok(EntryQuota::new(count))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<EntryQuota, E> {
        text.parse().map_err(E::custom)
    }
}

/// The `quota` section of `server.ron`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct QuotaRules {
    /// Bytes for each user without a rule of its own.
    pub default: ByteQuota,
    /// Files, directories and links for each user.
    pub entries: EntryQuota,
    /// Bytes for these users.
    #[serde(deserialize_with = "users::unique")]
    pub users: BTreeMap<UserName, ByteQuota>,
}

impl Default for QuotaRules {
    fn default() -> Self {
        Self {
            default: ByteQuota::new(400_000_000),
            entries: EntryQuota::new(1_000_000),
            users: BTreeMap::new(),
        }
    }
}

/// What one user may store in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    pub bytes: ByteQuota,
    pub entries: EntryQuota,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> String {
        match text.parse::<ByteQuota>() {
            Ok(quota) => quota.get().to_string(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_plain_number_is_asked_back() {
        assert_eq!(
            said("800"),
            "800 bytes? write \"800MB\", or \"800B\" if you mean it"
        );
        assert_eq!(
            said("999999"),
            "999999 bytes? write \"999999MB\", or \"999999B\" if you mean it"
        );
        assert_eq!(
            said("0"),
            "0 bytes? write \"unlimited\", or \"0B\" if nothing may be stored"
        );
        assert_eq!(said("1000000"), "1000000");
        assert_eq!(said("800B"), "800");
        assert_eq!(said("0B"), "0");
        assert_eq!(said("800MB"), "800000000");
        assert_eq!(said("unlimited"), Bytes::MAX.get().to_string());
    }

    #[test]
    fn a_quota_is_written_as_it_is_read() {
        for text in ["800MB", "800B", "0B", "1234567B", "64MiB", "unlimited"] {
            assert_eq!(text.parse::<ByteQuota>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn entries_are_a_number_or_unlimited() {
        let count = |text: &str| text.parse().map(EntryQuota::get);
        assert_eq!(count("7"), Ok(7));
        assert_eq!(count("unlimited"), Ok(i64::MAX as u64));
        assert!(count("7MB").is_err() && count("-1").is_err() && count("").is_err());
    }
}
