//! Tests how a data or control connection may end, and what is published then.

use std::time::Duration;

use skiff_sessions::server::job::{Evidence, KeptBecause};
use skiff_sessions::server::terms::{CloseNotify, LostControl};
use skiff_sessions::server::{Event, Job, StreamRules};
use skiff_sessions::wire::reply::{CloseReason, Truncation};

use super::cuts::at_every_cut;
use super::disk::kept;
use super::lane::Gone;
use super::rig::{Hold, Noted, Publishes, Rig};
use super::said::codes;
use super::world::{NEW, OLD, World};

fn granted(close_notify: CloseNotify, lost_control: LostControl) -> World {
    let mut world = World::new().private();
    world.disk.terms.streams = StreamRules {
        close_notify,
        lost_control,
    };
    world
}

fn strict() -> World {
    granted(CloseNotify::Required, LostControl::SuspendUpload)
}

/// All of `NEW` came to the name `c`, and ended like this.
fn ended(rig: &mut Rig, before: &[&str], line: &str, end: Gone, expected: &[u16]) {
    rig.expect("TYPE I", &[200]);
    for line in before {
        rig.types(line);
    }
    rig.expect("EPSV", &[229]);
    rig.feeds(NEW);
    rig.ends_data(end);
    rig.expect(line, expected);
}

#[test]
fn truncated() {
    at_every_cut(strict, |rig| {
        ended(rig, &[], "STOR c", Gone::Truncated, &[150, 426]);
        assert_eq!(rig.disk.content("/c"), None);
        assert_eq!(rig.disk.stage("/c"), kept(NEW));
        let cause = KeptBecause::NoCloseNotify(Truncation::Required);
        assert_eq!(rig.disk.interrupted, [cause]);
        let text = rig.transcript();
        assert!(text.contains("data_close_notify"), "{text}");
    });
}

#[test]
fn truncated_at_the_size_that_was_announced() {
    at_every_cut(strict, |rig| {
        ended(rig, &["ALLO 43"], "STOR c", Gone::Truncated, &[150, 226]);
        assert_eq!(rig.disk.content("/c").as_deref(), Some(NEW));
    });
    for size in [42, 44] {
        let mut rig = Rig::new(strict());
        let allo = format!("ALLO {size}");
        ended(&mut rig, &[&allo], "STOR c", Gone::Truncated, &[150, 426]);
    }
}

/// What is announced is what comes, behind the mark.
#[test]
fn truncated_behind_a_mark() {
    let mut rig = Rig::new(strict());
    let before = ["ALLO 43", "REST 5"];
    ended(&mut rig, &before, "STOR d/b", Gone::Truncated, &[150, 226]);
    assert_eq!(rig.disk.content("/d/b").unwrap().len(), 48);
    let mut rig = Rig::new(strict());
    ended(
        &mut rig,
        &["ALLO 43"],
        "APPE d/b",
        Gone::Truncated,
        &[150, 226],
    );
    assert_eq!(rig.disk.content("/d/b").unwrap().len(), 64);
    let mut rig = Rig::new(strict());
    ended(&mut rig, &[], "APPE d/b", Gone::Truncated, &[150, 426]);
    assert_eq!(rig.disk.content("/d/b").as_deref(), Some(OLD));
}

#[test]
fn what_was_announced_was_for_one_upload() {
    let mut rig = Rig::new(strict());
    ended(&mut rig, &["ALLO 43"], "STOR c", Gone::Clean, &[150, 226]);
    ended(&mut rig, &[], "STOR e", Gone::Truncated, &[150, 426]);
}

#[test]
fn truncated_where_the_goodbye_is_only_wished_for() {
    let world = || granted(CloseNotify::Optional, LostControl::SuspendUpload);
    at_every_cut(world, |rig| {
        ended(rig, &[], "STOR c", Gone::Truncated, &[150, 226]);
        assert_eq!(rig.disk.content("/c").as_deref(), Some(NEW));
        assert!(rig.noted.contains(&Noted::NoCloseNotify(Evidence::None)));
    });
}

// Where close_notify is preferred, the control connection decides.

const GRACE: Duration = Duration::from_millis(250);
const MOMENT: Duration = Duration::from_millis(1);

