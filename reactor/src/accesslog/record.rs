//! An event of the access log: one finished command of a session.

use std::time::{Duration, Instant};

use skiff_sessions::conversation::LogLine;
use skiff_sessions::digest::Sum;

use super::client::{Client, Dialect};

/// One finished command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record<'a> {
    pub(crate) client: Client,
    /// The user, once logged in.
    pub(crate) user: Option<&'a str>,
    pub(crate) verb: &'static str,
    /// The path as the user sees it, absolute below the home.
    pub(crate) path: Option<&'a [u8]>,
    /// The new path, of a rename.
    pub(crate) to: Option<&'a [u8]>,
    /// The code of the final reply.
    pub(crate) code: u16,
    /// Bytes of content that were transferred.
    pub(crate) bytes: Option<u64>,
    pub(crate) elapsed: Option<Duration>,
    /// Written as `md5=9e107d9d372bb6826bd81d3542a419d6`.
    pub(crate) digest: Option<Sum>,
    /// What the xferlog needs, for transfers.
    pub(crate) transfer: Option<TransferKind>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TransferKind {
    pub(crate) direction: Direction,
    pub(crate) ending: Ending,
    /// The dialect: `ftp` or `skiff`.
    pub(crate) service: &'static str,
}

/// With the letters of xferlog(5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Direction {
    Upload = b'i',
    Download = b'o',
    Deletion = b'd',
}

/// With the letters of xferlog(5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Ending {
    Complete = b'c',
    Incomplete = b'i',
}

impl<'a> Record<'a> {
    pub(crate) fn of_command(
        client: Client,
        user: &'a str,
        line: &'a LogLine,
        now: Instant,
    ) -> Self {
        let LogLine { verb, code, .. } = *line;
        let transfer = direction(verb).map(|direction| TransferKind {
            direction,
            ending: if (200..300).contains(&code) {
                Ending::Complete
            } else {
                Ending::Incomplete
            },
            service: match client.dialect {
                Dialect::Native => "skiff",
                Dialect::Ftp => "ftp",
            },
        });
        Self {
            client,
            user: (!user.is_empty()).then_some(user),
            verb,
            path: (!line.path.is_empty()).then_some(&line.path),
            to: line.to.as_deref(),
            code,
            bytes: (line.bytes > 0).then_some(line.bytes),
            elapsed: Some(now.duration_since(line.since)),
            digest: line.sum,
            transfer,
        }
    }
}

fn direction(verb: &str) -> Option<Direction> {
    match verb {
        "STOR" | "APPE" | "STOU" => Some(Direction::Upload),
        "RETR" => Some(Direction::Download),
        "DELE" => Some(Direction::Deletion),
        _ => None,
    }
}
