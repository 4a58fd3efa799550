//! Writes the lines of listings: for programs (RFC 3659 section 7), for people, and names alone.

use time::OffsetDateTime;

use crate::rights::{self, Rights};
use crate::wire::listing::{Fact, FactSet};
use crate::wire::reply::{Entry, Facts, Kind, Right};
use crate::wire::stamp::Stamp;

/// The target of a link that is not told where it leads.
const UNTOLD: &[u8] = b"?";

/// Half a Gregorian year in seconds: an older time is written with its year.
const RECENT: i64 = 31_556_952 / 2;

const MONTHS: [&[u8; 3]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];

/// Appends `fact=value;...`, a blank, and the name, which must hold no CR or LF.
pub fn push_machine(name: &[u8], entry: &Entry, set: FactSet, rights: Rights, out: &mut Vec<u8>) {
    push_facts(entry, set, rights, out);
    out.push(b' ');
    push_name(name, out);
}

/// Appends a line as `ls -l` does, in UTC; owner and group are hidden.
pub fn push_long(name: &[u8], entry: &Entry, now: Stamp, out: &mut Vec<u8>) {
    let facts = &entry.facts;
    push_mode(facts, out);
    out.extend_from_slice(b"   1 ftp      ftp      ");
    push_padded(facts.size, 8, b' ', out);
    out.push(b' ');
    push_date(facts.modified, now, out);
    out.push(b' ');
    out.extend_from_slice(name);
    if facts.kind == Kind::Link {
        out.extend_from_slice(b" -> ");
        out.extend_from_slice(entry.target.as_deref().unwrap_or(UNTOLD));
    }
    out.extend_from_slice(b"\r\n");
}

/// Appends the name and CRLF.
pub fn push_name(name: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(name);
    out.extend_from_slice(b"\r\n");
}

/// Appends the facts without the blank and the name.
pub(super) fn push_facts(entry: &Entry, set: FactSet, rights: Rights, out: &mut Vec<u8>) {
    let facts = &entry.facts;
    for fact in Fact::ALL {
        if !set.has(fact) || !has(facts, fact) {
            continue;
        }
        out.extend_from_slice(fact.name().as_bytes());
        out.push(b'=');
        match fact {
            Fact::Type => push_type(entry, out),
            Fact::Size => push_padded(facts.size, 1, b'0', out),
            Fact::Modify => push_digits(facts.modified, out),
            Fact::Perm => push_permissions(entry, rights, out),
            Fact::Mode => push_octal(facts.mode.unwrap_or_default(), out),
        }
        out.push(b';');
    }
}

/// Whether the entry has the fact. A directory's size says nothing about its contents.
fn has(facts: &Facts, fact: Fact) -> bool {
    match fact {
        Fact::Size => facts.kind == Kind::File,
        Fact::Mode => facts.mode.is_some(),
        Fact::Type | Fact::Modify | Fact::Perm => true,
    }
}

/// Appends the type fact (RFC 3659 section 7.5.1). Facts end at the first blank, and each at a
/// semicolon: a target that holds either is not told.
fn push_type(entry: &Entry, out: &mut Vec<u8>) {
    let ends_fact = |byte: &u8| *byte == b';' || byte.is_ascii_whitespace();
    out.extend_from_slice(match entry.facts.kind {
        Kind::File => b"file",
        Kind::Directory => b"dir",
        Kind::Link => b"OS.unix=slink:",
        Kind::Other => b"OS.unix=other",
    });
    if entry.facts.kind == Kind::Link {
        let target = entry.target.as_deref();
        let target = target.filter(|target| !target.iter().any(ends_fact));
        out.extend_from_slice(target.unwrap_or(UNTOLD));
    }
}

/// Appends the perm fact (RFC 3659 section 7.5.5): what the account and the file permissions allow.
/// A file is replaced by renaming another one to its name.
fn push_permissions(entry: &Entry, rights: Rights, out: &mut Vec<u8>) {
    use rights::Right::{Append, Delete, Get, List, MakeDirectory, Put, RemoveDirectory, Replace};
    const RENAME: Rights = Rights::of(&[rights::Right::Rename]);
    let letters: &[(u8, Right, Rights)] = match entry.facts.kind {
        Kind::File => &[
            (b'a', Right::Write, Rights::of(&[Append])),
            (b'd', Right::Rename, Rights::of(&[Delete])),
            (b'f', Right::Rename, RENAME),
            (b'r', Right::Read, Rights::of(&[Get])),
            (b'w', Right::Rename, Rights::of(&[Replace])),
        ],
        Kind::Directory => &[
            (b'c', Right::Write, Rights::of(&[Put])),
            (b'd', Right::Rename, Rights::of(&[RemoveDirectory])),
            (b'e', Right::Search, Rights::ALL),
            (b'f', Right::Rename, RENAME),
            (b'l', Right::Read, Rights::of(&[List])),
            (b'm', Right::Write, Rights::of(&[MakeDirectory])),
            (b'p', Right::Write, Rights::of(&[Delete, RemoveDirectory])),
        ],
        Kind::Link | Kind::Other => &[
            (b'd', Right::Rename, Rights::of(&[Delete])),
            (b'f', Right::Rename, RENAME),
        ],
    };
    let granted = letters.iter().filter(|(_, by_mode, by_account)| {
        rights.meets(*by_account) && entry.allowed.has(*by_mode)
    });
    out.extend(granted.map(|(letter, ..)| letter));
}

