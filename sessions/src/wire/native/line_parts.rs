//! Splits native lines of either side into head, tokens and rest (PROTOCOL.md section 2).

use crate::digest::{Algorithm, Sum};

/// A line's parts. Tokens stand before the rest, in any order, none twice.
#[derive(Debug)]
pub struct Parts<'a> {
    pub head: &'a str,
    tokens: Vec<(&'a str, &'a str)>,
    rest: Option<&'a str>,
}

/// The error for a line with a malformed, missing, repeated or unknown part.
#[derive(PartialEq, Eq, Debug)]
pub struct MalformedParts;

impl<'a> Parts<'a> {
    /// Splits a line without its CRLF.
    pub fn cut(line: &'a str) -> Result<Self, MalformedParts> {
        let (head, mut left) = match line.split_once(' ') {
            Some((head, left)) => (head, Some(left)),
            None => (line, None),
        };
        let mut tokens = Vec::new();
        while let Some(text) = left {
            let (word, after) = match text.split_once(' ') {
                Some((word, after)) => (word, Some(after)),
                None => (text, None),
            };
            let Some((key, value)) = word.split_once('=').filter(|(key, _)| is_key(key)) else {
                break;
            };
            if tokens.iter().any(|(known, _)| *known == key) {
                return Err(MalformedParts);
            }
            tokens.push((key, value));
            left = after;
        }
        Ok(Self {
            head,
            tokens,
            rest: left,
        })
    }

    /// Takes a token out; tokens that are left at the end are unknown.
    pub fn take(&mut self, key: &str) -> Option<&'a str> {
        let index = self.tokens.iter().position(|(known, _)| *known == key)?;
        Some(self.tokens.swap_remove(index).1)
    }

    /// Takes a token that may be missing, but not malformed.
    pub fn optional<T>(
        &mut self,
        key: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, MalformedParts> {
        self.take(key)
            .map(|value| parse(value).ok_or(MalformedParts))
            .transpose()
    }

    /// Takes a token that must be there.
    pub fn required<T>(
        &mut self,
        key: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, MalformedParts> {
        self.optional(key, parse)?.ok_or(MalformedParts)
    }

    /// Takes a token that is `1` or missing.
    pub fn flag(&mut self, key: &str) -> Result<bool, MalformedParts> {
        Ok(self
            .optional(key, |value| (value == "1").then_some(()))?
            .is_some())
    }

    /// Takes `md5=HEX` or `sha256=HEX`: the token is named after the algorithm.
    pub fn sum(&mut self) -> Result<Option<Sum>, MalformedParts> {
        let md5 = self.optional("md5", |hex| Algorithm::Md5.parse(hex))?;
        let sha256 = self.optional("sha256", |hex| Algorithm::Sha256.parse(hex))?;
        match (md5, sha256) {
            (Some(_), Some(_)) => Err(MalformedParts),
            (md5, sha256) => Ok(md5.or(sha256)),
        }
    }

    /// Takes `digest=`: the algorithm that a transfer is to be verified by.
    pub fn digest(&mut self) -> Result<Option<Algorithm>, MalformedParts> {
        self.optional("digest", Algorithm::verifying)
    }

    /// Takes the rest behind the tokens.
    pub fn take_rest(&mut self) -> Option<&'a str> {
        self.rest.take()
    }

    /// Checks that everything was taken.
    pub fn finish(&self) -> Result<(), MalformedParts> {
        (self.tokens.is_empty() && self.rest.is_none())
            .then_some(())
            .ok_or(MalformedParts)
    }
}

fn is_key(word: &str) -> bool {
    let key_byte = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    !word.is_empty() && word.bytes().all(key_byte)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::number::number;

    #[test]
    fn tokens_then_rest() {
        let mut parts = Parts::cut("STOR size=3 go=1  a=b c").unwrap();
        assert_eq!(parts.head, "STOR");
        assert_eq!(parts.required("size", number), Ok(3));
        assert_eq!(parts.flag("go"), Ok(true));
        assert_eq!(parts.take_rest(), Some(" a=b c"));
        assert_eq!(parts.finish(), Ok(()));
    }

    #[test]
    fn broken_parts() {
        assert!(Parts::cut("STOR size=3 size=4 x").is_err());
        assert_eq!(
            Parts::cut("X size=-1").unwrap().required("size", number),
            Err(MalformedParts)
        );
        assert_eq!(
            Parts::cut("X").unwrap().required("size", number),
            Err(MalformedParts)
        );
        assert_eq!(
            Parts::cut("X go=2").unwrap().flag("go"),
            Err(MalformedParts)
        );
        assert_eq!(Parts::cut("X odd=2").unwrap().finish(), Err(MalformedParts));
    }
}
