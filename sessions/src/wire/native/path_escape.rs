//! Escapes paths in UTF-8 lines: `%XX` for bytes that are not UTF-8, `%25` for `%`.

use std::borrow::Cow;

/// Appends the escaped path.
pub fn push_path(path: &[u8], out: &mut Vec<u8>) {
    for chunk in path.utf8_chunks() {
        for (index, piece) in chunk.valid().split('%').enumerate() {
            if index > 0 {
                out.extend_from_slice(b"%25");
            }
            out.extend_from_slice(piece.as_bytes());
        }
        for byte in chunk.invalid() {
            out.extend_from_slice(format!("%{byte:02X}").as_bytes());
        }
    }
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
    }

    #[test]
    fn broken_escapes() {
        for bad in ["%", "a%2", "%zz", "%+1", "%é1"] {
            assert_eq!(decode_path(bad), None, "{bad}");
        }
    }
}
