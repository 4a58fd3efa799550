//! Parses sizes, durations and modes as people write them: `"400MB"`, `"10min"`, `"0644"`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The error of a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadValue {
    /// The value itself and what would be right.
    #[error("{found:?} is not {wanted}")]
    Wrong {
        found: String,
        wanted: Cow<'static, str>,
    },
    /// The value can be read in two ways; the question that it is answered with.
    #[error("{0}")]
    Ambiguous(String),
}

impl BadValue {
    pub(crate) fn new(found: &str, wanted: impl Into<Cow<'static, str>>) -> Self {
        Self::Wrong {
            found: found.chars().take(100).collect(),
            wanted: wanted.into(),
        }
    }

    pub(crate) fn ambiguous(question: String) -> Self {
        Self::Ambiguous(question)
    }
}

/// A number of bytes. `kB MB GB TB` count in thousands, `KiB MiB GiB TiB` and the
/// short `K M G T` in 1024s; a plain number is bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Bytes(u64);

const BYTE_UNITS: [(&str, u64); 16] = [
    ("TiB", 1 << 40),
    ("TB", 1_000_000_000_000),
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("kB", 1_000),
    ("", 1),
    ("B", 1),
    ("KB", 1_000),
    ("K", 1 << 10),
    ("k", 1 << 10),
    ("M", 1 << 20),
    ("G", 1 << 30),
    ("T", 1 << 40),
];

impl Bytes {
    /// The largest size a file can have: off_t is signed.
    pub const MAX: Self = Self(i64::MAX as u64);

    /// `count` bytes, at most [`Bytes::MAX`].
    pub const fn new(count: u64) -> Self {
        Self(if count > Self::MAX.0 {
            Self::MAX.0
        } else {
            count
        })
    }

    pub const fn get(self) -> u64 {
        self.0
    }
}

impl FromStr for Bytes {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        number_and_unit(text, &BYTE_UNITS)
            .filter(|&count| count <= Self::MAX.0)
            .map(Self)
            .ok_or_else(|| {
                BadValue::new(
                    text,
                    "a size; write a whole number and a unit such as \"800MB\"",
                )
            })
    }
}

/// Shows the size in the largest unit without a fraction: `800MB`, `64MiB`, `1234`.
impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exact = |&&(_, size): &&(&str, u64)| self.0 != 0 && self.0.is_multiple_of(size);
        let (unit, size) = BYTE_UNITS.iter().find(exact).unwrap_or(&("", 1));
        write!(f, "{}{unit}", self.0 / size)
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(BytesVisitor)
    }
}

struct BytesVisitor;

impl de::Visitor<'_> for BytesVisitor {
    type Value = Bytes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a size such as \"800MB\", or a number of bytes")
    }

    fn visit_u64<E: de::Error>(self, count: u64) -> Result<Bytes, E> {
        match count <= Bytes::MAX.0 {
            true => Ok(Bytes(count)),
            false => Err(E::invalid_value(de::Unexpected::Unsigned(count), &self)),
        }
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Bytes, E> {
        text.parse().map_err(E::custom)
    }
}

const MILLISECOND_UNITS: [(&str, u64); 5] = [
    ("ms", 1),
    ("s", 1_000),
    ("min", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];

/// Milliseconds of the longest duration, a century: later deadlines could overflow the clock.
const DURATION_MAX_MS: u64 = 36_500 * 86_400_000;

/// Reads a value that is written as text.
pub(crate) fn from_text<'de, T: FromStr<Err: fmt::Display>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    String::deserialize(deserializer)?
        .parse()
        .map_err(de::Error::custom)
}

/// Parses a duration such as `500ms`, `30s`, `10min`, `24h` or `7d`: a whole number above 0 with a
/// unit.
pub fn parse_duration(text: &str) -> Result<Duration, BadValue> {
    let unitless = text.bytes().all(|c| c.is_ascii_digit());
    number_and_unit(text, &MILLISECOND_UNITS)
        .filter(|milliseconds| (1..=DURATION_MAX_MS).contains(milliseconds) && !unitless)
        .map(Duration::from_millis)
        .ok_or_else(|| {
            BadValue::new(
                text,
                "a duration; write a whole number and ms, s, min, h or d, such as \"10min\"",
            )
        })
}

pub(crate) fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    parse_duration(&String::deserialize(deserializer)?).map_err(de::Error::custom)
}

