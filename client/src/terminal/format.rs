//! Formats sizes, rates, times, listing entries and replies for the user, and escapes names.

use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

pub(crate) use skiff_conf::IoCause;
use skiff_sessions::digest::Sum;
use skiff_sessions::wire::native::replies::{PeerText, ReplyLine};
use skiff_sessions::wire::reply::{Facts, Kind};
use skiff_sessions::wire::stamp::Stamp;

/// Returns a name that is safe to print: control characters, bidirectional marks, line separators
/// and bytes that are not UTF-8 become `\xHH`, and a backslash becomes two, so that the lexer of
/// commands reads what is shown as the name.
pub(crate) fn escape_name(bytes: &[u8]) -> String {
    let mut shown = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\\' => shown.push_str("\\\\"),
                c if is_harmless(c) => shown.push(c),
                c => escape_char(c, &mut shown),
            }
        }
        for byte in chunk.invalid() {
            shown.push_str(&format!("\\x{byte:02x}"));
        }
    }
    shown
}

/// Returns the bytes of a name that [`escape_name`] has made safe.
pub(crate) fn unescape_name(shown: &str) -> Vec<u8> {
    let mut name = Vec::with_capacity(shown.len());
    let mut rest = shown.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        let hex = |digits: &[u8]| u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok();
        let (left, own) = match (byte, behind) {
            (b'\\', [b'\\', behind @ ..]) => (behind, b'\\'),
            (b'\\', [b'x', one, other, behind @ ..]) => match hex(&[*one, *other]) {
                Some(byte) => (behind, byte),
                None => (&rest[1..], byte),
            },
            _ => (behind, byte),
        };
        rest = left;
        name.push(own);
    }
    name
}

/// Returns a local path that is safe to print, as [`escape_name`] does.
pub(crate) fn escape_path(path: &Path) -> String {
    escape_name(path.as_os_str().as_bytes())
}

/// Words of the server in a message of this program; they are escaped where they are printed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ServerText(PeerText);

impl From<PeerText> for ServerText {
    fn from(text: PeerText) -> Self {
        Self(text)
    }
}

impl fmt::Display for ServerText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&escape_name(self.0.as_bytes()))
    }
}

/// Returns a reply's code and its text, or its path where it has an absolute one, escaped.
pub(crate) fn format_reply(answered: &ReplyLine) -> String {
    let text = answered.path().filter(|path| path.first() == Some(&b'/'));
    let text = text.unwrap_or_else(|| answered.text.as_bytes().to_vec());
    format!("{} {}", answered.code, escape_name(&text))
}

/// How much is shown of a digest.
#[derive(Default, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum DigestForm {
    /// The first eight digits: it was compared already, and a person wants to read on.
    #[default]
    Short,
    Whole,
}

/// Formats a digest such as `md5 5eb63bbb…`.
pub(crate) fn format_sum(sum: Sum, form: DigestForm) -> String {
    let digits = sum.to_string();
    let name = sum.algorithm().name();
    match (form, digits.get(..8)) {
        (DigestForm::Short, Some(first)) => format!("{name} {first}…"),
        (DigestForm::Short, None) | (DigestForm::Whole, _) => format!("{name} {digits}"),
    }
}

/// Formats a number of things, such as `1 file` and `2 files`.
pub(crate) fn count(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// Formats a size such as `7.0 MB`: decimal units, three figures at most.
pub(crate) fn format_size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1000.0;
    let mut unit = 0;
    while value >= 999.5 {
        value /= 1000.0;
        unit += 1;
    }
    let decimals = usize::from(value < 9.95);
    format!("{value:.decimals$} {}", UNITS[unit])
}

/// Formats a duration and a rate such as `in 0.4 s (17 MB/s)`.
pub(crate) fn format_pace(bytes: u64, took: Duration) -> String {
    let seconds = took.as_secs_f64();
    let decimals = if seconds < 10.0 { 1 } else { 0 };
    let rate = (bytes as f64 / seconds.max(0.001)) as u64;
    format!("in {seconds:.decimals$} s ({}/s)", format_size(rate))
}

/// Formats one line of a long listing: kind, mode, size, time, name. `name` and `size` are as they
/// are to be shown.
pub(crate) fn format_entry(name: &str, facts: &Facts, size: &str) -> String {
    let kind = match facts.kind {
        Kind::File => '-',
        Kind::Directory => 'd',
        Kind::Link => 'l',
        Kind::Other => '?',
    };
    let (mode, time) = (format_mode(facts.mode), format_time(facts.modified));
    format!("{kind}{mode} {size:>14} {time} {name}")
}

