//! Tests deadlines in virtual time: idle, login, stall, and the lines that report progress
//! (PROTOCOL.md section 12).

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use skiff_sessions::client::{Dialogue, Outcome};
use skiff_sessions::digest::Algorithm;
use skiff_sessions::wire::command::{Command, Turn};

use super::disk::Disk;
use super::drive::{Pair, arg};
use super::known::limits;
use super::local::Local;
use super::rig::{NEW, OLD, PLAIN, Rig};
use super::said::{END, Said, codes_of, framed};
use super::server::Hold;
use super::wire::{Cut, Pipe};

const MOMENT: Duration = Duration::from_millis(1);

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn world() -> Disk {
    Disk::new()
        .with("/a", NEW)
        .with_stage("/p", &NEW[..20])
        .expecting(OLD)
}

fn pair() -> Pair {
    Pair::new(world(), Local::default())
}

/// Nothing until `after`, then these codes and the end.
fn ends(pair: &mut Pair, after: Duration, codes: &[u16]) {
    pair.client.type_in(b"");
    pair.advance(after - MOMENT);
    assert_eq!(pair.codes(""), []);
    assert!(!pair.server.is_over());
    pair.client.type_in(b"");
    pair.advance(MOMENT);
    assert_eq!(pair.codes(""), codes);
    assert!(pair.server.is_over());
    pair.server.check_at_rest();
    pair.disk().check_idle();
}

#[test]
fn an_idle_session_is_closed_wherever_it_waits() {
    let receive = [b"STOR size=43 p2\r\n", &framed(NEW, 9)[..], END].concat();
    let discard = [b"STOR size=43 go=1 no/a\r\n", &framed(NEW, 9)[..], END].concat();
    let waiting: [&[u8]; 6] = [
        b"NOOP\r\n",
        b"RETR a\r\n",
        b"STOR size=43 p\r\n",
        b"RNFR a\r\n",
        &receive,
        &discard,
    ];
    for typed in waiting {
        let mut pair = pair();
        pair.advance(seconds(500));
        assert_eq!(pair.codes(typed).len(), 1);
        ends(&mut pair, limits().idle, &[421]);
        assert_eq!(pair.disk().stage("/p"), Some(&NEW[..20]));
    }
    let mut pair = pair();
    assert_eq!(pair.codes(receive), [150]);
    ends(&mut pair, limits().idle, &[421]);
    assert_eq!(pair.disk().stage("/p2"), Some(NEW));
}

#[test]
fn a_line_that_is_no_command_is_a_sign_of_life() {
    let mut pair = pair();
    for _ in 0..5 {
        pair.advance(limits().idle - MOMENT);
        assert_eq!(pair.codes("WHAT\r\n"), [500]);
    }
    pair.is_ready();
}

#[test]
fn half_a_line_is_no_sign_of_life() {
    let mut pair = pair();
    pair.advance(seconds(600));
    assert_eq!(pair.codes("PW"), []);
    ends(&mut pair, limits().idle - seconds(600), &[421]);
}

#[test]
fn no_login_in_time() {
    let mut stranger = Pair::stranger(Rig::roomy(), world());
    stranger.advance(seconds(20));
    assert_eq!(stranger.codes("NOOP\r\n"), [200]);
    ends(&mut stranger, seconds(10), &[421]);

    // Nor while a worker looks up who it is; its answer comes too late.
    let mut stranger = Pair::stranger(Rig::roomy(), world());
    stranger.server.hold = Hold::Jobs;
    let line = "USER scram=biwsbj10b20scj1ub25jZQ==\r\n";
    assert_eq!(stranger.codes(line), []);
    stranger.client.type_in(b"");
    stranger.advance(seconds(30));
    assert_eq!(stranger.codes(""), [421]);
    stranger.server.hold = Hold::Nothing;
    assert_eq!(stranger.codes(""), []);
    stranger.server.check_at_rest();

    // Nor behind a penalty.
    let mut stranger = Pair::stranger(Rig::roomy(), world());
    stranger.advance(seconds(30) - MOMENT);
    assert_eq!(stranger.codes("USER scram=Zm9v\r\n"), []);
    stranger.client.type_in(b"");
    stranger.advance(limits().penalty);
    assert_eq!(stranger.codes(""), [530, 421]);
}

