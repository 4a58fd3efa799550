//! Tests two sessions of one user over one disk: one writer per name, and who gives way.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use skiff_sessions::client::Outcome;
use skiff_sessions::server::Event;

use super::disk::Disk;
use super::drive::Pair;
use super::local::Local;
use super::rig::{NEW, OLD, PLAIN, Rig};
use super::server::Hold;
use super::wire::Cut;

/// One in the middle of an upload, and another.
fn two() -> (Pair, Pair) {
    let disk = Rc::new(RefCell::new(Disk::new().with("/old", OLD).expecting(NEW)));
    let rig = Rig {
        to_server: Cut::At(80),
        ..Rig::tight()
    };
    let mut first = Pair::rigged(rig, Rc::clone(&disk), Local::sending(NEW));
    let rig = Rig {
        owner: 2,
        ..Rig::tight()
    };
    let second = Pair::rigged(rig, disk, Local::sending(NEW));
    first.begin_put("a", PLAIN);
    first.drive_shut();
    let staged = first.disk().stage("/a").map_or(0, <[u8]>::len);
    assert!((1..NEW.len()).contains(&staged), "{staged}");
    (first, second)
}

#[test]
fn a_name_that_is_written_is_busy() {
    let (mut first, mut second) = two();
    let outcome = second.puts("a", PLAIN);
    assert!(
        matches!(&outcome, Outcome::Replied(answered) if answered.code == 550),
        "{outcome:?}"
    );
    for line in ["DELE a", "STAGES drop=1 a", "RNFR old\r\n351 a"] {
        assert_eq!(
            second.codes(format!("{line}\r\n")).last(),
            Some(&550),
            "{line}"
        );
    }
    assert!(matches!(first.finish(), Outcome::Verified(_)));
    first.is_ready();
    second.is_ready();
    assert_eq!(first.disk().content("/a").as_deref(), Some(NEW));
}

#[test]
fn a_silent_writer_gives_way_and_the_next_one_goes_on() {
    let (mut first, mut second) = two();
    let staged = first.disk().stage("/a").unwrap().len() as u64;
    first.disk().writers.get_mut(&b"/a"[..]).unwrap().silent = true;
    second.begin_put("a", PLAIN);
    second.drive();
    assert_eq!(second.client.outcome(), None, "it waits for the first");
    first.server_hears(Event::Evicted);
    let outcome = second.finish();
    assert!(matches!(outcome, Outcome::Verified(_)), "{outcome:?}");
    let [question] = second.client.asked[..] else {
        panic!("{:?}", second.client.asked);
    };
    let of = NEW.len() as u64;
    assert_eq!(
        question,
        skiff_sessions::client::Question::ResumeUpload { have: staged, of }
    );
    // The line of the first comes back to life.
    let outcome = first.finish();
    assert!(
        matches!(&outcome, Outcome::Replied(answered) if answered.code == 550),
        "{outcome:?}"
    );
    first.is_ready();
    second.is_ready();
}

/// The bytes that a cancelled writer still receives go nowhere.
#[test]
fn a_cancelled_writer_that_wakes_up_first() {
    let (mut first, mut second) = two();
    first.disk().writers.get_mut(&b"/a"[..]).unwrap().silent = true;
    second.begin_put("a", PLAIN);
    second.drive();
    let outcome = first.finish();
    assert!(
        matches!(&outcome, Outcome::Replied(answered) if answered.code == 550),
        "{outcome:?}"
    );
    first.server_hears(Event::Evicted);
    assert!(matches!(second.finish(), Outcome::Verified(_)));
    first.is_ready();
    second.is_ready();
}

#[test]
fn patience_ends() {
    let (mut first, mut second) = two();
    first.disk().writers.get_mut(&b"/a"[..]).unwrap().silent = true;
    second.begin_put("a", PLAIN);
    second.drive();
    second.advance(Duration::from_secs(10));
    let outcome = second.finish();
    assert!(
        matches!(&outcome, Outcome::Replied(answered) if answered.code == 550),
        "{outcome:?}"
    );
    first.server_hears(Event::Evicted);
    first.drive();
    second.is_ready();
    first.disk().check_idle();
}

/// A session's own next upload of the name comes while the last is still put away.
#[test]
fn the_next_upload_waits_for_the_last_to_be_put_away() {
    let disk = Disk::new().expecting(NEW);
    let mut pair = Pair::new(disk, Local::sending(NEW));
    let typed = b"STOR size=43 go=1 a\r\n\0\0\0\x03the\xff\xff\xff\xff";
    pair.server.hold = Hold::Jobs;
    assert_eq!(pair.codes(typed), []);
    assert_eq!(pair.codes("STOR size=43 a\r\n"), []);
    pair.server.hold = Hold::Nothing;
    assert_eq!(pair.codes(""), [150, 550, 210]);
    assert_eq!(pair.codes("410\r\n"), []);
    pair.is_ready();
    assert!(matches!(pair.puts("a", PLAIN), Outcome::Verified(_)));
    pair.is_ready();
}

#[test]
fn two_names_at_once() {
    let (mut first, mut second) = two();
    assert!(matches!(second.puts("b", PLAIN), Outcome::Verified(_)));
    assert!(matches!(first.finish(), Outcome::Verified(_)));
    first.is_ready();
    second.is_ready();
}

/// What one has been promised, the other cannot have.
#[test]
fn room_is_promised_once() {
    let disk = Disk::new().expecting(NEW).limited(NEW.len() as u64 + 10);
    let disk = Rc::new(RefCell::new(disk));
    let rig = Rig {
        to_server: Cut::At(60),
        ..Rig::tight()
    };
    let mut first = Pair::rigged(rig, Rc::clone(&disk), Local::sending(NEW));
    let mut second = Pair::rigged(
        Rig {
            owner: 2,
            ..Rig::tight()
        },
        disk,
        Local::sending(NEW),
    );
    first.begin_put("a", PLAIN);
    first.drive_shut();
    let outcome = second.puts("b", PLAIN);
    assert!(
        matches!(&outcome, Outcome::Replied(answered) if answered.code == 551),
        "{outcome:?}"
    );
    assert!(matches!(first.finish(), Outcome::Verified(_)));
    first.is_ready();
    second.is_ready();
}
