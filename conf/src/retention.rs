//! How long files stay: [`Age`], and [`WhenFull`].

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::units::{BadValue, from_text, parse_duration};

/// The age at which a file goes: `"14d"`, at least an hour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Age {
    text: String,
    duration: Duration,
}

impl Age {
    const MIN: Duration = Duration::from_secs(60 * 60);

    pub fn get(&self) -> Duration {
        self.duration
    }
}

impl FromStr for Age {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        let read = parse_duration(text).ok().filter(|age| *age >= Self::MIN);
        let text = text.to_owned();
        match read {
            Some(duration) => Ok(Self { text, duration }),
            None => Err(BadValue::new(
                &text,
                "an age; write it such as \"14d\", at least \"1h\"",
            )),
        }
    }
}

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for Age {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Age {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer)
    }
}

/// What becomes of an upload that the quota has no room for; `ring: true` or `false` in the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "bool", into = "bool")]
pub enum WhenFull {
    #[default]
    Refuse,
    /// The oldest files go for it.
    RemoveOldest,
}

impl From<bool> for WhenFull {
    fn from(ring: bool) -> Self {
        match ring {
            true => Self::RemoveOldest,
            false => Self::Refuse,
        }
    }
}

impl From<WhenFull> for bool {
    fn from(when_full: WhenFull) -> Self {
        when_full == WhenFull::RemoveOldest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_an_hour_or_more() {
        assert_eq!(
            "14d".parse::<Age>().unwrap().get(),
            Duration::from_secs(14 * 86_400)
        );
        for bad in ["", "0", "14", "59min", "1s"] {
            assert!(bad.parse::<Age>().is_err(), "{bad}");
        }
    }
}
