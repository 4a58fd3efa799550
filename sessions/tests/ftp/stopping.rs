//! Tests what stops a transfer from outside: another session of the user, the operator, the end of
//! the daemon.

use skiff_sessions::server::{DataEvent, Event, Job};
use skiff_sessions::wire::reply::CloseReason;

use super::cuts::at_every_cut;
use super::disk::kept;
use super::rig::{Comes, Hold, Rig};
use super::world::{NEW, World};

const LEAVE: Event = Event::Leave(CloseReason::ShuttingDown);

/// What a session is doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum At {
    Ready,
    Opening,
    Storing,
    Sending,
    Listing,
    Hashing,
    Publishing,
    Renaming,
}

const ALL: [At; 8] = [
    At::Ready,
    At::Opening,
    At::Storing,
    At::Sending,
    At::Listing,
    At::Hashing,
    At::Publishing,
    At::Renaming,
];

fn reach(rig: &mut Rig, at: At) {
    rig.expect("TYPE I", &[200]);
    rig.expect("PASV", &[227]);
    match at {
        At::Ready => {}
        At::Opening => {
            rig.opens = Comes::Later;
            rig.expect("STOR a", &[]);
        }
        At::Storing => {
            rig.feeds(&NEW[..20]);
            rig.expect("STOR a", &[150]);
        }
        At::Sending | At::Listing => {
            rig.lane.room = 5;
            let line = if at == At::Sending { "RETR a" } else { "LIST" };
            rig.expect(line, &[150]);
        }
        At::Hashing => {
            rig.hold = Hold::Bursts;
            rig.expect("HASH a", &[]);
        }
        At::Publishing => {
            rig.hold = Hold::Jobs(|job| matches!(job, Job::PublishStream));
            rig.sends_file(NEW);
            rig.expect("STOR a", &[150]);
        }
        At::Renaming => drop(rig.expect("RNFR a", &[350])),
    }
}

#[test]
fn another_writer_of_the_name_takes_over() {
    at_every_cut(World::new, |rig| {
        reach(rig, At::Storing);
        rig.event(Event::Evicted);
        rig.expect_hears(&[426]);
        assert_eq!(rig.disk.stage("/a"), kept(&NEW[..20]));
        rig.expect("NOOP", &[200]);
    });
    let mut rig = Rig::new(World::new());
    reach(&mut rig, At::Opening);
    rig.event(Event::Evicted);
    rig.expect_hears(&[426]);
    assert_eq!(rig.disk.stage("/a"), None);
    rig.is_ready();
}

#[test]
fn who_writes_nothing_is_not_evicted() {
    for at in [At::Ready, At::Hashing, At::Publishing, At::Renaming] {
        let mut rig = Rig::new(World::new());
        reach(&mut rig, at);
        rig.event(Event::Evicted);
        rig.hold = Hold::Nothing;
        let codes: Vec<u16> = rig.hears().iter().map(|said| said.code).collect();
        let expected: &[u16] = match at {
            At::Hashing => &[213],
            At::Publishing => &[226],
            _ => &[],
        };
        assert_eq!(codes, expected, "{at:?}");
        rig.is_ready();
    }
}

#[test]
fn a_session_leaves_when_its_dialogue_is_done() {
    for at in ALL {
        let mut rig = Rig::new(World::new());
        reach(&mut rig, at);
        rig.event(LEAVE);
        assert_eq!(rig.is_over(), at == At::Ready, "{at:?}");
        rig.hold = Hold::Nothing;
        rig.lane.room = usize::MAX;
        let mut codes: Vec<u16> = rig.hears().iter().map(|said| said.code).collect();
        match at {
            At::Opening => {
                rig.sends_file(NEW);
                rig.data_event(DataEvent::Open);
            }
            At::Storing => rig.sends_file(&NEW[20..]),
            At::Renaming => codes.extend(rig.types("RNTO b").iter().map(|said| said.code)),
            _ => {}
        }
        codes.extend(rig.hears().iter().map(|said| said.code));
        let expected: &[u16] = match at {
            At::Ready => &[421],
            At::Opening => &[150, 226, 421],
            At::Storing | At::Sending | At::Listing | At::Publishing => &[226, 421],
            At::Hashing => &[213, 421],
            At::Renaming => &[250, 421],
        };
        assert_eq!(codes, expected, "{at:?}");
        assert!(rig.is_over());
        rig.is_idle();
    }
}

#[test]
fn a_leaving_session_takes_no_next_command() {
    let mut rig = Rig::new(World::new());
    reach(&mut rig, At::Storing);
    rig.expect("DELE a", &[]);
    rig.event(LEAVE);
    rig.sends_file(b"");
    rig.expect_hears(&[226, 421]);
    assert!(rig.disk.content("/a").is_some());
}

/// Told to leave and then stopped: transfers end early, with a word; what was
/// received stays, and nothing is published.
#[test]
fn a_leaving_session_is_stopped() {
    for at in ALL.into_iter().filter(|at| *at != At::Hashing) {
        let mut rig = Rig::new(World::new());
        reach(&mut rig, at);
        rig.event(LEAVE);
        if !rig.is_over() {
            rig.event(Event::Stop);
        }
        let part = rig.disk.stage("/a").map(<[u8]>::len);
        rig.hold = Hold::Nothing;
        let codes: Vec<u16> = rig.hears().iter().map(|said| said.code).collect();
        let expected: &[u16] = match at {
            At::Ready | At::Renaming => &[421],
            At::Publishing => &[226, 421],
            _ => &[426, 421],
        };
        assert_eq!(codes, expected, "{at:?}");
        assert!(rig.is_over(), "{at:?}");
        rig.is_idle();
        if at == At::Storing {
            assert_eq!(part, Some(20));
            assert_eq!(rig.disk.stage("/a"), kept(&NEW[..20]));
        }
        assert_eq!(rig.disk.content("/a").as_deref(), Some(NEW));
    }
}

/// No ABOR waits for an answer of its own.
#[test]
fn a_digest_that_is_stopped_is_answered_once() {
    let mut rig = Rig::new(World::new());
    reach(&mut rig, At::Hashing);
    rig.event(LEAVE);
    rig.event(Event::Stop);
    let codes: Vec<u16> = rig.hears().iter().map(|said| said.code).collect();
    assert_eq!(codes.len(), 2, "{codes:?}");
    assert_eq!(codes[1], 421);
}
