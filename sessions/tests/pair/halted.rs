//! Tests stops while no bytes move: while either end hashes, and while the server stores.

use std::cell::RefCell;
use std::rc::Rc;

use skiff_sessions::client::{Dialogue, Outcome};
use skiff_sessions::digest::Algorithm;
use skiff_sessions::wire::command::{Command, Turn};

use super::disk::Disk;
use super::drive::{Pair, arg};
use super::local::Local;
use super::rig::{NEW, PLAIN, Rig};
use super::server::Hold;

/// The server hashes: a file for HASH, a part, a prefix, what is there already.
#[test]
fn abor_while_the_server_hashes() {
    let lines = [
        ("HASH algo=md5 a\r\n", 0),
        ("HASH algo=sha256 a\r\n", 0),
        (
            "RETR a\r\n210 offset=30 md5=00000000000000000000000000000000\r\n",
            1,
        ),
        ("STOR size=43 p\r\n", 0),
        ("STOR size=43 a\r\n", 0),
    ];
    for (line, before) in lines {
        for bursts in 0..3 {
            let disk = Disk::new().with("/a", NEW).with_stage("/p", &NEW[..30]);
            let seen = disk.seen();
            let mut pair =
                Pair::rigged(Rig::tight(), Rc::new(RefCell::new(disk)), Local::default());
            pair.server.hold = Hold::Bursts;
            assert_eq!(pair.codes(line).len(), before, "{line}");
            pair.server.hold = Hold::Nothing;
            pair.steps(bursts);
            pair.server.hold = Hold::Bursts;
            assert_eq!(pair.codes("ABOR\r\nPWD\r\n"), [550, 257], "{line} {bursts}");
            pair.server.hold = Hold::Nothing;
            pair.is_ready();
            assert_eq!(pair.disk().seen(), seen);
        }
    }
}

/// The digest is done, but not home, when ABOR comes: still it has one reply, and
/// what the digest was for does not begin.
#[test]
fn abor_that_comes_too_late_for_the_digest() {
    let lines = [
        ("HASH algo=md5 a\r\n", 0),
        (
            "RETR a\r\n210 offset=30 md5=00000000000000000000000000000000\r\n",
            1,
        ),
        ("STOR size=43 p\r\n", 0),
        ("STOR size=43 a\r\n", 0),
    ];
    for (line, before) in lines {
        let disk = Disk::new().with("/a", NEW).with_stage("/p", &NEW[..30]);
        let mut pair = Pair::new(disk, Local::default());
        pair.server.hold = Hold::Return;
        assert_eq!(pair.codes(line).len(), before, "{line}");
        assert_eq!(pair.codes("ABOR\r\n"), []);
        pair.server.hold = Hold::Nothing;
        let codes = pair.codes("NOOP\r\n");
        assert!(
            matches!(codes[..], [550, 200] | [213, 226, 200]),
            "{line}: {codes:?}"
        );
        pair.is_ready();
    }
}

#[test]
fn a_person_stops_hash() {
    let mut pair = Pair::new(Disk::new().with("/a", NEW), Local::default());
    pair.server.hold = Hold::Bursts;
    let (path, algorithm) = (arg("a"), Algorithm::Sha256);
    pair.client
        .begin(|_, out| Dialogue::request(Command::Hash { path, algorithm }, out));
    pair.drive();
    pair.client.stop();
    assert_eq!(pair.finish(), Outcome::Stopped);
    pair.server.hold = Hold::Nothing;
    pair.is_ready();
}

/// Publishing is not stopped: ABOR has its own 226 behind the upload's.
#[test]
fn a_person_stops_while_the_server_stores() {
    let mut pair = Pair::new(Disk::new().expecting(NEW), Local::sending(NEW));
    pair.begin_put("a", PLAIN);
    pair.until(|pair| {
        pair.to_server
            .sent()
            .windows(4)
            .any(|bytes| bytes == b"225 ")
    });
    pair.server.hold = Hold::Jobs;
    pair.drive();
    pair.client.stop();
    pair.drive();
    assert_eq!(pair.client.outcome(), None);
    pair.server.hold = Hold::Nothing;
    assert!(matches!(pair.finish(), Outcome::Verified(_)));
    assert_eq!(pair.disk().content("/a").as_deref(), Some(NEW));
    pair.is_ready();
}

/// The client hashes, its own disk is slow, and the person has enough.
#[test]
fn a_person_stops_while_the_client_hashes() {
    let stage = (Disk::new().with_stage("/a", &NEW[..9]), Local::sending(NEW));
    let same = (Disk::new().with("/a", NEW), Local::sending(NEW));
    let part = (Disk::new().with("/a", NEW), Local::with_part(&NEW[..9]));
    type Begin = fn(&mut Pair);
    let get: Begin = |pair| pair.begin_get("a", Turn::Negotiate);
    let put: Begin = |pair| pair.begin_put("a", PLAIN);
    for ((disk, local), begin) in [(stage, put), (same, put), (part, get)] {
        let before = disk.seen();
        let mut pair = Pair::new(disk, local);
        pair.client.hold = true;
        begin(&mut pair);
        pair.drive();
        assert!(pair.client.task().is_some());
        pair.client.stop();
        assert_eq!(pair.finish(), Outcome::Stopped);
        assert_eq!(pair.disk().seen(), before);
        pair.client.hold = false;
        pair.is_ready();
    }
}

/// A file that is cut while it is hashed has no digest.
#[test]
fn a_file_that_shrinks_while_it_is_hashed() {
    let prove = "RETR a\r\n210 offset=30 md5=00000000000000000000000000000000\r\n";
    for line in ["HASH algo=md5 a\r\n", prove, "STOR size=43 a\r\n"] {
        let mut pair = Pair::tight(Disk::new().with("/a", NEW), Local::default());
        pair.server.hold = Hold::Bursts;
        pair.types(line);
        pair.server.hold = Hold::Nothing;
        pair.steps(1);
        pair.disk().shrink("/a", 20);
        assert_eq!(pair.codes(""), [550], "{line}");
        pair.is_ready();
    }
}
