//! Tests stops at every byte of a dialogue, whatever the server is doing (PROTOCOL.md section 9).

use std::cell::RefCell;
use std::rc::Rc;

use skiff_sessions::client::{Decision, Dialogue, Outcome};
use skiff_sessions::wire::command::{Command, Turn};

use super::disk::Disk;
use super::drive::{Pair, arg};
use super::local::Local;
use super::rig::{AT_ONCE, NEW, OLD, PLAIN, Rig};
use super::said::{Said, codes_of, said};
use super::wire::{Cut, Pipe};

/// Longer than what a wire holds: who sends waits for who reads.
fn long() -> Vec<u8> {
    (0..400u16).map(|n| b'a' + (n % 23) as u8).collect()
}

/// A pipe that is full in the middle of a file.
fn narrow() -> Rig {
    let pipe = Pipe {
        holds: 150,
        each_turn: 7,
    };
    Rig {
        pipe,
        budget: 30,
        scratch: 24,
        ..Rig::roomy()
    }
}

fn with_long(rig: Rig, local: Local) -> Pair {
    let disk = Disk::new().with("/a", &long()).expecting(NEW);
    Pair::rigged(rig, Rc::new(RefCell::new(disk)), local)
}

fn stopped_or(outcome: &Outcome, verified: bool) {
    match (outcome, verified) {
        (Outcome::Stopped, _) | (Outcome::Verified(_), true) => {}
        (other, _) => panic!("{other:?}"),
    }
}

#[test]
fn a_person_stops_a_download_at_every_byte() {
    for (turn, part) in [
        (Turn::Negotiate, 0),
        (Turn::Skipped, 0),
        (Turn::Negotiate, 90),
    ] {
        let begin = |rig: Rig| {
            let mut pair = with_long(rig, Local::with_part(&long()[..part]));
            pair.begin_get("a", turn);
            pair
        };
        let mut whole = begin(narrow());
        assert!(matches!(whole.finish(), Outcome::Verified(_)));
        let (mut stopped, length) = (0, whole.to_client.sent().len());
        for position in 0..length {
            let mut pair = begin(Rig {
                to_client: Cut::At(position),
                ..narrow()
            });
            pair.drive_shut();
            pair.client.stop();
            let outcome = pair.finish();
            // Once all frames are here, only the verdict is missing.
            stopped_or(&outcome, position + 80 > length);
            stopped += usize::from(outcome == Outcome::Stopped);
            let here = &pair.client.local;
            assert!(long().starts_with(&here.part));
            assert_eq!(here.whole.is_none(), outcome == Outcome::Stopped);
            pair.is_ready();
        }
        assert!(stopped > length - 80, "{stopped} of {length}");
    }
}

#[test]
fn a_person_stops_a_download_before_each_word_of_his() {
    for turn in [Turn::Negotiate, Turn::Skipped] {
        for position in 0..20 {
            let rig = Rig {
                to_server: Cut::At(position),
                ..narrow()
            };
            let mut pair = with_long(rig, Local::with_part(&long()[..9]));
            pair.begin_get("a", turn);
            pair.drive_shut();
            if pair.client.outcome().is_none() {
                pair.client.stop();
                assert_eq!(pair.finish(), Outcome::Stopped, "{position}");
            }
            pair.is_ready();
        }
    }
}

/// One reply for ABOR: the download's 550 with an abort, or, where it had ended
/// already, 226 behind the download's own.
#[test]
fn abor_at_every_byte_of_the_frames() {
    let (mut aborted, mut late) = (0, 0);
    for position in 0..700 {
        let rig = Rig {
            to_client: Cut::At(position),
            ..narrow()
        };
        let mut pair = with_long(rig, Local::default());
        pair.client.type_in(b"RETR start=0 a\r\n");
        pair.drive_shut();
        let said = pair.types("ABOR\r\n");
        match &said[1..] {
            [Said::Aborted(data), Said::Line(550, _)] => {
                assert!(long().starts_with(data));
                aborted += 1;
            }
            [Said::Data(data), Said::Line(226, _), Said::Line(226, _)] => {
                assert_eq!(*data, long());
                late += 1;
            }
            other => panic!("{position}: {other:?}"),
        }
        assert_eq!(codes_of(&said[..1]), [150]);
        pair.is_ready();
    }
    assert!(aborted > 300 && late > 100, "{aborted} {late}");
}

/// Only ABOR at the head stops; what came before it is answered first.
#[test]
fn abor_behind_other_lines_waits_its_turn() {
    let rig = Rig {
        to_client: Cut::At(60),
        ..narrow()
    };
    let mut pair = with_long(rig, Local::default());
    pair.client.type_in(b"RETR start=0 a\r\n");
    pair.drive_shut();
    assert_eq!(pair.codes("PWD\r\nABOR\r\n"), [150, 226, 257, 226]);
    pair.is_ready();
}

