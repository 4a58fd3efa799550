//! From a finished command to a line of the access log.

use std::net::SocketAddr;
use std::time::Instant;

use skiff_sessions::conversation::LogLine;

use crate::accesslog::{Direction, Ending, Record, TransferKind};

/// What xferlog(5) calls us.
const SERVICE: &str = "skiff";

pub(crate) fn record(peer: SocketAddr, user: &str, line: LogLine, now: Instant) -> Record {
    let LogLine {
        verb,
        path,
        code,
        bytes,
        since,
        sum,
    } = line;
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
        user: (!user.is_empty()).then(|| user.to_owned()),
        verb,
        path: (!path.is_empty()).then_some(path),
        code,
        bytes: (bytes > 0).then_some(bytes),
        elapsed: Some(now.duration_since(since)),
        digest: sum.map(|sum| format!("{}={sum}", sum.algorithm().name())),
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
