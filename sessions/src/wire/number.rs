//! Reads decimal numbers as both dialects write them.

use std::str::FromStr;

/// Reads a number of at most 2^63-1, digits only (no sign, as in RFC 3659 section 5.3).
pub(super) fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let value = digits.then(|| u64::from_str(text).ok()).flatten()?;
    (value <= i64::MAX as u64).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        assert_eq!(number("9223372036854775807"), Some(i64::MAX as u64));
        for bad in [
            "",
            "-1",
            "+1",
            " 1",
            "9223372036854775808",
            "18446744073709551616",
            "0x1",
        ] {
            assert_eq!(number(bad), None, "{bad}");
        }
    }
}