fn lenient() -> World {
    granted(CloseNotify::Preferred, LostControl::SuspendUpload)
}

/// All of `NEW` came to the name `c`, ended without close_notify, and nothing was said about it.
fn undecided(rig: &mut Rig) {
    ended(rig, &[], "STOR c", Gone::Truncated, &[150]);
    assert_eq!(rig.disk.content("/c"), None);
}

/// The part is kept, and the client was told so.
#[track_caller]
fn is_kept(rig: &Rig, cause: KeptBecause) {
    assert_eq!(rig.disk.content("/c"), None);
    assert_eq!(rig.disk.stage("/c"), kept(NEW));
    assert_eq!(rig.disk.interrupted, [cause]);
    assert!(
        !rig.noted
            .iter()
            .any(|noted| matches!(noted, Noted::NoCloseNotify(_)))
    );
}

#[test]
fn a_client_that_lives_on_has_stored() {
    at_every_cut(lenient, |rig| {
        undecided(rig);
        assert_eq!(rig.waits(GRACE - MOMENT), []);
        assert_eq!(rig.disk.content("/c"), None);
        assert_eq!(codes(&rig.waits(MOMENT)), [226]);
        assert_eq!(rig.disk.content("/c").as_deref(), Some(NEW));
        let evidence = Noted::NoCloseNotify(Evidence::LiveControl);
        assert!(rig.noted.contains(&evidence));
        assert_eq!(rig.disk.interrupted, []);
        rig.expect("NOOP", &[200]);
    });
}

#[test]
fn a_client_that_ends_with_its_upload_has_not_stored() {
    for lost_control in [LostControl::SuspendUpload, LostControl::PublishUpload] {
        let mut rig = Rig::new(granted(CloseNotify::Preferred, lost_control));
        undecided(&mut rig);
        assert_eq!(rig.waits(GRACE - MOMENT), []);
        rig.hangs_up();
        rig.hears();
        assert!(rig.is_over());
        let text = rig.transcript();
        assert!(
            text.contains("426 ") && text.contains("data_close_notify: Prefer"),
            "{text}"
        );
        is_kept(&rig, KeptBecause::NoCloseNotify(Truncation::ControlEnded));
        rig.is_idle();
    }
}

/// A camera that hung up while its upload ran cannot show that it lives.
#[test]
fn nor_has_one_that_hung_up_before() {
    let mut rig = Rig::new(granted(CloseNotify::Preferred, LostControl::PublishUpload));
    rig.expect("TYPE I\r\nEPSV", &[200, 229]);
    rig.feeds(&NEW[..20]);
    rig.expect("STOR c", &[150]);
    rig.hangs_up();
    rig.hears();
    assert!(!rig.is_over());
    rig.feeds(&NEW[20..]);
    rig.ends_data(Gone::Truncated);
    rig.hears();
    assert!(rig.is_over());
    is_kept(&rig, KeptBecause::NoCloseNotify(Truncation::ControlEnded));
    rig.is_idle();
}

#[test]
fn who_says_goodbye_has_stored() {
    let mut rig = Rig::new(lenient());
    undecided(&mut rig);
    rig.expect("QUIT", &[]);
    rig.hangs_up();
    assert_eq!(codes(&rig.waits(GRACE)), [226, 221]);
    assert_eq!(rig.disk.content("/c").as_deref(), Some(NEW));
}

#[test]
fn meanwhile_the_client_may_ask_and_not_delay() {
    let mut rig = Rig::new(lenient());
    undecided(&mut rig);
    rig.waits(GRACE - MOMENT);
    let said = rig.expect("NOOP\r\nSTAT\r\nPWD", &[200, 211]);
    assert!(said[1].lines[1].starts_with(" 43 bytes moved"), "{said:?}");
    assert_eq!(codes(&rig.waits(MOMENT)), [226, 257]);
}

#[test]
fn meanwhile_the_client_may_stop_it() {
    at_every_cut(lenient, |rig| {
        undecided(rig);
        rig.expect("ABOR", &[426, 226]);
        is_kept(rig, KeptBecause::ByClient);
        assert_eq!(rig.waits(GRACE), []);
    });
}