fn push_mode(facts: &Facts, out: &mut Vec<u8>) {
    let (letter, usual) = match facts.kind {
        Kind::File => (b'-', 0o644),
        Kind::Directory => (b'd', 0o755),
        Kind::Link => (b'l', 0o777),
        // Neither pipes nor devices are opened: one letter for all.
        Kind::Other => (b'p', 0o644),
    };
    let mode = facts.mode.unwrap_or(usual);
    out.push(letter);
    for (bit, &letter) in b"rwxrwxrwx".iter().enumerate() {
        let set = mode & 0o400 >> bit != 0;
        out.push(if set { letter } else { b'-' });
    }
}

/// Appends `Nov 22 13:00`, or `Nov 22  2025` for a time long ago or in the future.
fn push_date(modified: Stamp, now: Stamp, out: &mut Vec<u8>) {
    let time = calendar(modified);
    out.extend_from_slice(MONTHS[usize::from(u8::from(time.month())) - 1]);
    out.push(b' ');
    push_padded(time.day().into(), 2, b' ', out);
    out.push(b' ');
    let age = now.0.saturating_sub(modified.0);
    if (0..RECENT).contains(&age) {
        push_padded(time.hour().into(), 2, b'0', out);
        out.push(b':');
        push_padded(time.minute().into(), 2, b'0', out);
    } else {
        push_padded(time.year().unsigned_abs().into(), 5, b' ', out);
    }
}

/// Appends what `Stamp::to_digits` returns, without a string.
fn push_digits(modified: Stamp, out: &mut Vec<u8>) {
    let time = calendar(modified);
    push_padded(time.year().unsigned_abs().into(), 4, b'0', out);
    for part in [
        u8::from(time.month()),
        time.day(),
        time.hour(),
        time.minute(),
        time.second(),
    ] {
        push_padded(part.into(), 2, b'0', out);
    }
}

/// The calendar time; one outside the years 0 to 9999 becomes 1970.
fn calendar(stamp: Stamp) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(stamp.0)
        .ok()
        .filter(|time| (0..=9999).contains(&time.year()))
        .unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

fn push_octal(mode: u32, out: &mut Vec<u8>) {
    for shift in [9, 6, 3, 0] {
        out.push(b'0' + (mode >> shift & 7) as u8);
    }
}

