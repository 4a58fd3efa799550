//! Tests the deadlines of data connections, stalled transfers and digests.

use std::time::Duration;

use skiff_sessions::server::DataEvent;

use skiff_sessions::digest::Algorithm;

use super::cuts::at_every_cut;
use super::disk::kept;
use super::rig::{Comes, Hold, Rig, Shakes};
use super::said::codes;
use super::world::{NEW, OLD, World};

const DATA: Duration = Duration::from_secs(25);
const STALL: Duration = Duration::from_secs(60);
const PATIENCE: Duration = Duration::from_secs(20);
const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_connection_that_never_comes() {
    for prepare in ["PASV", "EPSV", "PORT 192,0,2,1,7,208"] {
        for line in ["RETR a", "STOR a", "APPE a", "STOU", "LIST"] {
            let mut rig = Rig::new(World::new());
            let before = rig.disk.seen();
            rig.opens = Comes::Later;
            rig.types(prepare);
            rig.expect(line, &[]);
            assert_eq!(rig.waits(DATA - SECOND), []);
            assert_eq!(codes(&rig.waits(SECOND)), [425], "{line}");
            assert_eq!(rig.disk.seen(), before);
            rig.is_ready();
            rig.opens = Comes::AtOnce(DataEvent::Open);
            rig.expect("PASV", &[227]);
            rig.expect("RETR a", &[150, 226]);
        }
    }
}

#[test]
fn a_handshake_that_never_ends() {
    for shakes in [Shakes::First, Shakes::WhenItMay] {
        for line in ["RETR a", "STOR a", "APPE a", "LIST"] {
            let mut rig = Rig::new(World::new().private());
            let before = rig.disk.seen();
            rig.secures = Comes::Later;
            rig.shakes = shakes;
            rig.expect("EPSV", &[229]);
            rig.expect(line, &[150]);
            assert_eq!(rig.waits(DATA - SECOND), []);
            assert_eq!(codes(&rig.waits(SECOND)), [426], "{line}");
            assert_eq!(rig.disk.seen(), before);
            rig.is_ready();
        }
    }
}

#[test]
fn once_it_is_private_a_transfer_may_take_its_time() {
    for shakes in [Shakes::First, Shakes::WhenItMay] {
        let mut rig = Rig::new(World::new().private());
        rig.shakes = shakes;
        rig.expect("EPSV", &[229]);
        rig.expect("STOR b", &[150]);
        assert_eq!(rig.waits(STALL - SECOND), []);
        assert_eq!(codes(&rig.waits(SECOND)), [426]);
        rig.is_ready();
    }
}

/// "Never wedges": somebody who keeps his session alive does not keep a port.
#[test]
fn nobody_puts_off_what_is_awaited_of_a_connection() {
    let mut rig = Rig::new(World::new());
    rig.opens = Comes::Later;
    rig.expect("PASV", &[227]);
    rig.expect("RETR a", &[]);
    let mut heard = Vec::new();
    for _ in 0..6 {
        heard.extend(codes(&rig.waits(5 * SECOND)));
        heard.extend(codes(&rig.types("NOOP")));
    }
    assert!(heard.contains(&425), "{heard:?}");
}

fn stalled(rig: &mut Rig) {
    rig.expect("TYPE I", &[200]);
    rig.expect("PASV", &[227]);
    rig.feeds(&NEW[..20]);
    rig.expect("STOR d/b", &[150]);
}

#[test]
fn a_transfer_without_a_byte_ends() {
    at_every_cut(World::new, |rig| {
        stalled(rig);
        assert_eq!(rig.waits(STALL - SECOND), []);
        assert_eq!(codes(&rig.waits(SECOND)), [426]);
        assert_eq!(rig.disk.stage("/d/b"), kept(&NEW[..20]));
        assert_eq!(rig.disk.content("/d/b").as_deref(), Some(OLD));
        rig.expect("NOOP", &[200]);
    });
    let mut rig = Rig::new(World::new());
    rig.expect("PASV", &[227]);
    rig.lane.room = 3;
    rig.expect("RETR a", &[150]);
    assert_eq!(codes(&rig.waits(STALL)), [426]);
    rig.is_ready();
}

#[test]
fn each_byte_is_a_sign_of_life() {
    let mut rig = Rig::new(World::new());
    stalled(&mut rig);
    for byte in &NEW[20..] {
        assert_eq!(rig.waits(STALL - SECOND), []);
        rig.feeds(&[*byte]);
        rig.hears();
    }
    rig.sends_file(b"");
    rig.expect_hears(&[226]);
    assert_eq!(rig.disk.content("/d/b").as_deref(), Some(NEW));
}

