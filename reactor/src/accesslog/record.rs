//! From a finished command to a line of the access log.

use std::net::SocketAddr;
use std::time::Instant;

use skiff_sessions::conversation::LogLine;

use crate::accesslog::{Direction, Ending, Record, TransferKind};

/// What xferlog(5) calls us.
const SERVICE: &str = "skiff";

pub(crate) fn record<'a>(
    peer: SocketAddr,
    user: &'a str,
    line: &'a LogLine,
    now: Instant,
) -> Record<'a> {
    let LogLine { verb, code, .. } = *line;
    let transfer = direction(verb).map(|direction| TransferKind {
        direction,
        ending: if (200..300).contains(&code) {
            Ending::Complete
        } else {
            Ending::Incomplete
        },
        service: SERVICE,
    });
    Record {
        address: peer.ip(),
        user: (!user.is_empty()).then_some(user),
        verb,
        path: (!line.path.is_empty()).then_some(&line.path),
        code,
        bytes: (line.bytes > 0).then_some(line.bytes),
        elapsed: Some(now.duration_since(line.since)),
        digest: line.sum,
        transfer,
    }
}

fn direction(verb: &str) -> Option<Direction> {
    match verb {
        "STOR" => Some(Direction::Upload),
        "RETR" => Some(Direction::Download),
        "DELE" => Some(Direction::Deletion),
        _ => None,
    }
}