/// Appends a number in decimal, at least `width` wide.
fn push_padded(mut value: u64, width: usize, pad: u8, out: &mut Vec<u8>) {
    let mut digits = [pad; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    let start = at.min(digits.len() - width);
    out.extend_from_slice(&digits[start..]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::reply::Allowed;

    /// 2026-11-22 13:00:59.
    const NOW: Stamp = Stamp(1_795_352_459);

    fn file(size: u64, modified: Stamp) -> Facts {
        Facts {
            kind: Kind::File,
            size,
            modified,
            mode: Some(0o644),
        }
    }

    fn entry(facts: &Facts, target: Option<&str>) -> Entry {
        let target = target.map(|target| target.as_bytes().to_vec());
        Entry {
            facts: *facts,
            target,
            allowed: Allowed::ALL,
        }
    }

    fn of_kind(kind: Kind) -> Facts {
        Facts {
            kind,
            size: 4096,
            modified: NOW,
            mode: None,
        }
    }

    fn long(facts: &Facts) -> String {
        let mut out = Vec::new();
        push_long(b"a b", &entry(facts, None), NOW, &mut out);
        String::from_utf8(out).unwrap()
    }

    fn machine(facts: &Facts, set: FactSet, rights: Rights) -> String {
        let mut out = Vec::new();
        push_machine(b"a b", &entry(facts, None), set, rights, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn long_lines() {
        for (facts, line) in [
            (
                file(1234, NOW),
                "-rw-r--r--   1 ftp      ftp          1234 Nov 22 13:00 a b\r\n",
            ),
            (
                file(12_345_678_901, Stamp(1_767_323_045)),
                "-rw-r--r--   1 ftp      ftp      12345678901 Jan  2  2026 a b\r\n",
            ),
            (
                of_kind(Kind::Directory),
                "drwxr-xr-x   1 ftp      ftp          4096 Nov 22 13:00 a b\r\n",
            ),
            (
                of_kind(Kind::Link),
                "lrwxrwxrwx   1 ftp      ftp          4096 Nov 22 13:00 a b -> ?\r\n",
            ),
            (
                Facts {
                    mode: Some(0o7051),
                    ..of_kind(Kind::Other)
                },
                "p---r-x--x   1 ftp      ftp          4096 Nov 22 13:00 a b\r\n",
            ),
        ] {
            assert_eq!(long(&facts), line);
        }
    }

    #[test]
    fn a_year_or_a_time_of_day() {
        for (seconds, date) in [
            (0, "Nov 22 13:00"),
            (-1, "Nov 22  2026"),
            (-31_000_000, "Nov 16  2027"),
            (RECENT - 1, "May 23 22:06"),
            (RECENT, "May 23  2026"),
            (i64::MAX, "Jan  1  1970"),
            (i64::MIN, "Jan  1  1970"),
        ] {
            let modified = Stamp(NOW.0.saturating_sub(seconds));
            let line = long(&file(1, modified));
            assert!(line.contains(&format!(" {date} ")), "{seconds}: {line}");
        }
    }

    #[test]
    fn machine_lines() {
        let stamp = Stamp(1_767_323_045);
        let (whole, none) = (FactSet::ALL, FactSet::NONE);
        let link = Facts {
            modified: stamp,
            ..of_kind(Kind::Link)
        };
        let directory = Facts {
            kind: Kind::Directory,
            mode: Some(0o2755),
            ..link
        };
        let (writes, reads) = (Rights::ALL, Rights::READING);
        for (facts, set, rights, line) in [
            (
                file(0, stamp),
                whole,
                writes,
                "type=file;size=0;modify=20260102030405;perm=adfrw;UNIX.mode=0644; a b\r\n",
            ),
            (
                directory,
                whole,
                writes,
                "type=dir;modify=20260102030405;perm=cdeflmp;UNIX.mode=2755; a b\r\n",
            ),
            (
                directory,
                none.with(Fact::Type).with(Fact::Perm),
                reads,
                "type=dir;perm=el; a b\r\n",
            ),
            (
                link,
                whole,
                reads,
                "type=OS.unix=slink:?;modify=20260102030405;perm=; a b\r\n",
            ),
            (file(5, stamp), none, reads, " a b\r\n"),
            (
                file(u64::MAX, stamp),
                none.with(Fact::Size),
                reads,
                "size=18446744073709551615; a b\r\n",
            ),
        ] {
            assert_eq!(machine(&facts, set, rights), line);
        }
    }

    #[test]
    fn permissions_are_those_of_the_account_and_of_the_file() {
        let nothing = Allowed::NOTHING;
        for (kind, allowed, writer, reader) in [
            (Kind::File, Allowed::ALL, "adfrw", "r"),
            (Kind::File, nothing.with(Right::Read), "r", "r"),
            (Kind::File, nothing.with(Right::Rename), "dfw", ""),
            (Kind::File, nothing.with(Right::Write), "a", ""),
            (Kind::Directory, Allowed::ALL, "cdeflmp", "el"),
            (Kind::Directory, nothing.with(Right::Search), "e", "e"),
            (Kind::Directory, nothing.with(Right::Write), "cmp", ""),
            (Kind::Directory, nothing.with(Right::Read), "l", "l"),
            (Kind::Link, Allowed::ALL, "df", ""),
            (Kind::Other, nothing.with(Right::Read), "", ""),
        ] {
            let entry = Entry {
                allowed,
                ..entry(&of_kind(kind), None)
            };
            for (rights, letters) in [(Rights::ALL, writer), (Rights::READING, reader)] {
                let mut out = Vec::new();
                push_facts(&entry, FactSet::NONE.with(Fact::Perm), rights, &mut out);
                let told = String::from_utf8(out).unwrap();
                assert_eq!(told, format!("perm={letters};"), "{kind:?} {allowed:?}");
            }
        }
    }

    #[test]
    fn links_and_where_they_lead() {
        let facts = of_kind(Kind::Link);
        for (target, long, machine) in [
            (Some("../x"), "../x", "../x"),
            (Some("=gr\u{fc}n:*"), "=gr\u{fc}n:*", "=gr\u{fc}n:*"),
            (Some("a b"), "a b", "?"),
            (Some("a;b"), "a;b", "?"),
            (Some("a\tb"), "a\tb", "?"),
            (None, "?", "?"),
        ] {
            let (entry, mut out) = (entry(&facts, target), Vec::new());
            push_long(b"l", &entry, NOW, &mut out);
            let line = String::from_utf8(std::mem::take(&mut out)).unwrap();
            assert!(line.ends_with(&format!(" l -> {long}\r\n")), "{line}");
            let (set, rights) = (FactSet::NONE.with(Fact::Type), Rights::READING);
            push_machine(b"l", &entry, set, rights, &mut out);
            let line = String::from_utf8(out).unwrap();
            assert_eq!(line, format!("type=OS.unix=slink:{machine}; l\r\n"));
        }
    }

    #[test]
    fn digits_are_the_stamp_s() {
        let step = 7_777_777_777;
        for index in -20..40 {
            let stamp = Stamp(index * step);
            let mut out = Vec::new();
            push_digits(stamp, &mut out);
            let outside = stamp.0 < -62_167_219_200 || stamp.0 > 253_402_300_799;
            let want = if outside { Stamp(0) } else { stamp };
            assert_eq!(out, want.to_digits().as_bytes(), "{stamp:?}");
        }
    }

    #[test]
    fn names_are_bytes() {
        let mut out = Vec::new();
        push_name(b"\xff \x01", &mut out);
        assert_eq!(out, b"\xff \x01\r\n");
    }
}