#[test]
fn a_server_that_stops_decides_first() {
    let mut rig = Rig::new(lenient());
    undecided(&mut rig);
    rig.event(Event::Leave(CloseReason::ShuttingDown));
    rig.event(Event::Stop);
    assert_eq!(rig.hears(), []);
    assert_eq!(codes(&rig.waits(GRACE)), [226, 421]);
    assert_eq!(rig.disk.content("/c").as_deref(), Some(NEW));
}

#[test]
fn reset() {
    for close_notify in [
        CloseNotify::Required,
        CloseNotify::Preferred,
        CloseNotify::Optional,
    ] {
        let world = || granted(close_notify, LostControl::SuspendUpload);
        at_every_cut(world, |rig| {
            ended(rig, &["ALLO 43"], "STOR c", Gone::Reset, &[150, 426]);
            let text = rig.transcript();
            assert!(text.contains("data_close_notify"), "{text}");
            assert_eq!(rig.disk.content("/c"), None);
            assert_eq!(rig.disk.stage("/c"), kept(NEW));
        });
    }
}

#[test]
fn a_reset_before_the_first_byte_leaves_nothing() {
    let mut rig = Rig::new(World::new());
    rig.expect("PASV", &[227]);
    rig.ends_data(Gone::Reset);
    rig.expect("STOR c", &[150, 426]);
    assert_eq!(rig.disk.stage("/c"), None);
    rig.is_ready();
}

// the control connection

fn storing(world: World) -> Rig {
    let mut rig = Rig::new(world);
    rig.expect("TYPE I\r\nPROT C", &[200, 200]);
    rig.expect("EPSV", &[229]);
    rig.feeds(&NEW[..20]);
    rig.expect("STOR a", &[150]);
    rig
}

#[test]
fn who_hangs_up_in_the_middle_has_not_stored() {
    let mut rig = storing(strict());
    rig.hangs_up();
    rig.hears();
    assert!(rig.is_over());
    assert_eq!(rig.disk.content("/a").as_deref(), Some(NEW));
    assert_eq!(rig.disk.stage("/a"), kept(&NEW[..20]));
    assert_eq!(rig.disk.interrupted, [KeptBecause::ControlLost]);
    rig.is_idle();
    let last = rig.logged.last().unwrap();
    assert_eq!((last.code, last.bytes), (426, 20), "what had come");
}

/// Both ended at once, as a client that breaks off has it: the last byte looks
/// like the end of the file.
#[test]
fn who_hangs_up_with_the_last_byte_has_not_stored() {
    let mut rig = storing(strict());
    rig.hold = Hold::Bursts;
    rig.sends_file(&NEW[20..30]);
    rig.hangs_up_at_the_end();
    rig.hears();
    assert!(rig.is_over());
    assert_eq!(rig.disk.content("/a").as_deref(), Some(NEW));
    assert_eq!(rig.disk.stage("/a"), kept(&NEW[..30]));
    rig.is_idle();
}

#[test]
fn a_camera_may_hang_up() {
    for with_the_last_byte in [true, false] {
        let world = granted(CloseNotify::Required, LostControl::PublishUpload);
        let mut rig = storing(world);
        if !with_the_last_byte {
            rig.hangs_up();
            rig.hears();
            assert!(!rig.is_over());
        }
        rig.sends_file(b" and more");
        rig.hangs_up_at_the_end();
        rig.hears();
        assert!(rig.is_over());
        let stored = [&NEW[..20], b" and more"].concat();
        assert_eq!(rig.disk.content("/a"), Some(stored));
        rig.is_idle();
    }
}

#[test]
fn a_camera_that_breaks_off_has_not_stored() {
    let world = granted(CloseNotify::Required, LostControl::PublishUpload);
    let mut rig = storing(world);
    rig.hangs_up();
    rig.hears();
    rig.ends_data(Gone::Reset);
    rig.hears();
    assert!(rig.is_over());
    assert_eq!(rig.disk.content("/a").as_deref(), Some(NEW));
    rig.is_idle();
}