#[test]
fn an_upload_that_stalls() {
    for typed in ["STOR size=43 b\r\n", "STOR size=43 go=1 no/b\r\n"] {
        let mut pair = pair();
        assert_eq!(pair.codes(typed).len(), 1);
        let frames = framed(NEW, 9);
        // Each byte of data puts it off; a length alone does not.
        pair.advance(limits().stall - MOMENT);
        assert_eq!(pair.codes(&frames[..6]), []);
        pair.advance(limits().stall - MOMENT);
        assert_eq!(pair.codes(&frames[6..7]), []);
        ends(&mut pair, limits().stall, &[421]);
        let part = typed.starts_with("STOR size=43 b").then_some(&NEW[..3]);
        assert_eq!(pair.disk().stage("/b"), part);
    }
}

/// Who does not read is closed without words: a line inside a frame would be data.
#[test]
fn a_download_that_stalls() {
    let long = vec![b'x'; 900];
    for position in [60, 63, 66, 100] {
        let rig = Rig {
            pipe: Pipe {
                holds: 200,
                each_turn: 9,
            },
            budget: 30,
            to_client: Cut::At(position),
            ..Rig::roomy()
        };
        let disk = Rc::new(RefCell::new(Disk::new().with("/a", &long)));
        let mut pair = Pair::rigged(rig, disk, Local::default());
        pair.client.type_in(b"RETR start=0 a\r\n");
        pair.drive_shut();
        pair.advance(limits().stall - MOMENT);
        assert!(!pair.server.is_over());
        pair.advance(MOMENT);
        assert!(pair.server.is_over());
        let said = pair.types("");
        assert!(
            matches!(&said[..], [Said::Line(150, _), Said::Cut(_)]),
            "{said:?}"
        );
        pair.server.check_at_rest();
    }
}

#[test]
fn a_slow_reader_is_no_stalled_one() {
    let long = vec![b'x'; 900];
    let pipe = Pipe {
        holds: 100,
        each_turn: 9,
    };
    let rig = Rig {
        pipe,
        budget: 30,
        to_client: Cut::Every(20),
        ..Rig::roomy()
    };
    let disk = Rc::new(RefCell::new(Disk::new().with("/a", &long)));
    let mut pair = Pair::rigged(rig, disk, Local::default());
    pair.begin_get("a", Turn::Negotiate);
    pair.drive_shut();
    while pair.to_client.release() {
        pair.advance(seconds(50));
        assert!(!pair.server.is_over());
    }
    assert!(matches!(pair.finish(), Outcome::Verified(_)));
}

/// `done` and `of` of each 111 so far.
fn told(pair: &Pair) -> &[(u64, u64)] {
    &pair.client.working
}

#[test]
fn hashing_takes_long() {
    let disk = Rc::new(RefCell::new(world()));
    let mut pair = Pair::rigged(Rig::tight(), disk, Local::default());
    pair.server.hold = Hold::Bursts;
    let (path, algorithm) = (arg("a"), Algorithm::Md5);
    pair.client
        .begin(|_, out| Dialogue::request(Command::Hash { path, algorithm }, out));
    pair.drive();
    pair.advance(limits().progress - MOMENT);
    assert_eq!(told(&pair), []);
    pair.advance(MOMENT);
    assert_eq!(told(&pair), [(0, 43)]);
    pair.server.hold = Hold::Nothing;
    pair.steps(2);
    pair.server.hold = Hold::Bursts;
    pair.advance(limits().progress * 3);
    assert!(
        told(&pair)[1..].iter().all(|line| *line == (24, 43)),
        "{:?}",
        told(&pair)
    );
    let lines = told(&pair).len();
    assert!((3..=4).contains(&lines), "{lines} lines");
    pair.server.hold = Hold::Nothing;
    let outcome = pair.finish();
    assert!(
        matches!(outcome, Outcome::Replied(answered) if answered.sum == Some(Algorithm::Md5.of(NEW)))
    );
    pair.is_ready();
}

