//! [`Alias`]: a checked name of the user's own, for a host or a command.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer};

use crate::name::UserName;
use crate::units::from_text;

/// A name that the user gives: 1 to 64 of the letters `A-Z a-z`, digits, `.`, `_` and `-`, not
/// starting with `.` or `-`. So it can stand where a server can, before the `:` of a path there, and
/// where a command can, and is never quoted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Alias(UserName);

/// The error of what is no such name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not such a name; write A-Z a-z 0-9 . _ -, not starting with . or -")]
pub struct BadAlias(String);

impl Alias {
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl FromStr for Alias {
    type Err = BadAlias;

    fn from_str(name: &str) -> Result<Self, BadAlias> {
        // The grammar of users' names is as narrow.
        let parsed = name.parse().map(Self);
        parsed.map_err(|_| BadAlias(name.chars().take(100).collect()))
    }
}

impl fmt::Display for Alias {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Lets a map of aliases be asked with what was typed.
impl std::borrow::Borrow<str> for Alias {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl<'de> Deserialize<'de> for Alias {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer)
    }
}
