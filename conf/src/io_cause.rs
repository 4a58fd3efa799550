//! Words an error of the system for people.

use std::fmt;
use std::io;

/// What the standard library writes before the words of the resolver (gai_strerror(3)).
const RESOLVER_PREFIX: &str = "failed to lookup address information: ";

/// What an error of the system means, without its number.
pub struct IoCause<'a>(pub &'a io::Error);

impl fmt::Display for IoCause<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string();
        let text = text.strip_prefix(RESOLVER_PREFIX).unwrap_or(&text);
        // The standard library writes `No such file or directory (os error 2)`.
        let number = self
            .0
            .raw_os_error()
            .map(|code| format!(" (os error {code})"));
        let words = number.and_then(|number| text.strip_suffix(&number));
        let words = words.unwrap_or(text);
        // Acronyms stay: `I/O error`.
        let mut chars = words.chars();
        match (chars.next(), chars.next()) {
            (Some(first), Some(second)) if second.is_lowercase() || second == ' ' => {
                write!(f, "{}{}", first.to_lowercase(), &words[first.len_utf8()..])
            }
            _ => f.write_str(words),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_have_no_numbers() {
        let shown = |code| IoCause(&io::Error::from_raw_os_error(code)).to_string();
        assert_eq!(shown(2), "no such file or directory");
        assert_eq!(shown(13), "permission denied");
        assert_eq!(shown(5), "input/output error");
        assert_eq!(IoCause(&io::Error::other("is gone")).to_string(), "is gone");
    }
}
