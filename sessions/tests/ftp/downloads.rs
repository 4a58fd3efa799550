//! Tests RETR: whole, from a restart mark, as text, and its failures.

use skiff_sessions::wire::reply::Refusal;

use super::cuts::at_every_cut;
use super::disk::{Disk, Faults};
use super::lane::Gone;
use super::rig::{Ended, Rig};
use super::world::{NEW, World};

const TEXT: &[u8] = b"one\ntwo\r\nthree\n\n\rfour\r";
const TEXT_ON_THE_WIRE: &[u8] = b"one\r\ntwo\r\nthree\r\n\r\n\rfour\r";

fn texts() -> World {
    World::with(Disk::new().with("/t", TEXT).with("/empty", b""))
}

#[test]
fn whole() {
    at_every_cut(World::new, |rig| {
        rig.expect("TYPE I", &[200]);
        rig.expect("PASV", &[227]);
        let said = rig.expect("RETR a", &[150, 226]);
        assert_eq!(said[0].lines, ["sending the file (43 bytes)"]);
        assert_eq!(rig.received[0].bytes, NEW);
        assert_eq!(rig.received[0].end, Ended::Told);
        let last = rig.logged.last().unwrap();
        assert_eq!((last.verb, last.code, last.bytes), ("RETR", 226, 43));
    });
}

#[test]
fn as_text_and_as_bytes() {
    at_every_cut(texts, |rig| {
        rig.expect("PASV", &[227]);
        rig.expect("RETR t", &[150, 226]);
        rig.expect("TYPE I", &[200]);
        rig.expect("PASV", &[227]);
        rig.expect("RETR t", &[150, 226]);
        rig.expect("TYPE A N", &[200]);
        rig.expect("PASV", &[227]);
        rig.expect("RETR empty", &[150, 226]);
        let received: Vec<_> = rig.received.iter().map(|r| &r.bytes[..]).collect();
        assert_eq!(received, [TEXT_ON_THE_WIRE, TEXT, b""]);
        assert!(rig.received.iter().all(|r| r.end == Ended::Told));
    });
}

#[test]
fn from_a_mark() {
    for (mark, rest) in [(0, NEW), (1, &NEW[1..]), (42, &NEW[42..]), (43, b"")] {
        at_every_cut(World::new, |rig| {
            rig.expect("TYPE I", &[200]);
            rig.expect("PASV", &[227]);
            rig.expect(&format!("REST {mark}"), &[350]);
            rig.expect("RETR a", &[150, 226]);
            assert_eq!(rig.received[0].bytes, rest);
            // It is good for one transfer.
            rig.expect("PASV", &[227]);
            rig.expect("RETR a", &[150, 226]);
            assert_eq!(rig.received[1].bytes, NEW);
        });
    }
}

#[test]
fn a_mark_that_no_byte_stands_before() {
    at_every_cut(World::new, |rig| {
        rig.expect("TYPE I", &[200]);
        rig.expect("PASV", &[227]);
        rig.expect("REST 44", &[350]);
        rig.expect("RETR a", &[554]);
        rig.expect("REST", &[501]);
        rig.expect("REST -1", &[501]);
        // The mark is used up, the port is not.
        rig.expect("RETR a", &[150, 226]);
    });
}

/// RFC 3659 section 5.3.
#[test]
fn no_mark_in_text() {
    at_every_cut(World::new, |rig| {
        rig.expect("PASV", &[227]);
        rig.expect("REST 5", &[350]);
        rig.expect("RETR a", &[550]);
        rig.expect("REST 0", &[350]);
        rig.expect("RETR a", &[150, 226]);
    });
}

#[test]
fn a_mark_does_not_outlive_another_transfer() {
    for between in ["LIST", "STOU", "RETR no", "STAT d"] {
        let mut rig = Rig::new(World::new());
        rig.sends_file(b"");
        rig.expect("TYPE I\r\nREST 5", &[200, 350]);
        rig.expect("PASV", &[227]);
        rig.types(between);
        rig.expect("PASV", &[227]);
        rig.expect("RETR a", &[150, 226]);
        assert_eq!(rig.received.last().unwrap().bytes, NEW, "{between}");
    }
}

#[test]
fn what_is_not_there() {
    at_every_cut(World::new, |rig| {
        rig.expect("PASV", &[227]);
        for (line, code) in [
            ("RETR no", 550),
            ("RETR d", 550),
            ("RETR", 501),
            ("RETR no/a", 550),
        ] {
            rig.expect(line, &[code]);
        }
        // Above the home is the home.
        rig.expect("RETR ../../a", &[150, 226]);
        assert_eq!(rig.received.len(), 1);
    });
}

#[test]
fn a_stage_alone_is_no_file() {
    let disk = || Disk::new().with_stage("/s", NEW);
    let mut rig = Rig::new(World::with(disk()));
    rig.expect("PASV", &[227]);
    rig.expect("RETR s", &[550]);
}

#[test]
fn a_client_that_goes_away() {
    let mut rig = Rig::new(World::new());
    rig.expect("PASV", &[227]);
    rig.lane.room = 10;
    rig.expect("RETR a", &[150]);
    rig.ends_data(Gone::Reset);
    rig.expect_hears(&[426]);
    assert_eq!(rig.received[0].bytes, &NEW[..10]);
    rig.is_ready();
    let line = rig.logged.iter().find(|line| line.verb == "RETR").unwrap();
    assert_eq!(line.code, 426);
}

#[test]
fn a_disk_that_fails() {
    for (type_, from) in [("I", 0), ("I", 21), ("A", 21)] {
        let world = || {
            let mut disk = Disk::new().with("/a", NEW);
            disk.faults = Faults {
                read: Some((from, Refusal::Fault)),
                ..Faults::default()
            };
            World::with(disk)
        };
        at_every_cut(world, |rig| {
            rig.expect(&format!("TYPE {type_}"), &[200]);
            rig.expect("PASV", &[227]);
            rig.expect("RETR a", &[150, 451]);
            // No goodbye: what came is not the file.
            assert_eq!(rig.received[0].end, Ended::Broken);
            assert_eq!(rig.received[0].bytes, &NEW[..from as usize]);
        });
    }
}

#[test]
fn a_file_that_gets_shorter_meanwhile() {
    let mut rig = Rig::new(World::new());
    rig.expect("PASV", &[227]);
    rig.lane.room = 10;
    rig.expect("RETR a", &[150]);
    let content = rig.disk.files[&b"/a"[..]].content.clone();
    content.borrow_mut().truncate(20);
    rig.lane.room = usize::MAX;
    rig.expect_hears(&[451]);
    assert_eq!(rig.received[0].end, Ended::Broken);
    rig.is_ready();
}
