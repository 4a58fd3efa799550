//! Formats lines of xferlog(5), which programs made for other FTP servers read.

use std::io::{self, Write};
use std::time::SystemTime;

use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use super::format::{Space, escape, word};
use super::record::{Record, TransferKind};

/// xferlog(5): time, seconds, host, size, name, type, action, direction, access
/// mode, user, service, authentication (two fields), completion.
pub(super) fn xferlog_line(
    out: &mut Vec<u8>,
    at: SystemTime,
    record: &Record<'_>,
    kind: TransferKind,
) -> io::Result<()> {
    const CTIME: &[BorrowedFormatItem<'_>] = format_description!(
        "[weekday repr:short] [month repr:short] [day padding:space] [hour]:[minute]:[second] [year]"
    );
    let _ = OffsetDateTime::from(at).format_into(out, CTIME);
    let seconds = record.elapsed.unwrap_or_default().as_secs();
    let bytes = record.bytes.unwrap_or_default();
    write!(
        out,
        " {seconds} {} {bytes} ",
        record.client.peer.ip().to_canonical()
    )?;
    let path = record.path.unwrap_or(b"-");
    escape(out, path, Space::Underscore);
    write!(out, " b _ {} r ", kind.direction as u8 as char)?;
    word(out, record.user.unwrap_or_default());
    write!(out, " {} 0 * {}", kind.service, kind.ending as u8 as char)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::accesslog::record::{Direction, Ending};
    use crate::accesslog::tests::{upload, written};

    #[test]
    fn a_transfer_in_the_xferlog() {
        let kind = |direction, ending| TransferKind {
            direction,
            ending,
            service: "ftp",
        };
        let noon = UNIX_EPOCH + Duration::from_secs(1_793_880_000);
        let line = |kind| written(|out| xferlog_line(out, noon, &upload(), kind));
        assert_eq!(
            line(kind(Direction::Upload, Ending::Complete)),
            "Thu Nov  5 12:00:00 2026 2 192.0.2.7 1234 /a_b.txt b _ i r tom ftp 0 * c\n"
        );
        assert_eq!(
            line(kind(Direction::Download, Ending::Incomplete)),
            "Thu Nov  5 12:00:00 2026 2 192.0.2.7 1234 /a_b.txt b _ o r tom ftp 0 * i\n"
        );
    }
}
