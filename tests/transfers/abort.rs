//! ABOR in every state of the page's state table, with exactly one reply.

use std::fs::File;

use base64ct::{Base64, Encoding};

use super::MIB;
use crate::harness::{Daemon, Peer, Tail, md5, noise};

/// Brings a session into the state, stops it, and leaves it ready (or not logged in).
type Stop = fn(&Daemon);

const STATES: &[(&str, Stop)] = &[
    ("new", |daemon| {
        let mut peer = daemon.peer();
        peer.ask("ABOR", 530);
        peer.ask("NOOP", 200);
    }),
    ("proof", |daemon| {
        let mut peer = daemon.peer();
        let first = Base64::encode_string(b"p=tls-exporter,,n=tom,r=abcdefghijkl");
        peer.ask(&format!("USER scram={first}"), 331);
        peer.ask("ABOR", 530);
        peer.ask("NOOP", 200);
    }),
    ("ready", |daemon| nothing_runs(daemon, |_| ())),
    ("offered", |daemon| {
        nothing_runs(daemon, |tom| {
            tom.put("", "file", b"1");
            tom.ask("RETR file", 150);
        });
    }),
    ("sending", stop_sending),
    ("partial", |daemon| {
        nothing_runs(daemon, |tom| {
            tom.leave_part("", "part", b"12345", 3);
            tom.ask("STOR size=5 part", 210);
        });
        part_is_kept(daemon, 3);
    }),
    ("receiving", |daemon| {
        let mut tom = daemon.login("tom");
        tom.ask("STOR size=5 part", 150);
        tom.frame(b"123");
        // Here a line would be data: the frame that aborts is what stops.
        tom.tail(Tail::Abort);
        tom.expect(550);
        tom.ask("ABOR", 226);
        tom.ask("PWD", 257);
        part_is_kept(daemon, 3);
    }),
    ("discarding", |daemon| {
        let mut tom = refused(daemon);
        tom.tail(Tail::Abort);
        tom.ask("ABOR", 226);
        tom.ask("PWD", 257);
    }),
    ("discarded", |daemon| {
        let mut tom = refused(daemon);
        tom.tail(Tail::End);
        tom.ask("ABOR", 226);
        tom.ask("PWD", 257);
    }),
    ("received", |daemon| {
        nothing_runs(daemon, |tom| {
            tom.ask("STOR size=3 part", 150);
            tom.frame(b"123");
            tom.tail(Tail::End);
        });
        part_is_kept(daemon, 3);
    }),
    ("renaming", |daemon| {
        nothing_runs(daemon, |tom| {
            tom.put("", "file", b"1");
            tom.ask("RNFR file", 350);
        });
        daemon.login("tom").ask("STAT file", 213);
    }),
];

#[test]
fn abor_has_one_reply_in_every_state() {
    for (state, stop) in STATES {
        println!("in {state}");
        stop(&Daemon::demo());
    }
}

/// A state that is added to the page needs a row here.
#[test]
fn every_state_of_the_protocol_page_is_stopped() {
    let page = include_str!("../../sessions/PROTOCOL.md");
    let table = page.split("| state | line | next |").nth(1).unwrap();
    let mut documented: Vec<&str> = table
        .lines()
        .skip(2)
        .map_while(|line| line.strip_prefix('|')?.split('|').next())
        .map(str::trim)
        .collect();
    documented.dedup();
    let tested: Vec<&str> = STATES.iter().map(|(state, _)| *state).collect();
    let missing: Vec<_> = documented.iter().filter(|s| !tested.contains(s)).collect();
    assert!(documented.len() > 8 && missing.is_empty(), "{missing:?}");
}

#[test]
fn abor_stops_a_digest() {
    let daemon = Daemon::demo();
    let sparse = File::create(daemon.home("tom").join("sparse")).unwrap();
    sparse.set_len(1 << 40).unwrap();
    let mut tom = daemon.login("tom");
    for line in [
        "HASH algo=md5 sparse",
        "HASH algo=sha256 sparse",
        "STOR size=1099511627776 sparse",
    ] {
        tom.send(line);
        tom.ask("ABOR", 550);
        tom.ask("PWD", 257);
    }
    tom.ask("RETR sparse", 150);
    tom.send(&format!("210 offset={} md5={}", 1u64 << 39, md5(b"")));
    tom.ask("ABOR", 550);
    tom.ask("PWD", 257);
}

#[test]
fn abor_behind_the_last_word_comes_too_late() {
    let daemon = Daemon::demo();
    let mut tom = daemon.login("tom");
    tom.ask("STOR size=3 file", 150);
    tom.frame(b"123");
    tom.tail(Tail::End);
    tom.send(&format!("225 md5={}\r\nABOR\r\nPWD", md5(b"123")));
    for code in [226, 226, 257] {
        tom.expect(code);
    }
    assert_eq!(tom.get("file"), b"123");
}

/// One reply to ABOR, and the session goes on.
fn nothing_runs(daemon: &Daemon, prepare: fn(&mut Peer)) {
    let mut tom = daemon.login("tom");
    prepare(&mut tom);
    tom.ask("ABOR", 226);
    tom.ask("PWD", 257);
}

fn stop_sending(daemon: &Daemon) {
    // More than the buffers between two processes hold, so that it is surely under way.
    let file = File::create(daemon.home("tom").join("long")).unwrap();
    file.set_len(400 * MIB as u64).unwrap();
    let mut tom = daemon.login("tom");
    tom.ask("RETR start=0 long", 150);
    tom.send("ABOR");
    let (data, tail) = tom.body();
    assert_eq!(tail, Tail::Abort);
    assert!(data.len() < 400 * MIB, "it was sent to its end");
    tom.expect(550);
    tom.ask("PWD", 257);
}

/// A session whose upload was refused and whose frames are being dropped.
fn refused(daemon: &Daemon) -> Peer {
    let mut tom = daemon.login("tom");
    tom.ask("STOR size=3 long", 150);
    tom.frame(&noise(50, 100));
    tom.expect(550);
    tom
}

fn part_is_kept(daemon: &Daemon, size: u64) {
    let stages = daemon.login("tom").list("STAGES");
    assert!(
        stages["/part"].contains(&format!("size={size};")),
        "{stages:?}"
    );
}
