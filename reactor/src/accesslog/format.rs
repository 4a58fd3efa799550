//! The lines of the access log and of the daemon's own messages.

use std::fmt;
use std::io::{self, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use super::notice::{Notice, Value};
use super::record::Record;

pub(super) fn access_line(out: &mut Vec<u8>, record: &Record<'_>) -> io::Result<()> {
    let client = &record.client;
    write!(out, "{} ", client.peer.ip().to_canonical())?;
    word(out, record.user.unwrap_or_default());
    write!(out, " {} {} ", record.verb, record.code)?;
    known(out, record.bytes)?;
    known(out, record.elapsed.map(Seconds))?;
    match record.digest {
        Some(sum) => write!(out, "{}={sum} ", sum.algorithm().name())?,
        None => out.extend(b"- "),
    }
    let port = client.peer.port();
    write!(
        out,
        "{} {port} {} {} ",
        client.session, client.dialect, client.tls
    )?;
    match (record.path, record.to) {
        (Some(from), Some(to)) => {
            // No space in either, so that they can be told apart.
            word(out, from);
            out.extend(b" -> ");
            word(out, to);
        }
        (Some(path), None) => escape(out, path, Space::Keep),
        (None, _) => out.push(b'-'),
    }
    Ok(())
}

/// Seconds, rounded to the nearest thousandth.
pub(super) struct Seconds(pub(super) Duration);

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

/// That of a failed login is a promise: its expression stands in `server.ron` and in the filters of
/// many.
pub(super) fn notice_line(out: &mut Vec<u8>, notice: &Notice<'_>) -> io::Result<()> {
    write!(out, "{}:", notice.title())?;
    if let Some(client) = notice.client() {
        let address = client.peer.ip().to_canonical();
        if !matches!(notice, Notice::LoginFailed(..)) {
            write!(out, " session={}", client.session)?;
        }
        write!(out, " address={address}")?;
        if !matches!(notice, Notice::LoginFailed(..)) {
            let port = client.peer.port();
            write!(
                out,
                " port={port} dialect={} tls={}",
                client.dialect, client.tls
            )?;
        }
    }
    for (key, value) in notice.fields() {
        write!(out, " {key}=")?;
        match value {
            Value::Number(number) => write!(out, "{number}")?,
            Value::Word(text) => word(out, text),
            Value::Text(text) => escape(out, text.as_bytes(), Space::Keep),
        }
    }
    Ok(())
}

pub(super) fn message_line(out: &mut Vec<u8>, level: log::Level, target: &str, text: &str) {
    out.extend(level.as_str().bytes().map(|b| b.to_ascii_lowercase()));
    out.push(b' ');
    out.extend(target.as_bytes());
    out.extend(b": ");
    escape(out, text.as_bytes(), Space::Keep);
}

/// Formats times, and reuses the text of the last second.
#[derive(Default)]
pub(super) struct Stamp {
    /// Seconds since 1970.
    second: Duration,
    written: Vec<u8>,
}

impl Stamp {
    /// Appends the time in RFC 3339, UTC, with thousandths. A clock before 1970 counts as 1970.
    pub(super) fn put(&mut self, out: &mut Vec<u8>, at: SystemTime) {
        let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
        let second = Duration::from_secs(since.as_secs());
        if second != self.second || self.written.is_empty() {
            self.remember(second);
        }
        out.extend_from_slice(&self.written);
        let millis = since.subsec_millis();
        let digit = |unit: u32| b'0' + (millis / unit % 10) as u8;
        out.extend([digit(100), digit(10), digit(1), b'Z']);
    }

    fn remember(&mut self, second: Duration) {
        const TO_THE_SECOND: &[BorrowedFormatItem<'_>] =
            format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].");
        self.second = second;
        self.written.clear();
        // Only a time after the year 9999 cannot be formatted.
        let at = OffsetDateTime::UNIX_EPOCH
            .checked_add(time::Duration::seconds(second.as_secs().cast_signed()));
        let at = at.unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let _ = at.format_into(&mut self.written, TO_THE_SECOND);
    }
}

/// Writes a line of a log that has neither formats nor priorities. Formatting into memory cannot
/// fail.
pub(super) fn line(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) {
    let _ = write(out);
    out.push(b'\n');
}

/// A field of one word; `-` if empty.
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
    /// The escaping that other servers use in an xferlog.
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

/// Escaped are control characters, what some readers take for line ends, and marks that change the
/// direction of writing.
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
    use crate::accesslog::client::{Client, Dialect, TlsVersion};
    use crate::accesslog::tests::{upload, written};

    #[test]
    fn an_event() {
        assert_eq!(
            written(|out| access_line(out, &upload())),
            "192.0.2.7 tom STOR 226 1234 2.500 md5=0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f \
             17 5000 ftp TLSv1.3 /a b.txt\n"
        );
        let renamed = Record {
            to: Some(b"/c d.txt"),
            digest: None,
            ..upload()
        };
        assert_eq!(
            written(|out| access_line(out, &renamed)),
            "192.0.2.7 tom STOR 226 1234 2.500 - 17 5000 ftp TLSv1.3 /a\\x20b.txt -> /c\\x20d.txt\n"
        );
        let least = Record {
            client: Client {
                session: 1,
                peer: "[2001:db8::1]:9".parse().unwrap(),
                dialect: Dialect::Native,
                tls: TlsVersion::Clear,
            },
            user: None,
            verb: "QUIT",
            path: None,
            to: None,
            code: 221,
            bytes: None,
            elapsed: None,
            digest: None,
            transfer: None,
        };
        assert_eq!(
            written(|out| access_line(out, &least)),
            "2001:db8::1 - QUIT 221 - - - 1 9 native - -\n"
        );
    }

    #[test]
    fn a_time_is_told_to_the_thousandth_whatever_was_told_before() {
        let mut stamp = Stamp::default();
        for (millis, told) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (1_793_880_000_045, "2026-11-05T12:00:00.045Z"),
            (1_793_880_000_999, "2026-11-05T12:00:00.999Z"),
            (1_793_880_001_000, "2026-11-05T12:00:01.000Z"),
            (1_793_880_000_120, "2026-11-05T12:00:00.120Z"),
        ] {
            let mut out = Vec::new();
            stamp.put(&mut out, UNIX_EPOCH + Duration::from_millis(millis));
            assert_eq!(String::from_utf8(out).unwrap(), told);
        }
        let mut out = Vec::new();
        stamp.put(&mut out, UNIX_EPOCH - Duration::from_millis(1));
        assert_eq!(out, b"1970-01-01T00:00:00.000Z");
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
            user: Some("a b\r\n"),
            path: Some(b"/x\n2026 \xff\\n\x1b[2J\xe2\x80\xae\x7f\xc2\x85\xc3\xa9"),
            digest: None,
            ..upload()
        };
        assert_eq!(
            written(|out| access_line(out, &hostile)),
            "192.0.2.7 a\\x20b\\x0d\\x0a STOR 226 1234 2.500 - 17 5000 ftp TLSv1.3 \
             /x\\x0a2026 \\xff\\\\n\\x1b[2J\\xe2\\x80\\xae\\x7f\\xc2\\x85é\n"
        );
        let failed = Notice::LoginFailed(hostile.client, b"x\nlogin failed: y");
        assert_eq!(
            written(|out| notice_line(out, &failed)),
            "login failed: address=192.0.2.7 user=x\\x0alogin\\x20failed:\\x20y\n"
        );
        assert_eq!(
            written(|out| {
                message_line(out, log::Level::Warn, "skiffd", "a\nb");
                Ok(())
            }),
            "warn skiffd: a\\x0ab\n"
        );
    }
}
