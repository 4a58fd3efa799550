//! [`Banner`]: what FTP clients are greeted with.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer};

use crate::units::{BadValue, from_text};

/// Bytes of the longest banner: some programs read no longer greeting.
const LONGEST: usize = 1000;

/// One line or more, without control characters, and not empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Banner(String);

impl fmt::Display for Banner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Banner {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        let lines: Vec<_> = text.trim_end().lines().map(str::trim_end).collect();
        let banner = lines.join("\n");
        let is_shown = |c: char| !c.is_control() || c == '\n';
        match (1..=LONGEST).contains(&banner.len()) && banner.chars().all(is_shown) {
            true => Ok(Self(banner)),
            false => Err(BadValue::new(
                text,
                "a text of 1 to 1000 bytes without control characters; write one such as \
                 \"welcome to files.example\", with \\n between lines",
            )),
        }
    }
}

impl<'de> Deserialize<'de> for Banner {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_without_control_characters() {
        for (text, banner) in [
            ("welcome", "welcome"),
            ("one \r\ntwo\n\n", "one\ntwo"),
            ("  art\n\n  below", "  art\n\n  below"),
            ("\u{e9}t\u{e9}", "\u{e9}t\u{e9}"),
        ] {
            assert_eq!(text.parse(), Ok(Banner(banner.to_owned())), "{text:?}");
        }
        for bad in ["", " \n", "a\tb", "\x1b[1m", "a\0", &"x".repeat(1001)] {
            assert!(bad.parse::<Banner>().is_err(), "{bad:?}");
        }
    }
}
