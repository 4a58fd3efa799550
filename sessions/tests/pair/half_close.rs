//! Tests that everything that a client sent before it closed its sending side is done and answered
//! (PROTOCOL.md section 1).

use skiff_sessions::digest::Algorithm;

use super::cuts::{World, at_every_cut};
use super::disk::Disk;
use super::drive::Pair;
use super::local::Local;
use super::rig::{NEW, OLD};
use super::said::{END, codes_of, framed};
use super::server::Hold;

fn world() -> World {
    let disk = Disk::new().with("/a", OLD).expecting(NEW);
    (disk, Local::default())
}

/// Types all, closes the sending side, and tells what is answered.
fn said_and_closed(pair: &mut Pair, bytes: &[u8]) -> Vec<u16> {
    pair.client.type_in(bytes);
    pair.client.closes_when_sent();
    pair.drive();
    assert!(pair.server.is_over());
    codes_of(&pair.hears())
}

fn put() -> Vec<u8> {
    let begin = format!("STOR size={} go=1 b\r\n", NEW.len());
    let all_sent = format!("225 md5={}\r\n", Algorithm::Md5.of(NEW));
    [begin.as_bytes(), &framed(NEW, 9), END, all_sent.as_bytes()].concat()
}

#[test]
fn forty_commands_sent_at_once() {
    let came = at_every_cut(world, |pair| {
        let mut lines: String = (0..39).map(|n| format!("MKD {n}\r\n")).collect();
        lines.push_str("DELE a\r\n");
        let codes = said_and_closed(pair, lines.as_bytes());
        assert!((0..39).all(|n| pair.disk().folders.contains(format!("/{n}").as_bytes())));
        assert_eq!(pair.disk().content("/a"), None);
        codes
    });
    assert_eq!(came.said, [vec![257; 39], vec![250]].concat());
}

#[test]
fn a_whole_upload() {
    let came = at_every_cut(world, |pair| {
        let codes = said_and_closed(pair, &put());
        assert_eq!(pair.disk().content("/b").as_deref(), Some(NEW));
        codes
    });
    assert_eq!(came.said, [150, 226]);
}

#[test]
fn while_a_worker_is_busy() {
    let mut pair = Pair::new(world().0, Local::default());
    pair.server.hold = Hold::Jobs;
    let lines = b"MKD x\r\nMKD y\r\nRNFR x\r\n351 z\r\n";
    pair.client.type_in(lines);
    pair.drive();
    pair.to_server.end();
    pair.drive();
    assert!(!pair.server.is_over());
    pair.server.hold = Hold::Nothing;
    pair.drive();
    assert!(pair.server.is_over());
    assert_eq!(codes_of(&pair.hears()), [257, 257, 350, 250]);
    for made in ["/z", "/y"] {
        assert!(pair.disk().folders.contains(made.as_bytes()));
    }
}

#[test]
fn a_download_is_sent_to_its_end() {
    let came = at_every_cut(world, |pair| {
        said_and_closed(pair, b"RETR start=0 a\r\nLIST\r\nPWD\r\n")
    });
    assert_eq!(came.said, [150, 226, 150, 226, 257]);
}

/// Half a line is no line, and half an upload is none.
#[test]
fn what_is_cut_is_not_done() {
    let typed = put();
    for cut in 1..typed.len() {
        let mut pair = Pair::new(world().0, Local::default());
        pair.client.type_in(&typed[..cut]);
        pair.drive();
        pair.to_server.end();
        pair.drive();
        assert!(pair.server.is_over(), "{cut}");
        assert_eq!(pair.disk().content("/b"), None, "{cut}");
    }
}

#[test]
fn a_dialogue_that_waits_for_its_client_ends() {
    for line in ["RNFR a\r\n", "RETR a\r\n", "STOR size=43 c\r\n"] {
        let mut pair = Pair::new(world().0, Local::default());
        let codes = said_and_closed(&mut pair, line.as_bytes());
        assert_eq!(codes.len(), 1, "{line}");
    }
}