/// Formats a time such as `2026-01-02 03:04`, in UTC.
pub(crate) fn format_time(stamp: Stamp) -> String {
    let digits = stamp.to_digits();
    match digits.as_bytes() {
        [.., _, _] if digits.len() == 14 => format!(
            "{}-{}-{} {}:{}",
            &digits[..4],
            &digits[4..6],
            &digits[6..8],
            &digits[8..10],
            &digits[10..12]
        ),
        _ => "-".repeat(16),
    }
}

/// Formats permission bits such as `rwxr-x---`; `?` nine times where they are unknown.
fn format_mode(bits: Option<u32>) -> String {
    let Some(bits) = bits else {
        return "?".repeat(9);
    };
    let letters = "rwxrwxrwx".chars().enumerate();
    letters
        .map(|(index, letter)| {
            if bits & (0o400 >> index) != 0 {
                letter
            } else {
                '-'
            }
        })
        .collect()
}

/// False for controls, which would drive the terminal, and for marks that make a name look like
/// another.
fn is_harmless(c: char) -> bool {
    let turns =
        matches!(c, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    !c.is_control() && !turns && !matches!(c, '\u{2028}' | '\u{2029}')
}

/// Appends each UTF-8 byte of `c` as `\xHH`.
fn escape_char(c: char, shown: &mut String) {
    for byte in c.encode_utf8(&mut [0; 4]).bytes() {
        shown.push_str(&format!("\\x{byte:02x}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_three_figures_at_most() {
        let shown = [
            0,
            999,
            1000,
            9949,
            9950,
            999_499,
            999_500,
            7_000_000,
            u64::MAX,
        ]
        .map(format_size);
        let wanted = [
            "0 B", "999 B", "1.0 kB", "9.9 kB", "10 kB", "999 kB", "1.0 MB", "7.0 MB", "18 EB",
        ];
        assert_eq!(shown, wanted);
    }

    #[test]
    fn paces() {
        assert_eq!(
            format_pace(7_000_000, Duration::from_millis(400)),
            "in 0.4 s (18 MB/s)"
        );
        assert_eq!(format_pace(0, Duration::ZERO), "in 0.0 s (0 B/s)");
    }

    #[test]
    fn a_safe_name_leads_back_to_the_name() {
        for byte in 0..=u8::MAX {
            for name in [
                vec![byte],
                vec![b'\\', byte, b'x', b'4', b'1'],
                vec![b'a', byte, 0xff],
            ] {
                assert_eq!(unescape_name(&escape_name(&name)), name);
            }
        }
    }

    #[test]
    fn names_cannot_command_a_terminal() {
        assert_eq!(escape_name(b"a\x1b[2J\r\xff"), "a\\x1b[2J\\x0d\\xff");
        assert_eq!(escape_name("中文 ü".as_bytes()), "中文 ü");
        assert_eq!(
            escape_name("a\u{202e}txt.exe\u{9b}".as_bytes()),
            "a\\xe2\\x80\\xaetxt.exe\\xc2\\x9b"
        );
    }

    #[test]
    fn one_is_not_many() {
        let shown = [0, 1, 2].map(|number| count(number, "file", "files"));
        assert_eq!(shown, ["0 files", "1 file", "2 files"]);
    }

    #[test]
    fn entries() {
        let facts = Facts {
            kind: Kind::Directory,
            size: 0,
            modified: Stamp(1_767_323_045),
            mode: Some(0o750),
        };
        assert_eq!(
            format_entry("a b/", &facts, "0"),
            "drwxr-x---              0 2026-01-02 03:04 a b/"
        );
        let facts = Facts {
            kind: Kind::File,
            mode: None,
            size: 12,
            ..facts
        };
        assert_eq!(
            format_entry("x", &facts, "12"),
            "-?????????             12 2026-01-02 03:04 x"
        );
    }

    #[test]
    fn replies_show_paths_as_names() {
        let shown = |line: &str| format_reply(&ReplyLine::decode(line.as_bytes()).unwrap());
        assert_eq!(shown("257 /a%25 b"), "257 /a% b");
        assert_eq!(shown("250 deleted"), "250 deleted");
        assert_eq!(shown("550 \u{1b}[31mred"), "550 \\x1b[31mred");
    }
}
