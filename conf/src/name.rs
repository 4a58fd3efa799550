//! [`UserName`]: a checked name of a user.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use crate::units::from_text;

/// The name of a user: 1 to 64 of the letters `A-Z a-z`, digits, `.`, `_`, `-` and `@`, not starting
/// with `.`, `-` or `@`. So it is one component of a path, one word of a log line, and never an option
/// of a command line. Case matters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct UserName(String);

/// The error of a name that no user can have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a user name; write 1 to 64 of A-Z a-z 0-9 . _ - @, not starting with . - or @"
)]
pub struct BadName(String);

impl UserName {
    /// Bytes of the longest name.
    pub const MAX_LENGTH: usize = 64;

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for UserName {
    type Err = BadName;

    fn from_str(name: &str) -> Result<Self, BadName> {
        let allowed = |c: u8| c.is_ascii_alphanumeric() || b"._-@".contains(&c);
        let fits = (1..=Self::MAX_LENGTH).contains(&name.len());
        match fits && name.bytes().all(allowed) && !name.starts_with(['.', '-', '@']) {
            true => Ok(Self(name.to_owned())),
            // The text may have any length: as much is quoted as is needed to find it.
            false => Err(BadName(name.chars().take(Self::MAX_LENGTH + 1).collect())),
        }
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for UserName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// Lets a map with names as keys be asked with the text that a peer sent.
impl Borrow<str> for UserName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for UserName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grammar_of_names() {
        let longest = "a".repeat(64);
        for good in [
            "tom",
            "T.o_m-9",
            "_x",
            "7",
            "tom@example.org",
            "a@",
            longest.as_str(),
        ] {
            assert_eq!(good.parse::<UserName>().unwrap().as_str(), good);
        }
        let too_long = "a".repeat(65);
        for bad in [
            "", ".", "..", ".tom", "-tom", "@tom", "to m", "a/b", "tøm", "a\n", "a\0", &too_long,
        ] {
            assert!(bad.parse::<UserName>().is_err(), "{bad:?}");
        }
    }
}
