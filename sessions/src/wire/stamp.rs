//! Reads and writes times in the form of RFC 3659 (section 2.3): `YYYYMMDDHHMMSS`, UTC.

use time::{OffsetDateTime, PrimitiveDateTime, macros::format_description};

/// A time as seconds since 1970, UTC.
#[derive(Clone, Copy, PartialEq, Eq, Debug, PartialOrd, Ord)]
pub struct Stamp(pub i64);

impl Stamp {
    /// The time as `YYYYMMDDHHMMSS`; one outside the years 0 to 9999 becomes 1970.
    pub fn to_digits(self) -> String {
        let format = format_description!("[year][month][day][hour][minute][second]");
        let time =
            OffsetDateTime::from_unix_timestamp(self.0).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        time.format(format).unwrap_or_default()
    }

    /// Reads `YYYYMMDDHHMMSS`; `None` unless it is fourteen digits that name a time.
    pub fn parse(digits: &str) -> Option<Self> {
        let format = format_description!("[year][month][day][hour][minute][second]");
        if digits.len() != 14 {
            return None;
        }
        let time = PrimitiveDateTime::parse(digits, format).ok()?;
        Some(Self(time.assume_utc().unix_timestamp()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways() {
        let stamp = Stamp::parse("20260102030405").unwrap();
        assert_eq!(stamp, Stamp(1_767_323_045));
        assert_eq!(stamp.to_digits(), "20260102030405");
        for bad in [
            "",
            "2026010203040",
            "20261302030405",
            "2026010203040x",
            "202601020304055",
        ] {
            assert_eq!(Stamp::parse(bad), None, "{bad}");
        }
    }
}