/// Parses a duration, or the word `Never`.
pub(crate) fn duration_or_never<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Duration>, D::Error> {
    let raw = Box::<ron::value::RawValue>::deserialize(deserializer)?;
    let text = raw.get_ron().trim();
    if text == "Never" {
        return Ok(None);
    }
    let refused = || {
        BadValue::new(
            text.trim_matches('"'),
            "a duration such as \"24h\"; write one, or Never",
        )
    };
    let duration = ron::from_str::<String>(text).ok();
    let duration = duration.and_then(|text| parse_duration(&text).ok());
    duration
        .map(Some)
        .ok_or_else(refused)
        .map_err(de::Error::custom)
}

/// Parses a number above 0.
pub(crate) fn at_least_one<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    match u32::deserialize(deserializer)? {
        0 => Err(de::Error::custom("0 would let nobody in; write 1 or more")),
        count => Ok(count),
    }
}

/// Parses a share in per cent, which is something and not more than all.
pub(crate) fn percent<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u8, D::Error> {
    match u32::deserialize(deserializer)? {
        share @ 1..=100 => Ok(share as u8),
        other => {
            let what = format!("{other} is no share; write a number of per cent from 1 to 100");
            Err(de::Error::custom(what))
        }
    }
}

/// Permission bits, written in octal as chmod(1) does: `"0644"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mode(u32);

impl Mode {
    pub(crate) const fn new(bits: u32) -> Self {
        Self(bits)
    }

    /// The bits, at most 0o7777.
    pub const fn bits(self) -> u32 {
        self.0
    }
}

/// Parses a mode for files: at most 0777, and the owner can read and write.
pub(crate) fn file_mode<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Mode>, D::Error> {
    let wanted = "a mode for files; write octal digits in quotes such as \"0644\", at least 0600";
    mode(deserializer, 0o777, 0o600, wanted).map(Some)
}

/// Parses a mode for directories: at most 3777, and the owner has all permissions.
pub(crate) fn dir_mode<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Mode>, D::Error> {
    let wanted =
        "a mode for directories; write octal digits in quotes such as \"0755\", at least 0700";
    mode(deserializer, 0o3777, 0o700, wanted).map(Some)
}

fn mode<'de, D: Deserializer<'de>>(
    deserializer: D,
    allowed: u32,
    needed: u32,
    wanted: &'static str,
) -> Result<Mode, D::Error> {
    let text = String::deserialize(deserializer)?;
    let digits = (3..=4).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_digit());
    let bits = u32::from_str_radix(&text, 8).ok().filter(|_| digits);
    bits.filter(|bits| bits & !allowed == 0 && bits & needed == needed)
        .map(Mode)
        .ok_or_else(|| de::Error::custom(BadValue::new(&text, wanted)))
}

/// The number times its unit, with spaces allowed between the two; `None` where the text is not
/// such a pair or the product is too large.
fn number_and_unit(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim_start();
    let &(_, size) = units.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &str) -> Option<u64> {
        text.parse::<Bytes>().ok().map(Bytes::get)
    }

    #[test]
    fn sizes_in_thousands_and_in_1024s() {
        assert_eq!(bytes("400MB"), Some(400_000_000));
        assert_eq!(bytes("400MiB"), Some(400 * 1024 * 1024));
        assert_eq!(bytes("400M"), bytes("400MiB"));
        assert_eq!(bytes("3 kB"), Some(3_000));
        assert_eq!(bytes("2KiB"), Some(2_048));
        assert_eq!(bytes("2K"), Some(2_048));
        assert_eq!(bytes("1T"), Some(1 << 40));
        assert_eq!(bytes("17"), Some(17));
        assert_eq!(bytes("0"), Some(0));
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for bad in [
            "",
            "MB",
            "-1",
            "1.5GB",
            "800 apples",
            "9223372036854775808",
            "99999999TB",
            "1mb",
        ] {
            assert_eq!(bytes(bad), None, "{bad:?}");
        }
        assert_eq!(bytes("9223372036854775807"), Some(Bytes::MAX.get()));
    }

    #[test]
    fn sizes_are_written_as_they_are_read() {
        for text in ["400MB", "64MiB", "1234", "0", "1GB", "1GiB", "3kB", "3KiB"] {
            assert_eq!(text.parse::<Bytes>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn durations() {
        assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_duration("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(parse_duration("10 min"), Ok(Duration::from_secs(600)));
        assert_eq!(parse_duration("24h"), parse_duration("1d"));
        for bad in ["", "10", "0s", "5m", "s", "-1s", "99999999d", "1h30min"] {
            assert!(parse_duration(bad).is_err(), "{bad:?}");
        }
    }
}