#[test]
fn a_person_stops_an_upload_at_every_byte() {
    for how in [PLAIN, AT_ONCE] {
        let begin = |rig: Rig| {
            let disk = Disk::new().expecting(&long());
            let mut pair = Pair::rigged(rig, Rc::new(RefCell::new(disk)), Local::sending(&long()));
            pair.begin_put("a", how);
            pair
        };
        let mut whole = begin(narrow());
        assert!(matches!(whole.finish(), Outcome::Verified(_)));
        let length = whole.to_server.sent().len();
        for position in 0..length {
            let mut pair = begin(Rig {
                to_server: Cut::At(position),
                ..narrow()
            });
            pair.drive_shut();
            pair.client.stop();
            let outcome = pair.finish();
            // What the pipe holds, the frame behind it, and 225 may be out already.
            stopped_or(&outcome, position + 150 + 24 + 43 > length);
            if outcome == Outcome::Stopped {
                let stored = pair.disk().content("/a");
                // Of one that was sent ahead nobody says what became of it: it is all there, or not.
                let may_be_all = how == AT_ONCE && stored.as_deref() == Some(&long()[..]);
                assert!(stored.is_none() || may_be_all, "{position}");
                assert!(long().starts_with(pair.disk().stage("/a").unwrap_or_default()));
            }
            pair.is_ready();
            // What was stopped can be gone on with.
            let outcome = pair.puts("a", PLAIN);
            assert!(matches!(
                outcome,
                Outcome::Verified(_) | Outcome::AlreadyThere { .. }
            ));
            pair.is_ready();
        }
    }
}

#[test]
fn a_person_stops_a_listing_at_every_byte() {
    for position in 0..400 {
        let names: Vec<String> = (0..8).map(|n| format!("/d/{n}")).collect();
        let disk = names
            .iter()
            .fold(Disk::new(), |disk, name| disk.with(name, b"x"));
        let rig = Rig {
            to_client: Cut::At(position),
            ..narrow()
        };
        let mut pair = Pair::rigged(rig, Rc::new(RefCell::new(disk)), Local::default());
        pair.client
            .begin(|_, out| Dialogue::listing(Command::list(Some(arg("d"))), out));
        pair.drive_shut();
        pair.client.stop();
        assert_eq!(pair.finish(), Outcome::Stopped);
        pair.is_ready();
    }
}

#[test]
fn a_person_stops_instead_of_answering() {
    let part = || (Disk::new().with("/a", NEW), Local::with_part(&NEW[..9]));
    let stage = || (Disk::new().with_stage("/a", &NEW[..9]), Local::sending(NEW));
    let old = || (Disk::new().with("/a", OLD), Local::sending(NEW));
    type Begin = fn(&mut Pair);
    let get: Begin = |pair| pair.begin_get("a", Turn::Negotiate);
    let put: Begin = |pair| pair.begin_put("a", PLAIN);
    for ((disk, local), begin) in [(part(), get), (stage(), put), (old(), put)] {
        let before = disk.seen();
        let mut pair = Pair::new(disk.expecting(NEW), local.clone());
        pair.client.decision = None;
        begin(&mut pair);
        pair.drive();
        assert_eq!(pair.client.asked.len(), 1);
        pair.client.stop();
        assert_eq!(pair.finish(), Outcome::Stopped);
        assert_eq!(pair.disk().seen(), before);
        assert_eq!(pair.client.local.part, local.part);
        pair.is_ready();
        // The same, answered late.
        begin(&mut pair);
        pair.drive();
        pair.client.decide(Decision::Yes);
        assert!(matches!(pair.finish(), Outcome::Verified(_)));
        pair.is_ready();
    }
}

/// The file is cut by somebody on the host while its frames go out: the frame
/// under way is made whole, and an abort follows.
#[test]
fn a_file_that_shrinks_inside_a_frame() {
    for position in 60..700 {
        let rig = Rig {
            to_client: Cut::At(position),
            ..narrow()
        };
        let mut pair = with_long(rig, Local::default());
        pair.client.type_in(b"RETR start=0 a\r\n");
        pair.drive_shut();
        let frames = said(pair.to_client.sent()).swap_remove(1);
        let ended = match frames {
            Said::Data(data) | Said::Cut(data) => data.len() == long().len(),
            other => panic!("{other:?}"),
        };
        pair.disk().shrink("/a", 100);
        let said = pair.types("");
        match &said[1..] {
            [Said::Data(data), Said::Line(226, _)] if ended => assert_eq!(*data, long()),
            [Said::Aborted(data), Said::Line(550, _)] if !ended => {
                let zeros = data.iter().rev().take_while(|&&b| b == 0).count();
                assert!(zeros <= 20, "at most one frame is made up");
                assert!(long().starts_with(&data[..data.len() - zeros]));
            }
            other => panic!("{position}: {other:?}"),
        }
        pair.is_ready();
    }
}
