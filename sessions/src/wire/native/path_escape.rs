//! Escapes paths in UTF-8 lines: `%XX` for CR, LF, `%` and bytes that are not UTF-8.

use std::borrow::Cow;

use crate::path::LinkTarget;

/// Appends the escaped path.
pub fn push_path(path: &[u8], out: &mut Vec<u8>) {
    push(path, is_escaped, out);
}

/// Appends a link's target, which is the value of a token: escaped so that it is one word.
pub fn push_target(target: &LinkTarget, out: &mut Vec<u8>) {
    let ends_word = |c: char| is_escaped(c) || c == ' ' || c.is_ascii_control();
    push(target.as_bytes(), ends_word, out);
}

fn push(bytes: &[u8], is_escaped: impl Fn(char) -> bool, out: &mut Vec<u8>) {
    for chunk in bytes.utf8_chunks() {
        for piece in chunk.valid().split_inclusive(&is_escaped) {
            match piece
                .char_indices()
                .next_back()
                .filter(|(_, c)| is_escaped(*c))
            {
                Some((at, last)) => {
                    out.extend_from_slice(&piece.as_bytes()[..at]);
                    push_escape(last as u8, out);
                }
                None => out.extend_from_slice(piece.as_bytes()),
            }
        }
        for &byte in chunk.invalid() {
            push_escape(byte, out);
        }
    }
}

/// Whether a character is written as `%XX`: CR and LF would end the line, and `%` begins an escape.
fn is_escaped(c: char) -> bool {
    matches!(c, '%' | '\r' | '\n')
}

fn push_escape(byte: u8, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("%{byte:02X}").as_bytes());
}

/// The bytes of an escaped path; `None` where a `%` is not followed by two hexadecimal digits.
pub fn decode_path(written: &str) -> Option<Cow<'_, [u8]>> {
    if !written.contains('%') {
        return Some(Cow::Borrowed(written.as_bytes()));
    }
    let mut parts = written.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (hex, rest) = part.split_at_checked(2)?;
        if !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        bytes.push(u8::from_str_radix(hex, 16).ok()?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    Some(Cow::Owned(bytes))
}

/// The target that [`push_target`] has written; `None` for what is none.
pub fn decode_target(written: &str) -> Option<LinkTarget> {
    LinkTarget::new(decode_path(written)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_comes_back() {
        let mut name: Vec<u8> = (1..=255).collect();
        name.extend_from_slice("中文 100% ünï".as_bytes());
        let mut written = Vec::new();
        push_path(&name, &mut written);
        let written = String::from_utf8(written).unwrap();
        assert_eq!(decode_path(&written).unwrap().as_ref(), name);
        assert!(written.ends_with("中文 100%25 ünï"));
        assert!(written.contains("\t%0A\u{b}\u{c}%0D\u{e}"));
    }

    #[test]
    fn a_target_is_one_word_and_comes_back() {
        let every: Vec<u8> = (1..=255).collect();
        let long = vec![0xff; crate::path::LINK_TARGET_MAX];
        for target in [&b"a b"[..], b" ", b"../x=1", &every, &long] {
            let target = LinkTarget::new(target).unwrap();
            let mut written = Vec::new();
            push_target(&target, &mut written);
            let written = String::from_utf8(written).unwrap();
            assert!(!written.contains(|c: char| c == ' ' || c.is_ascii_control()));
            assert_eq!(decode_target(&written), Some(target));
        }
        for bad in [
            "",
            "%00",
            "%",
            &"a".repeat(crate::path::LINK_TARGET_MAX + 1),
        ] {
            assert_eq!(decode_target(bad), None, "{bad}");
        }
    }

    #[test]
    fn broken_escapes() {
        for bad in ["%", "a%2", "%zz", "%+1", "%é1"] {
            assert_eq!(decode_path(bad), None, "{bad}");
        }
    }
}