#[test]
fn who_said_quit_may_hang_up() {
    let mut rig = storing(strict());
    rig.expect("QUIT", &[]);
    rig.hangs_up();
    rig.hears();
    assert!(!rig.is_over());
    rig.sends_file(&NEW[20..]);
    rig.hears();
    assert!(rig.is_over());
    assert_eq!(rig.disk.stage("/a"), None);
    assert_eq!(rig.disk.content("/a").as_deref(), Some(NEW));
    rig.is_idle();
}

/// QUIT and the end of the connection come while a worker gets the file ready.
#[test]
fn who_said_quit_may_hang_up_early() {
    let held: [fn(&Job) -> bool; 2] = [
        |job| matches!(job, Job::Prepare),
        |job| matches!(job, Job::OpenStream { .. }),
    ];
    for held in held {
        let mut rig = Rig::new(World::new());
        rig.hold = Hold::Jobs(held);
        rig.expect("TYPE I\r\nPASV\r\nREST 4", &[200, 227, 350]);
        rig.sends_file(&OLD[4..]);
        rig.types("STOR d/b\r\nQUIT");
        rig.hangs_up();
        rig.hears();
        rig.hold = Hold::Nothing;
        rig.hears();
        assert!(rig.is_over());
        assert_eq!(rig.disk.content("/d/b").as_deref(), Some(OLD));
        assert_eq!(rig.disk.stage("/d/b"), None);
    }
}

#[test]
fn a_download_ends_with_its_control_connection() {
    let mut rig = Rig::new(granted(CloseNotify::Required, LostControl::PublishUpload));
    rig.expect("PROT C\r\nEPSV", &[200, 229]);
    rig.lane.room = 3;
    rig.expect("RETR a", &[150]);
    rig.hangs_up();
    rig.hears();
    assert!(rig.is_over());
    rig.is_idle();
}

/// Lines that came whole before the end are done and answered.
#[test]
fn what_came_before_the_end_is_done() {
    let first: fn(&Job) -> bool = |_| true;
    let second: fn(&Job) -> bool = |job| matches!(job, Job::CheckSource { .. });
    for held in [first, second] {
        let mut rig = Rig::new(World::new());
        rig.hold = Hold::Jobs(held);
        rig.sends(b"MKD x\r\nMKD x/y\r\nRNFR x\r\nRNTO z\r\nPWD\r\nMKD half");
        rig.hangs_up();
        rig.hears();
        assert!(!rig.is_over());
        rig.hold = Hold::Nothing;
        rig.hears();
        assert!(rig.is_over());
        let codes = [257, 257, 350, 250, 257].map(|code: u16| code.to_string());
        let said = rig.transcript();
        let said: Vec<_> = said.lines().rev().take(5).map(|line| &line[..3]).collect();
        assert!(codes.iter().rev().eq(said), "{}", rig.transcript());
        assert!(rig.disk.folders.contains(&b"/z"[..]));
        assert!(!rig.disk.folders.contains(&b"/half"[..]));
    }
}

/// A client that sent everything at once may be there for what it is sent, but nobody vouches for
/// the end of an upload.
#[test]
fn a_transfer_that_begins_behind_the_end() {
    for (line, codes) in [
        ("RETR a", "150226221"),
        ("LIST", "150226221"),
        ("STOR c", ""),
    ] {
        let mut rig = Rig::new(strict());
        rig.expect("TYPE I\r\nPROT C\r\nEPSV", &[200, 200, 229]);
        let before = rig.transcript().len();
        rig.hold = Hold::Jobs(|_| true);
        rig.sends_file(NEW);
        rig.types(line);
        rig.hangs_up();
        rig.hears();
        rig.hold = Hold::Nothing;
        rig.hears();
        assert!(rig.is_over(), "{line}");
        let said = rig.transcript()[before..].to_owned();
        let said: String = said.lines().map(|line| &line[..3]).collect();
        assert_eq!(said, codes, "{line}");
        assert_eq!(rig.disk.content("/c"), None);
    }
}

/// More than a client hands to its system at once.
static LONG: [u8; 16 * 1024 + 1] = [b'x'; 16 * 1024 + 1];

