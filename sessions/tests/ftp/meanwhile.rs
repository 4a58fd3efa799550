//! Tests which commands are answered during a transfer, and which wait for its end.

use skiff_sessions::server::DataEvent;

use super::cuts::at_every_cut;
use super::disk::kept;
use super::lane::Gone;
use super::rig::{Comes, Rig};
use super::world::{NEW, World};

/// An upload that has 20 bytes and waits for more.
fn storing(rig: &mut Rig) {
    rig.expect("TYPE I", &[200]);
    rig.expect("PASV", &[227]);
    rig.feeds(&NEW[..20]);
    rig.expect("STOR c", &[150]);
}

fn ends(rig: &mut Rig) {
    rig.sends_file(&NEW[20..]);
}

#[test]
fn noop_and_stat_are_answered() {
    at_every_cut(World::new, |rig| {
        storing(rig);
        rig.expect("NOOP", &[200]);
        let said = rig.expect("STAT", &[211]);
        assert!(said[0].lines[1].starts_with(" 20 bytes moved"), "{said:?}");
        ends(rig);
        rig.expect_hears(&[226]);
        assert_eq!(rig.disk.content("/c").as_deref(), Some(NEW));
    });
}

#[test]
fn stat_tells_how_far_it_is() {
    let mut rig = Rig::new(World::new());
    rig.expect("TYPE I\r\nALLO 43\r\nPASV", &[200, 200, 227]);
    rig.feeds(&NEW[..20]);
    rig.expect("STOR c", &[150]);
    rig.waits(std::time::Duration::from_secs(4));
    let said = rig.expect("STAT", &[211]);
    let line = " 20 of 43 bytes moved, 5 bytes per second";
    assert_eq!(said[0].lines[1], line);
    ends(&mut rig);
    rig.expect_hears(&[226]);
    rig.expect("PASV", &[227]);
    rig.lane.room = 3;
    rig.expect("REST 10", &[350]);
    rig.expect("RETR a", &[150]);
    let said = rig.expect("STAT", &[211]);
    assert!(
        said[0].lines[1].starts_with(" 3 of 33 bytes moved"),
        "{said:?}"
    );
    rig.lane.room = usize::MAX;
    rig.expect_hears(&[226]);
}

#[test]
fn they_are_answered_before_the_connection_is_there_too() {
    let mut rig = Rig::new(World::new());
    rig.opens = Comes::Later;
    rig.expect("PASV", &[227]);
    rig.expect("RETR a", &[]);
    rig.expect("NOOP", &[200]);
    rig.expect("STAT", &[211]);
    rig.data_event(DataEvent::Open);
    rig.expect_hears(&[150, 226]);
    rig.is_ready();
}

#[test]
fn the_log_has_the_transfer_whatever_was_asked_meanwhile() {
    for line in ["NOOP", "STAT", "PWD"] {
        let mut rig = Rig::new(World::new());
        storing(&mut rig);
        rig.types(line);
        ends(&mut rig);
        rig.hears();
        let logged = rig.logged.iter().find(|l| l.verb == "STOR").unwrap();
        assert_eq!((logged.code, logged.bytes), (226, 43), "{line}");
    }
}

#[test]
fn others_wait_and_keep_their_order() {
    at_every_cut(World::new, |rig| {
        storing(rig);
        rig.expect("PWD", &[]);
        rig.expect("CWD d", &[]);
        rig.expect("SIZE b", &[]);
        rig.expect("NOOP", &[200]);
        rig.expect("nonsense", &[]);
        rig.expect("STAT /", &[]);
        rig.expect("RETR b", &[]);
        ends(rig);
        rig.expect_hears(&[226, 257, 250, 213, 500, 213, 425]);
    });
}

#[test]
fn the_next_transfer_waits_too() {
    at_every_cut(World::new, |rig| {
        storing(rig);
        rig.expect("PORT 192,0,2,1,7,208", &[]);
        rig.expect("RETR c", &[]);
        ends(rig);
        rig.expect_hears(&[226, 200, 150, 226]);
        assert_eq!(rig.received[1].bytes, NEW);
    });
}

#[test]
fn sixteen_lines_are_read_and_the_rest_is_not_lost() {
    let mut rig = Rig::new(World::new());
    storing(&mut rig);
    let before = rig.taken();
    for n in 0..40 {
        rig.expect(&format!("MKD {n:02}"), &[]);
    }
    assert_eq!(rig.taken() - before, 16 * "MKD 00\r\n".len());
    ends(&mut rig);
    let said = rig.hears();
    assert_eq!(said[0].code, 226);
    let made: Vec<_> = said[1..].iter().map(|s| s.lines[0].clone()).collect();
    let want: Vec<_> = (0..40).map(|n| format!("\"/{n:02}\"")).collect();
    assert_eq!(made, want);
}

#[test]
fn a_line_without_an_end_is_bounded() {
    let mut rig = Rig::new(World::new());
    storing(&mut rig);
    let before = rig.taken();
    for _ in 0..100 {
        rig.sends(&[b'x'; 1000]);
    }
    assert!(rig.taken() - before < 32 * 1024, "{}", rig.taken());
    ends(&mut rig);
    let said = rig.sends(b"\r\nPWD\r\n");
    let codes: Vec<u16> = said.iter().map(|s| s.code).collect();
    assert_eq!(codes, [226, 500, 257]);
}

#[test]
fn quit_lets_it_finish() {
    at_every_cut(World::new, |rig| {
        storing(rig);
        rig.expect("QUIT", &[]);
        rig.expect("STAT", &[211]);
        ends(rig);
        rig.expect_hears(&[226, 221]);
        assert!(rig.is_over());
        assert_eq!(rig.disk.content("/c").as_deref(), Some(NEW));
    });
    at_every_cut(World::new, |rig| {
        rig.expect("PASV", &[227]);
        rig.lane.room = 5;
        rig.expect("RETR a", &[150]);
        rig.expect("QUIT", &[]);
        rig.lane.room = usize::MAX;
        rig.expect_hears(&[226, 221]);
        assert!(rig.is_over());
        assert_eq!(rig.received[0].bytes, NEW);
    });
}

#[test]
fn quit_lets_it_fail() {
    let mut rig = Rig::new(World::new());
    storing(&mut rig);
    rig.expect("QUIT", &[]);
    rig.ends_data(Gone::Reset);
    rig.expect_hears(&[426, 221]);
    assert!(rig.is_over());
    assert_eq!(rig.disk.stage("/c"), kept(&NEW[..20]));
}

#[test]
fn quit_before_the_connection_is_there() {
    let mut rig = Rig::new(World::new());
    rig.opens = Comes::Later;
    rig.expect("PASV", &[227]);
    rig.expect("RETR a\r\nQUIT", &[]);
    rig.data_event(DataEvent::Open);
    rig.expect_hears(&[150, 226, 221]);
    assert!(rig.is_over());
}

/// "Nothing lost, order kept": QUIT comes past the queue only to let the
/// transfer know, not to drop what stands before it.
#[test]
fn lines_before_quit_are_answered() {
    let mut rig = Rig::new(World::new());
    storing(&mut rig);
    rig.expect("MKD new", &[]);
    rig.expect("QUIT", &[]);
    ends(&mut rig);
    rig.expect_hears(&[226, 257, 221]);
    assert!(rig.disk.folders.contains(&b"/new"[..]));
}
