//! [`Rates`]: how many bytes of files may flow in a second.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::units::{BadValue, Bytes, from_text};

const UNLIMITED: &str = "unlimited";

/// Bytes in a second, at least [`Rate::MIN`]: with fewer, transfers would seem to stand still.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate(u64);

impl Rate {
    pub const UNLIMITED: Self = Self(u64::MAX);
    pub const MIN: u64 = 1000;

    /// Bytes in a second; `None` for as many as come.
    pub fn get(self) -> Option<u64> {
        (self != Self::UNLIMITED).then_some(self.0)
    }
}

impl FromStr for Rate {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        if text == UNLIMITED {
            return Ok(Self::UNLIMITED);
        }
        let bytes: Bytes = text.parse()?;
        match bytes.get() {
            enough @ Self::MIN.. => Ok(Self(enough)),
            _ => Err(BadValue::new(
                text,
                "a rate; write bytes in a second such as \"5MB\", at least \"1kB\", or \"unlimited\"",
            )),
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.get() {
            Some(bytes) => write!(f, "{}", Bytes::new(bytes)),
            None => f.write_str(UNLIMITED),
        }
    }
}

impl Serialize for Rate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer)
    }
}

/// The rates of both directions; `None`: what is said elsewhere, or as many as come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rates {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upload: Option<Rate>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub download: Option<Rate>,
}

impl Rates {
    /// These, and where nothing is said, the others.
    #[must_use]
    pub fn or(self, others: Self) -> Self {
        Self {
            upload: self.upload.or(others.upload),
            download: self.download.or(others.download),
        }
    }
}

/// The `rates` section of `server.ron`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RateRules {
    /// Of all users together.
    pub all: Rates,
    /// Of all sessions of a user together, where the account says nothing else.
    pub user: Rates,
    /// Of one session, where the account says nothing else.
    pub session: Rates,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_read_as_it_is_shown() {
        for text in ["1kB", "5MB", "1GiB", "unlimited"] {
            let rate: Rate = text.parse().unwrap();
            assert_eq!(rate.to_string().parse::<Rate>().unwrap(), rate);
        }
        for bad in ["0", "0B", "999", "fast"] {
            assert!(bad.parse::<Rate>().is_err(), "{bad}");
        }
        assert_eq!("unlimited".parse::<Rate>().unwrap().get(), None);
    }
}
