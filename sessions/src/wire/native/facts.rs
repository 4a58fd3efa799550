//! Writes and reads the lines of native listings: `fact=value;` pairs, a space, the name (the form
//! of RFC 3659 section 7.2).

use super::path_escape::{decode_path, push_path};
use crate::wire::number::number;
use crate::wire::reply::{Facts, Kind};
use crate::wire::stamp::Stamp;

/// Appends one line for `name`.
pub fn push_entry(name: &[u8], facts: &Facts, out: &mut Vec<u8>) {
    let kind = kind_name(facts.kind);
    let (size, modified) = (facts.size, facts.modified.to_digits());
    out.extend_from_slice(format!("type={kind};size={size};modify={modified};").as_bytes());
    if let Some(mode) = facts.mode {
        out.extend_from_slice(format!("mode={mode:04o};").as_bytes());
    }
    out.push(b' ');
    push_path(name, out);
    out.extend_from_slice(b"\r\n");
}

/// Reads one line without its CRLF; unknown facts are ignored. `None` if it is malformed.
pub fn parse_entry(line: &[u8]) -> Option<(Vec<u8>, Facts)> {
    let line = std::str::from_utf8(line).ok()?;
    let (facts, name) = line.split_once("; ")?;
    let mut found = Facts {
        kind: Kind::Other,
        size: 0,
        modified: Stamp(0),
        mode: None,
    };
    for fact in facts.split(';') {
        let (key, value) = fact.split_once('=')?;
        match key {
            "type" => found.kind = kind_from(value),
            "size" => found.size = number(value)?,
            "modify" => found.modified = Stamp::parse(value)?,
            "mode" => found.mode = Some(u32::from_str_radix(value, 8).ok()?),
            _ => {}
        }
    }
    Some((decode_path(name)?.into_owned(), found))
}

pub fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::File => "file",
        Kind::Directory => "dir",
        Kind::Link => "link",
        Kind::Other => "other",
    }
}

pub fn kind_from(name: &str) -> Kind {
    match name {
        "file" => Kind::File,
        "dir" => Kind::Directory,
        "link" => Kind::Link,
        _ => Kind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways() {
        let facts = Facts {
            kind: Kind::File,
            size: 12,
            modified: Stamp(1_767_323_045),
            mode: Some(0o644),
        };
        for name in [&b"a; b=c"[..], b" x", b"\xff", "中文".as_bytes()] {
            let mut line = Vec::new();
            push_entry(name, &facts, &mut line);
            let line = line.strip_suffix(b"\r\n").unwrap();
            assert_eq!(parse_entry(line), Some((name.to_vec(), facts)));
        }
        assert_eq!(parse_entry(b"type=file;size=x; a"), None);
        assert_eq!(parse_entry(b"nothing"), None);
    }
}