/// Bursts come home four times a second, and still a line goes out in time.
#[test]
fn nobody_waits_in_silence_while_bytes_are_hashed() {
    let disk = Rc::new(RefCell::new(Disk::new().with("/a", &[b'x'; 3000])));
    let mut pair = Pair::rigged(Rig::tight(), disk, Local::default());
    pair.server.hold = Hold::Bursts;
    let (path, algorithm) = (arg("a"), Algorithm::Sha256);
    pair.client
        .begin(|_, out| Dialogue::request(Command::Hash { path, algorithm }, out));
    pair.drive();
    for quarter in 1..=200 {
        pair.server.hold = Hold::Nothing;
        pair.steps(1);
        pair.server.hold = Hold::Bursts;
        pair.advance(Duration::from_millis(250));
        assert!(
            told(&pair).len() >= quarter / 20,
            "{} s of silence",
            quarter / 4
        );
    }
    assert!(pair.server.task().is_some(), "it is still at it");
}

#[test]
fn storing_takes_long() {
    let mut pair = Pair::new(Disk::new().expecting(NEW), Local::sending(NEW));
    pair.begin_put("a", PLAIN);
    pair.until(|pair| {
        pair.to_server
            .sent()
            .windows(4)
            .any(|bytes| bytes == b"225 ")
    });
    pair.server.hold = Hold::Jobs;
    pair.advance(limits().progress * 5 + MOMENT);
    assert_eq!(told(&pair), [(43, 43); 5]);
    pair.server.hold = Hold::Nothing;
    assert!(matches!(pair.finish(), Outcome::Verified(_)));
    pair.is_ready();
}

/// A job that takes long, of whatever kind, ends no dialogue.
#[test]
fn any_job_may_take_long() {
    let lines = [
        "LIST",
        "DELE a",
        "RETR a",
        "STOR size=43 p",
        "DF",
        "RNFR a",
        "STAGES",
        "CWD d",
    ];
    for line in lines {
        let mut pair = pair();
        pair.server.hold = Hold::Jobs;
        assert_eq!(pair.codes(format!("{line}\r\n")), []);
        pair.client.type_in(b"");
        pair.advance(seconds(1000));
        pair.server.hold = Hold::Nothing;
        let codes = pair.codes("");
        let working = codes.iter().take_while(|&&code| code == 111).count();
        assert_eq!(working, 250, "{line}: {codes:?}");
        assert!(codes.len() > working, "{line}");
    }
}

/// The client hashes for longer than a session may be idle, and says so.
#[test]
fn the_clients_hashing_takes_long() {
    let stage = || {
        (
            Disk::new().with_stage("/a", &NEW[..9]).expecting(NEW),
            Local::sending(NEW),
        )
    };
    let part = || (Disk::new().with("/a", NEW), Local::with_part(&NEW[..9]));
    type Begin = fn(&mut Pair);
    let put: Begin = |pair| pair.begin_put("a", PLAIN);
    let get: Begin = |pair| pair.begin_get("a", Turn::Negotiate);
    for ((disk, local), begin) in [(stage(), put), (part(), get)] {
        let mut pair = Pair::new(disk, local);
        pair.client.hold = true;
        begin(&mut pair);
        pair.drive();
        for _ in 0..300 {
            pair.advance(seconds(5));
            pair.client.tick();
        }
        pair.client.hold = false;
        assert!(matches!(pair.finish(), Outcome::Verified(_)));
        pair.is_ready();
    }
}

/// A timeout that comes too early or twice does no harm.
#[test]
fn extra_timeouts() {
    let mut pair = pair();
    pair.client.type_in(b"RETR a\r\n");
    pair.drive();
    assert_eq!(codes_of(&pair.hears()), [150]);
    pair.server.hold = Hold::Bursts;
    assert_eq!(
        pair.codes("210 offset=9 md5=00000000000000000000000000000000\r\n"),
        []
    );
    pair.client.type_in(b"");
    pair.advance(limits().progress);
    pair.advance(Duration::ZERO);
    assert_eq!(pair.codes(""), [111]);
    pair.server.hold = Hold::Nothing;
    assert_eq!(pair.codes(""), [200, 226]);
    pair.is_ready();
}