/// All bytes are there, and the file gets its name.
fn publishing(world: World, before: &str, bytes: &[u8]) -> Rig {
    let mut rig = Rig::new(world);
    rig.expect("TYPE I", &[200]);
    rig.types(before);
    rig.expect("EPSV", &[229]);
    rig.hold = Hold::Jobs(|job| matches!(job, Job::ReadyStream | Job::PublishStream));
    rig.sends_file(bytes);
    rig.expect("STOR a", &[150]);
    rig
}

/// In clear the end of the data is that of a client that was killed, too, however little came.
#[test]
fn who_hangs_up_before_the_name_is_given() {
    let (suspends, publishes) = (LostControl::SuspendUpload, LostControl::PublishUpload);
    let cases: [(&str, LostControl, &[u8], &[u8]); 6] = [
        ("PROT C", suspends, &LONG, NEW),
        ("PROT C", suspends, OLD, NEW),
        ("PROT C", publishes, &LONG, &LONG),
        ("PROT P", suspends, &LONG, &LONG),
        ("PROT C\r\nALLO 16385", suspends, &LONG, &LONG),
        ("PROT C\r\nALLO 16386", suspends, &LONG, NEW),
    ];
    for (before, lost_control, bytes, there) in cases {
        let world = granted(CloseNotify::Required, lost_control);
        let mut rig = publishing(world, before, bytes);
        rig.hangs_up();
        rig.hears();
        rig.hold = Hold::Nothing;
        rig.hears();
        assert!(rig.is_over());
        rig.is_idle();
        let content = rig.disk.content("/a").unwrap();
        assert!(content == there, "{before} {lost_control:?}");
        assert_eq!(rig.disk.stage("/a").is_some(), there == NEW);
    }
}

/// A client that was killed loses its connections one after the other.
#[test]
fn in_clear_a_client_is_watched_before_the_name_is_given() {
    // Whether a job makes the file ready, or the worker that received its end.
    for publishes in [Publishes::ByJob, Publishes::AtItsEnd] {
        watched_before_the_name_is_given(publishes);
    }
}

fn watched_before_the_name_is_given(publishes: Publishes) {
    let grace = Duration::from_millis(1);
    let watched = |control: LostControl| {
        let world = granted(CloseNotify::Required, control);
        let mut rig = Rig::new(world);
        rig.disk.grace = grace;
        rig.publishes = publishes;
        rig.expect("TYPE I\r\nPROT C", &[200, 200]);
        rig.expect("EPSV", &[229]);
        rig.sends_file(OLD);
        rig.expect("STOR a", &[150]);
        rig
    };
    let has_name = |rig: &Rig| rig.disk.content("/a").as_deref() == Some(OLD);

    let mut rig = watched(LostControl::SuspendUpload);
    assert!(!has_name(&rig));
    rig.expect("STAT", &[211]);
    rig.expect("NOOP", &[200]);
    assert!(rig.waits(grace / 2).is_empty() && !has_name(&rig));
    assert_eq!(rig.waits(grace / 2)[0].code, 226);
    assert!(has_name(&rig));

    let mut rig = watched(LostControl::SuspendUpload);
    rig.hangs_up();
    rig.hears();
    assert!(rig.is_over() && !has_name(&rig));
    assert!(rig.disk.stage("/a").is_some());
    rig.is_idle();

    let mut rig = watched(LostControl::SuspendUpload);
    rig.expect("ABOR", &[426, 226]);
    assert!(!has_name(&rig) && rig.disk.stage("/a").is_some());

    // The operator said that it may hang up.
    let world = granted(CloseNotify::Required, LostControl::PublishUpload);
    let mut rig = publishing(world, "PROT C", OLD);
    rig.disk.grace = grace;
    rig.hold = Hold::Nothing;
    rig.expect_hears(&[226]);
    assert!(has_name(&rig));
}

#[test]
fn who_says_quit_before_the_name_is_given() {
    let mut rig = publishing(strict(), "PROT C", &LONG);
    rig.expect("QUIT", &[]);
    rig.hangs_up();
    rig.hears();
    rig.hold = Hold::Nothing;
    rig.expect_hears(&[226, 221]);
    assert_eq!(rig.disk.content("/a").as_deref(), Some(&LONG[..]));
}
