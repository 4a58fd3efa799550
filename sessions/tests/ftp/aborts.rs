//! Tests ABOR at every moment: one reply to what it stops, one to itself.

use std::sync::atomic::Ordering;
use std::time::Duration;

use skiff_sessions::server::{DataEvent, Event, Job};

use super::cuts::at_every_cut;
use super::disk::kept;
use super::lane::Gone;
use super::rig::{Comes, Ended, Hold, Noted, Publishes, Rig};
use super::said::codes;
use super::world::{NEW, OLD, World};

/// With the signals that clients send before it (RFC 959 section 4.1.3).
const ABORTS: [&[u8]; 4] = [
    b"ABOR\r\n",
    b"\xff\xf4\xff\xf2ABOR\r\n",
    b"\xff\xf4\xf2ABOR\r\n",
    b"\xf2abor\n",
];

#[test]
fn nothing() {
    for abort in ABORTS {
        at_every_cut(World::new, |rig| {
            assert_eq!(codes(&rig.sends(abort)), [226]);
        });
    }
}

#[test]
fn before_the_connection_is_there() {
    for line in ["RETR a", "STOR c", "APPE a", "LIST", "STOU"] {
        at_every_cut(World::new, |rig| {
            let before = rig.disk.seen();
            rig.opens = Comes::Later;
            rig.expect("PASV", &[227]);
            rig.expect(line, &[]);
            rig.expect("ABOR", &[426, 226]);
            assert_eq!(rig.disk.seen(), before);
            // What comes late is not this transfer's.
            rig.event(Event::Data(DataEvent::Open));
            rig.expect("NOOP", &[200]);
        });
    }
}

#[test]
fn in_the_middle_of_the_handshake() {
    for line in ["RETR a", "STOR c", "STOR a", "LIST"] {
        let world = || World::new().private();
        at_every_cut(world, |rig| {
            let before = rig.disk.seen();
            rig.secures = Comes::Later;
            rig.sends_file(NEW);
            rig.expect("EPSV", &[229]);
            rig.expect(line, &[150]);
            rig.expect("ABOR", &[426, 226]);
            assert_eq!(rig.disk.seen(), before);
            assert_eq!(rig.received[0].end, Ended::Broken);
        });
    }
}

#[test]
fn a_download() {
    for abort in ABORTS {
        at_every_cut(World::new, |rig| {
            rig.expect("PASV", &[227]);
            rig.lane.room = 10;
            rig.expect("RETR a", &[150]);
            assert_eq!(codes(&rig.sends(abort)), [426, 226]);
            assert_eq!(rig.received[0].bytes, &NEW[..10]);
            assert_eq!(rig.received[0].end, Ended::Broken);
            rig.expect("PASV", &[227]);
            rig.expect("RETR a", &[150, 226]);
        });
    }
}

#[test]
fn a_listing() {
    let mut rig = Rig::new(World::new());
    rig.expect("PASV", &[227]);
    rig.lane.room = 3;
    rig.expect("LIST", &[150]);
    rig.expect("ABOR", &[426, 226]);
    rig.is_ready();
}

#[test]
fn an_upload_whose_part_stays() {
    at_every_cut(World::new, |rig| {
        rig.expect("TYPE I", &[200]);
        rig.expect("PASV", &[227]);
        rig.feeds(&NEW[..20]);
        rig.expect("STOR a", &[150]);
        rig.expect("ABOR", &[426, 226]);
        assert_eq!(rig.disk.content("/a").as_deref(), Some(NEW));
        assert_eq!(rig.disk.stage("/a"), kept(&NEW[..20]));
    });
}

#[test]
fn an_append_in_place() {
    at_every_cut(World::new, |rig| {
        rig.expect("TYPE I", &[200]);
        rig.expect("PASV", &[227]);
        rig.feeds(&NEW[..20]);
        rig.expect("APPE d/b", &[150]);
        assert_eq!(rig.disk.content("/d/b").unwrap().len(), 41);
        rig.expect("ABOR", &[426, 226]);
        assert_eq!(rig.disk.content("/d/b").as_deref(), Some(OLD));
    });
}

/// What is said before the last byte is looked at has its way, though that
/// byte is there: nothing is published.
#[test]
fn between_the_last_byte_and_the_name() {
    let mut rig = Rig::new(World::new());
    rig.hold = Hold::Bursts;
    rig.expect("TYPE I", &[200]);
    rig.expect("PASV", &[227]);
    rig.sends_file(OLD);
    rig.expect("STOR a", &[150]);
    rig.burst_home_with(b"ABOR\r\n");
    rig.expect_hears(&[426, 226]);
    assert_eq!(rig.disk.content("/a").as_deref(), Some(NEW));
    assert_eq!(rig.disk.stage("/a"), kept(OLD));
    rig.is_ready();
}

#[test]
fn while_it_is_published() {
    let mut rig = Rig::new(World::new());
    rig.hold = Hold::Jobs(|job| matches!(job, Job::PublishStream));
    rig.expect("PASV", &[227]);
    rig.sends_file(OLD);
    rig.expect("STOR a", &[150]);
    let said = rig.expect("NOOP\r\nSTAT\r\nABOR", &[200, 211]);
    let line = " 21 bytes moved, 21 bytes per second";
    assert_eq!(said[1].lines[1], line);
    rig.hold = Hold::Nothing;
    rig.expect_hears(&[426, 226]);
    assert_eq!(rig.disk.content("/a").as_deref(), Some(NEW));
    assert_eq!(rig.disk.stage("/a"), kept(OLD));
    rig.is_ready();
}

