//! Tests RETR with every answer there is (PROTOCOL.md section 7).

use skiff_sessions::client::{Decision, Note, Outcome, Question};
use skiff_sessions::digest::Algorithm;
use skiff_sessions::wire::command::Turn;
use skiff_sessions::wire::reply::Refusal;
use skiff_sessions::wire::stamp::Stamp;

use super::cuts::{Came, World, outcome_at_every_cut};
use super::disk::{Disk, Faults, OLD_TIME};
use super::drive::Pair;
use super::local::{self, Local};
use super::rig::{NEW, OTHER};

const SIZE: u64 = NEW.len() as u64;
const BOTH: [Turn; 2] = [Turn::Negotiate, Turn::Skipped];

fn unknown() -> Disk {
    Disk::new().with("/a", NEW)
}

fn known() -> Disk {
    unknown().with_digest("/a", Algorithm::Md5.of(NEW))
}

fn is_here(pair: &Pair, outcome: &Outcome) {
    let Outcome::Verified(sent) = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!((sent.code, sent.sum), (226, Some(Algorithm::Md5.of(NEW))));
    assert_eq!(pair.client.local.whole, Some((NEW.to_vec(), OLD_TIME)));
}

/// A get that ends verified under every cut.
fn arrives(world: impl Fn() -> World, turn: Turn) -> Came<Outcome> {
    outcome_at_every_cut(world, |pair| {
        let outcome = pair.gets("a", turn);
        is_here(pair, &outcome);
        assert_eq!(
            pair.disk().files[&b"/a".to_vec()].sum,
            Some(Algorithm::Md5.of(NEW)),
            "a digest is computed once"
        );
        outcome
    })
}

#[test]
fn from_the_start() {
    for turn in BOTH {
        arrives(|| (unknown(), Local::default()), turn);
        let came = arrives(|| (known(), Local::default()), turn);
        assert_eq!((came.asked(), came.notes()), (&[][..], &[][..]));
    }
}

#[test]
fn an_empty_file() {
    for turn in BOTH {
        let came = outcome_at_every_cut(
            || (Disk::new().with("/a", b""), Local::default()),
            |pair| pair.gets("a", turn),
        );
        assert!(matches!(came.said, Outcome::Verified(_)));
        assert_eq!(came.local().whole, Some((Vec::new(), OLD_TIME)));
    }
}

#[test]
fn a_part_is_gone_on_with() {
    for disk in [known, unknown] {
        for have in [1, 20, NEW.len()] {
            let came = arrives(|| (disk(), Local::with_part(&NEW[..have])), Turn::Negotiate);
            let have = have as u64;
            assert_eq!(came.asked(), [Question::ResumeDownload { have, of: SIZE }]);
            assert_eq!(came.notes(), []);
        }
    }
}

#[test]
fn a_part_of_another_file_is_dropped() {
    for disk in [known, unknown] {
        let came = arrives(|| (disk(), Local::with_part(&OTHER[..20])), Turn::Negotiate);
        assert_eq!(came.notes(), [Note::PartDiffers]);
    }
}

#[test]
fn a_part_longer_than_the_file_is_dropped() {
    let longer = [NEW, b"!"].concat();
    let came = arrives(|| (unknown(), Local::with_part(&longer)), Turn::Negotiate);
    assert_eq!(came.asked(), []);
}

/// A client that says it has more than there is gets all.
#[test]
fn an_offset_behind_the_end() {
    let came = super::cuts::at_every_cut(
        || (unknown(), Local::default()),
        |pair| {
            pair.codes(
                "RETR a\r\n210 offset=9223372036854775807 md5=00000000000000000000000000000000\r\n",
            )
        },
    );
    assert_eq!(came.said, [150, 200, 226]);
}

#[test]
fn without_a_turn_a_part_is_dropped() {
    arrives(
        || (unknown(), Local::with_part(&OTHER[..20])),
        Turn::Skipped,
    );
}

#[test]
fn resuming_is_declined() {
    let came = outcome_at_every_cut(
        || (unknown(), Local::with_part(&NEW[..20])),
        |pair| {
            pair.client.decision = Some(Decision::No);
            pair.gets("a", Turn::Negotiate)
        },
    );
    assert_eq!(came.said, Outcome::ResumeDeclined);
    assert_eq!(came.local().part, &NEW[..20]);
}

#[test]
fn the_file_is_here_with_its_time() {
    let world = || (unknown(), Local::with_whole(OTHER, OLD_TIME));
    let came = outcome_at_every_cut(world, |pair| pair.gets("a", Turn::Negotiate));
    assert_eq!(
        came.said,
        Outcome::AlreadyThere {
            size: SIZE,
            sum: None
        }
    );
}

#[test]
fn the_file_is_here_with_another_time() {
    let world = || (unknown(), Local::with_whole(NEW, Stamp(5)));
    let came = outcome_at_every_cut(world, |pair| pair.gets("a", Turn::Negotiate));
    let sum = Some(Algorithm::Md5.of(NEW));
    assert_eq!(came.said, Outcome::AlreadyThere { size: SIZE, sum });
}

#[test]
fn another_file_of_that_size_is_here() {
    let came = arrives(
        || (unknown(), Local::with_whole(OTHER, Stamp(5))),
        Turn::Negotiate,
    );
    assert_eq!(came.notes(), [Note::WholeDiffers]);
}