#[test]
fn a_client_that_is_alive_does_not_make_a_transfer_so() {
    let mut rig = Rig::new(World::new());
    stalled(&mut rig);
    let mut heard = Vec::new();
    for _ in 0..4 {
        heard.extend(codes(&rig.waits(30 * SECOND)));
        heard.extend(codes(&rig.types("NOOP")));
    }
    assert!(heard.contains(&426), "{heard:?}");
}

#[test]
fn a_transfer_is_no_idleness() {
    let mut rig = Rig::new(World::new());
    stalled(&mut rig);
    for byte in [0_u8; 30] {
        rig.waits(50 * SECOND);
        rig.feeds(&[byte]);
        rig.hears();
    }
    rig.sends_file(b"");
    rig.expect_hears(&[226]);
    assert_eq!(rig.waits(Duration::from_secs(899)), []);
    assert_eq!(codes(&rig.waits(SECOND)), [421]);
}

#[test]
fn a_digest_that_takes_too_long() {
    for line in ["HASH a", "XMD5 a", "XSHA512 a"] {
        at_every_cut(World::new, |rig| {
            rig.hold = Hold::Bursts;
            rig.expect(line, &[]);
            assert_eq!(rig.waits(PATIENCE - SECOND), []);
            assert_eq!(codes(&rig.waits(SECOND)), [450]);
            rig.hold = Hold::Nothing;
            rig.expect("NOOP", &[200]);
        });
    }
}

#[test]
fn who_waits_for_a_worker_is_not_sent_away() {
    let mut rig = Rig::new(World::new());
    rig.hold = Hold::Jobs(|_| true);
    rig.expect("SIZE a\r\nPWD", &[550, 257]);
    rig.expect("MKD x", &[]);
    assert_eq!(rig.waits(Duration::from_secs(2000)), []);
    rig.hold = Hold::Nothing;
    rig.expect_hears(&[257]);
    rig.is_ready();
}

#[test]
fn who_does_not_answer_a_rename_is_idle() {
    let mut rig = Rig::new(World::new());
    rig.expect("RNFR a", &[350]);
    assert_eq!(codes(&rig.waits(Duration::from_secs(900))), [421]);
    assert!(rig.is_over());
}

/// A digest that took too long for who asked, and goes on.
fn unheard(line: &str) -> Rig {
    let mut rig = Rig::new(World::new());
    rig.hold = Hold::Bursts;
    rig.types(line);
    assert_eq!(codes(&rig.waits(PATIENCE)), [450]);
    rig
}

#[test]
fn who_comes_again_is_answered_at_once() {
    for (line, code) in [("HASH a", 213), ("XMD5 a", 250)] {
        let mut rig = unheard(line);
        rig.expect(line, &[450]);
        rig.hold = Hold::Nothing;
        rig.expect_hears(&[]);
        rig.hold = Hold::Bursts;
        rig.expect(line, &[code]);
        rig.is_ready();
        // Of another file as of this one changed, it is made anew.
        rig.expect("MFMT 20250102030405 a", &[213]);
        rig.expect(line, &[]);
        rig.expect("ABOR", &[426, 226]);
        rig.is_ready();
    }
}

/// A program changes the file and puts its time back: the kept digest is of other bytes.
#[test]
fn a_digest_of_bytes_that_are_gone_is_not_kept() {
    let mut rig = unheard("XMD5 a");
    rig.hold = Hold::Nothing;
    rig.expect_hears(&[]);
    let file = rig.disk.files.get_mut(&b"/a"[..]).unwrap();
    file.content.borrow_mut()[0] ^= 1;
    file.changed += 1;
    let changed = Algorithm::Md5.of(&file.content.borrow()).to_string();
    assert_eq!(rig.text("XMD5 a", 250), changed);
}

#[test]
fn who_wants_something_else_is_not_kept_waiting() {
    for (line, answer) in [
        ("PWD", &[257][..]),
        ("ABOR", &[226]),
        ("HASH d/b\r\nABOR", &[426, 226]),
        ("DELE a", &[250]),
        ("RETR a", &[425]),
        ("nonsense", &[500]),
        ("QUIT", &[221]),
        ("REIN", &[220]),
    ] {
        let mut rig = unheard("HASH a");
        rig.expect(line, answer);
        rig.hold = Hold::Nothing;
        rig.expect_hears(&[]);
        rig.is_idle();
    }
}

/// DESIGN: it goes on in the background.
#[test]
fn who_keeps_his_session_alive_meanwhile_gets_his_digest() {
    for between in ["NOOP", "STAT", "RANG 0 42"] {
        let mut rig = unheard("RANG 0 42\r\nHASH a");
        rig.types(between);
        rig.hold = Hold::Nothing;
        rig.hears();
        rig.hold = Hold::Bursts;
        rig.expect("RANG 0 42", &[350]);
        rig.expect("HASH a", &[213]);
    }
}
