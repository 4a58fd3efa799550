//! The lines of the access log and of the daemon's own messages.

use std::fmt;
use std::io::{self, Write};
use std::net::IpAddr;
use std::time::Duration;

use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use super::Record;

pub(super) fn access_line(
    out: &mut Vec<u8>,
    at: OffsetDateTime,
    record: &Record,
) -> io::Result<()> {
    stamp(out, at);
    write!(out, "{} ", record.address.to_canonical())?;
    word(out, record.user.as_deref().unwrap_or_default());
    write!(out, " {} {} ", record.verb, record.code)?;
    known(out, record.bytes)?;
    known(out, record.elapsed.map(Seconds))?;
    word(out, record.digest.as_deref().unwrap_or_default());
    out.push(b' ');
    match &record.path {
        Some(path) => escape(out, path, Space::Keep),
        None => out.push(b'-'),
    }
    Ok(())
}

/// To the nearest thousandth.
struct Seconds(Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rounded = self.0.saturating_add(Duration::from_micros(500));
        write!(f, "{}.{:03}", rounded.as_secs(), rounded.subsec_millis())
    }
}

fn known(out: &mut Vec<u8>, value: Option<impl fmt::Display>) -> io::Result<()> {
    match value {
        Some(value) => write!(out, "{value} "),
        None => out.write_all(b"- "),
    }
}

/// The form is a promise: `server.ron` shows the expression that reads it.
pub(super) fn login_failed_line(
    out: &mut Vec<u8>,
    at: OffsetDateTime,
    address: IpAddr,
    user: &[u8],
) -> io::Result<()> {
    let address = address.to_canonical();
    stamp(out, at);
    write!(out, "login failed: address={address} user=")?;
    word(out, user);
    Ok(())
}

pub(super) fn message_line(
    out: &mut Vec<u8>,
    at: OffsetDateTime,
    level: log::Level,
    text: &str,
) -> io::Result<()> {
    stamp(out, at);
    out.extend(level.as_str().to_ascii_lowercase().bytes().chain([b' ']));
    escape(out, text.as_bytes(), Space::Keep);
    Ok(())
}

/// RFC 3339, in UTC, and a space.
pub(super) fn stamp(out: &mut Vec<u8>, at: OffsetDateTime) {
    const RFC3339: &[BorrowedFormatItem<'_>] =
        format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z ");
    // Only a clock before the year 0 or after 9999 cannot be written.
    let _ = at.format_into(out, RFC3339);
}

/// A field that is one word; `-` for an empty one.
pub(super) fn word(out: &mut Vec<u8>, text: impl AsRef<[u8]>) {
    match text.as_ref() {
        b"" => out.push(b'-'),
        bytes => escape(out, bytes, Space::Escape),
    }
}

#[derive(Clone, Copy)]
pub(super) enum Space {
    Keep,
    Escape,
    /// As other servers write names in an xferlog.
    Underscore,
}

pub(super) fn escape(out: &mut Vec<u8>, bytes: &[u8], space: Space) {
    let plain = |byte: &u8| byte.is_ascii_graphic() && *byte != b'\\';
    if bytes.iter().all(plain) {
        return out.extend_from_slice(bytes);
    }
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match (c, space) {
                (' ', Space::Escape) => hex(out, b" "),
                (' ', Space::Underscore) => out.push(b'_'),
                ('\\', _) => out.extend(b"\\\\"),
                (c, _) => character(out, c),
            }
        }
        hex(out, chunk.invalid());
    }
}

/// Hidden are control characters, what some readers take for line ends, and what
/// turns the direction of writing about.
fn character(out: &mut Vec<u8>, c: char) {
    let mut buffer = [0; 4];
    let encoded = c.encode_utf8(&mut buffer).as_bytes();
    let misleads = matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    match c.is_control() || misleads {
        true => hex(out, encoded),
        false => out.extend(encoded),
    }
}

fn hex(out: &mut Vec<u8>, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        let [high, low] = [byte >> 4, byte & 15].map(|digit| DIGITS[usize::from(digit)]);
        out.extend([b'\\', b'x', high, low]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accesslog::tests::{NOON, upload, written};

    #[test]
    fn an_event() {
        assert_eq!(
            written(|out| access_line(out, NOON, &upload())),
            "2026-11-05T12:00:00.045Z 192.0.2.7 tom STOR 226 1234 2.500 md5=00ff /a b.txt"
        );
        let least = Record {
            address: "2001:db8::1".parse().unwrap(),
            user: None,
            verb: "QUIT",
            path: None,
            code: 221,
            bytes: None,
            elapsed: None,
            digest: None,
            transfer: None,
        };
        assert_eq!(
            written(|out| access_line(out, NOON, &least)),
            "2026-11-05T12:00:00.045Z 2001:db8::1 - QUIT 221 - - - -"
        );
    }

    #[test]
    fn seconds_are_rounded() {
        for (micros, told) in [
            (0, "0.000"),
            (499, "0.000"),
            (500, "0.001"),
            (59_999_501, "60.000"),
        ] {
            assert_eq!(Seconds(Duration::from_micros(micros)).to_string(), told);
        }
    }

    #[test]
    fn no_name_forges_a_line_or_a_field() {
        let hostile = Record {
            user: Some("a b\r\n".to_owned()),
            path: Some(b"/x\n2026 \xff\\n\x1b[2J\xe2\x80\xae\x7f\xc2\x85\xc3\xa9".to_vec()),
            ..upload()
        };
        assert_eq!(
            written(|out| access_line(out, NOON, &hostile)),
            "2026-11-05T12:00:00.045Z 192.0.2.7 a\\x20b\\x0d\\x0a STOR 226 1234 2.500 md5=00ff \
             /x\\x0a2026 \\xff\\\\n\\x1b[2J\\xe2\\x80\\xae\\x7f\\xc2\\x85é"
        );
        let address = hostile.address;
        assert_eq!(
            written(|out| login_failed_line(out, NOON, address, b"x\nlogin failed: y")),
            "2026-11-05T12:00:00.045Z login failed: address=192.0.2.7 \
             user=x\\x0alogin\\x20failed:\\x20y"
        );
        assert_eq!(
            written(|out| message_line(out, NOON, log::Level::Warn, "a\nb")),
            "2026-11-05T12:00:00.045Z warn a\\x0ab"
        );
    }
}