#[test]
fn another_file_of_another_size_is_here() {
    let came = arrives(
        || (unknown(), Local::with_whole(b"x", Stamp(5))),
        Turn::Negotiate,
    );
    assert_eq!(came.notes(), []);
}

#[test]
fn another_file_stays_where_it_may_not_be_replaced() {
    for whole in [OTHER, b"x"] {
        let world = || (unknown(), Local::with_whole(whole, Stamp(5)));
        let came = outcome_at_every_cut(world, |pair| {
            let outcome = pair.gets_beside("a");
            let here = pair.client.local.whole.clone();
            assert_eq!(here, Some((whole.to_vec(), Stamp(5))));
            assert!(pair.client.local.part.is_empty(), "a part was begun");
            // The two ends have not lost each other.
            let fetched = pair.gets("a", Turn::Negotiate);
            is_here(pair, &fetched);
            outcome
        });
        assert_eq!(came.said, Outcome::LocalDiffers { size: SIZE });
    }
}

#[test]
fn the_disk_gives_something_else_than_it_did() {
    let rotten = || {
        Disk::new()
            .with("/a", OTHER)
            .with_digest("/a", Algorithm::Md5.of(NEW))
    };
    for turn in BOTH {
        let came = outcome_at_every_cut(
            || (rotten(), Local::default()),
            |pair| {
                let differs = pair.gets("a", turn);
                assert!(matches!(differs, Outcome::Differs(_)), "{differs:?}");
                assert!(pair.client.local.part.is_empty());
                // The server looked again, and says nothing of it; the digest is computed anew.
                let outcome = pair.gets("a", turn);
                assert_eq!(pair.server.changed, ["/a"]);
                outcome
            },
        );
        assert!(matches!(came.said, Outcome::Verified(_)), "{:?}", came.said);
        assert_eq!(came.local().whole, Some((OTHER.to_vec(), OLD_TIME)));
    }
}

/// The client says that it could not verify, and the disk is as it was.
#[test]
fn a_report_that_is_wrong() {
    let came = super::cuts::at_every_cut(
        || (known(), Local::default()),
        |pair| {
            assert_eq!(pair.codes("RETR start=0 a\r\n"), [150, 226]);
            let codes = pair.codes("550\r\nPWD\r\n227\r\n550\r\n");
            assert!(pair.server.changed.is_empty());
            codes
        },
    );
    assert_eq!(came.said, [257]);
}

#[test]
fn the_server_cannot_read_to_the_end() {
    for from in [0, 1, 16, 21, 42] {
        for disk in [known, unknown] {
            for turn in BOTH {
                let faults = || Faults {
                    read: Some((from, Refusal::Fault)),
                    ..Faults::default()
                };
                let came = outcome_at_every_cut(
                    || (disk().failing(faults()), Local::default()),
                    |pair| pair.gets("a", turn),
                );
                assert_eq!(came.code(), 550, "{from} {turn:?}");
                assert_eq!(came.local().whole, None);
                assert!(NEW.starts_with(&came.local().part));
            }
        }
    }
}

#[test]
fn the_prefix_cannot_be_hashed() {
    let faults = || Faults {
        read: Some((7, Refusal::Fault)),
        ..Faults::default()
    };
    let came = outcome_at_every_cut(
        || (unknown().failing(faults()), Local::with_part(&NEW[..20])),
        |pair| pair.gets("a", Turn::Negotiate),
    );
    assert_eq!(came.code(), 550);
    assert_eq!(came.local().part, &NEW[..20]);
}

#[test]
fn the_client_cannot_take_all() {
    for from in [0, 1, 16, 42] {
        for turn in BOTH {
            let faults = local::Faults {
                write: Some(from),
                ..local::Faults::default()
            };
            let came = outcome_at_every_cut(
                || (unknown(), Local::default().failing(faults)),
                |pair| pair.gets("a", turn),
            );
            assert_eq!(came.said, Outcome::LocalFailed);
            assert_eq!(came.local().part, &NEW[..from as usize]);
        }
    }
}

#[test]
fn the_clients_file_is_of_no_use() {
    let choose = local::Faults {
        choose: true,
        ..local::Faults::default()
    };
    let publish = local::Faults {
        publish: true,
        ..local::Faults::default()
    };
    let read = local::Faults {
        read: Some(3),
        ..local::Faults::default()
    };
    for (faults, part) in [
        (choose, &b""[..]),
        (choose, b"the"),
        (publish, b""),
        (read, b"the q"),
    ] {
        for turn in BOTH {
            if faults == read && turn == Turn::Skipped {
                continue;
            }
            let came = outcome_at_every_cut(
                || (unknown(), Local::with_part(part).failing(faults)),
                |pair| pair.gets("a", turn),
            );
            assert_eq!(came.said, Outcome::LocalFailed, "{faults:?} {turn:?}");
        }
    }
}

#[test]
fn refused() {
    for (path, code) in [("no", 404), ("d", 551), ("../a", 403), ("a/b", 404)] {
        for turn in BOTH {
            let came = outcome_at_every_cut(
                || (unknown(), Local::default()),
                |pair| pair.gets(path, turn),
            );
            assert_eq!(came.code(), code, "{path}");
        }
    }
}