#[test]
fn when_it_is_published() {
    let mut rig = Rig::new(World::new());
    rig.hold = Hold::Jobs(|job| matches!(job, Job::PublishStream));
    rig.expect("PASV", &[227]);
    rig.sends_file(OLD);
    rig.expect("STOR a", &[150]);
    rig.expect("ABOR", &[]);
    // The worker had looked for the last time before.
    rig.stop.store(false, Ordering::Relaxed);
    rig.hold = Hold::Nothing;
    rig.expect_hears(&[226, 226]);
    assert_eq!(rig.disk.content("/a").as_deref(), Some(OLD));
    rig.is_ready();
}

#[test]
fn when_it_was_published_where_it_ended() {
    // Under TLS: in clear, a client is watched before the name is given.
    at_every_cut(
        || World::new().private(),
        |rig| {
            rig.publishes = Publishes::AtItsEnd;
            rig.hold = Hold::Bursts;
            rig.expect("PASV", &[227]);
            rig.sends_file(OLD);
            rig.expect("STOR a", &[150]);
            rig.hold = Hold::Away;
            rig.expect("ABOR", &[]);
            // The worker had looked for the last time before.
            rig.stop.store(false, Ordering::Relaxed);
            rig.hold = Hold::Nothing;
            rig.expect_hears(&[226, 226]);
            assert_eq!(rig.disk.content("/a").as_deref(), Some(OLD));
        },
    );
}

#[test]
fn while_it_is_prepared() {
    let mut rig = Rig::new(World::new());
    rig.hold = Hold::Jobs(|job| matches!(job, Job::Prepare));
    rig.expect("TYPE I\r\nPASV\r\nREST 3", &[200, 227, 350]);
    rig.feeds(OLD);
    rig.expect("STOR a", &[150]);
    rig.expect("ABOR", &[]);
    rig.hold = Hold::Nothing;
    rig.expect_hears(&[426, 226]);
    assert_eq!(rig.disk.content("/a").as_deref(), Some(NEW));
    rig.is_ready();
}

#[test]
fn while_it_is_opened() {
    for (line, after) in [("RETR a", &[426, 226][..]), ("RETR no", &[550, 226])] {
        let mut rig = Rig::new(World::new());
        rig.opens = Comes::Later;
        rig.hold = Hold::Jobs(|job| matches!(job, Job::OpenDownload { .. }));
        rig.expect("PASV", &[227]);
        rig.expect(line, &[]);
        rig.expect("ABOR", &[]);
        rig.hold = Hold::Nothing;
        rig.expect_hears(after);
        rig.is_ready();
    }
}

#[test]
fn a_digest() {
    for line in ["HASH a", "XMD5 a"] {
        at_every_cut(World::new, |rig| {
            rig.hold = Hold::Bursts;
            rig.expect(line, &[]);
            rig.expect("ABOR", &[426, 226]);
            rig.hold = Hold::Nothing;
            rig.expect("NOOP", &[200]);
        });
    }
}

#[test]
fn it_comes_past_what_waits() {
    at_every_cut(World::new, |rig| {
        rig.expect("PASV", &[227]);
        rig.expect("STOR c", &[150]);
        rig.expect("PWD", &[]);
        rig.expect("CWD d", &[]);
        rig.expect("ABOR", &[426, 226, 257, 250]);
    });
}

#[test]
fn an_end_that_comes_together_with_it() {
    for end in [Gone::Clean, Gone::Truncated, Gone::Reset] {
        let mut rig = Rig::new(World::new());
        rig.hold = Hold::Bursts;
        rig.expect("PASV", &[227]);
        rig.feeds(OLD);
        rig.ends_data(end);
        rig.expect("STOR a", &[150]);
        rig.expect("ABOR", &[426, 226]);
        assert_eq!(rig.disk.content("/a").as_deref(), Some(NEW), "{end:?}");
        assert_eq!(rig.noted, Vec::<Noted>::new());
        rig.hold = Hold::Nothing;
        rig.is_ready();
    }
}

#[test]
fn each_of_two_is_answered() {
    let mut rig = Rig::new(World::new());
    rig.hold = Hold::Bursts;
    rig.expect("PASV", &[227]);
    rig.expect("STOR c", &[150]);
    rig.expect("ABOR\r\nABOR", &[426, 226, 226]);
    rig.hold = Hold::Nothing;
    rig.is_ready();
}

#[test]
fn a_stalled_one_is_answered_like_any_other() {
    let mut rig = Rig::new(World::new());
    rig.expect("PASV", &[227]);
    rig.expect("STOR c", &[150]);
    rig.hold = Hold::Away;
    rig.expect("ABOR", &[]);
    rig.waits(Duration::from_secs(61));
    rig.hold = Hold::Nothing;
    rig.expect_hears(&[426, 226]);
    rig.is_ready();
}

#[test]
fn a_digest_that_takes_too_long_to_stop() {
    let mut rig = Rig::new(World::new());
    rig.hold = Hold::Away;
    rig.expect("HASH a", &[]);
    rig.expect("ABOR", &[]);
    rig.waits(Duration::from_secs(21));
    rig.hold = Hold::Nothing;
    rig.expect_hears(&[426, 226]);
    rig.is_ready();
}
