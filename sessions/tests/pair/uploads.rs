//! Tests STOR with every answer there is (PROTOCOL.md section 8).

use skiff_sessions::client::{Decision, Note, Outcome, Question};
use skiff_sessions::digest::Algorithm;

use skiff_sessions::wire::command::Replace;
use skiff_sessions::wire::reply::Refusal;

use super::cuts::{World, at_every_cut, outcome_at_every_cut};
use super::disk::{Disk, Faults};
use super::drive::Pair;
use super::local::{self, Local};
use super::rig::{AT_ONCE, How, NEW, NEW_TIME, OLD, OTHER, PLAIN, REPLACING};

const SIZE: u64 = NEW.len() as u64;

fn over(disk: Disk) -> World {
    (disk.expecting(NEW), Local::sending(NEW))
}

fn is_stored(pair: &Pair) {
    assert_eq!(pair.disk().content("/a").as_deref(), Some(NEW));
    assert_eq!(pair.disk().files[&b"/a".to_vec()].modified, NEW_TIME);
    assert_eq!(pair.disk().stage("/a"), None);
}

fn verified(pair: &Pair, outcome: &Outcome) {
    let Outcome::Verified(stored) = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!((stored.code, stored.size), (226, Some(SIZE)));
    assert_eq!(stored.sum, Some(Algorithm::Md5.of(NEW)));
    is_stored(pair);
}

/// A put that ends verified under every cut.
fn arrives(world: impl Fn() -> World, how: How) -> super::cuts::Came<Outcome> {
    outcome_at_every_cut(world, |pair| {
        let outcome = pair.puts("a", how);
        verified(pair, &outcome);
        outcome
    })
}

#[test]
fn nothing_is_there() {
    let came = arrives(|| over(Disk::new()), PLAIN);
    assert_eq!((came.asked(), came.notes()), (&[][..], &[][..]));
}

#[test]
fn an_empty_file() {
    let world = || (Disk::new().expecting(b""), Local::sending(b""));
    let came = outcome_at_every_cut(world, |pair| pair.puts("d/empty", PLAIN));
    assert!(matches!(came.said, Outcome::Verified(_)));
}

#[test]
fn a_part_is_gone_on_with() {
    for have in [1, 20, NEW.len() - 1, NEW.len()] {
        let came = outcome_at_every_cut(
            || over(Disk::new().with_stage("/a", &NEW[..have])),
            |pair| {
                let outcome = pair.puts("a", PLAIN);
                verified(pair, &outcome);
                let sent = pair.to_server.sent();
                assert!(
                    !sent.windows(9).any(|bytes| bytes == &NEW[..9]),
                    "not all is sent again"
                );
                outcome
            },
        );
        let have = have as u64;
        assert_eq!(came.asked(), [Question::ResumeUpload { have, of: SIZE }]);
        assert_eq!(came.notes(), []);
    }
}

#[test]
fn a_part_of_another_file_is_started_over() {
    let came = arrives(|| over(Disk::new().with_stage("/a", &OTHER[..20])), PLAIN);
    assert_eq!(came.notes(), [Note::PartDiffers]);
}

#[test]
fn a_part_longer_than_the_file_is_dropped() {
    let came = arrives(
        || over(Disk::new().with_stage("/a", &[NEW, b"!"].concat())),
        PLAIN,
    );
    assert_eq!(came.asked(), []);
}

#[test]
fn resuming_is_declined() {
    let came = outcome_at_every_cut(
        || over(Disk::new().with_stage("/a", &NEW[..20])),
        |pair| {
            pair.client.decision = Some(Decision::No);
            let outcome = pair.puts("a", PLAIN);
            assert_eq!(pair.disk().stage("/a"), Some(&NEW[..20]));
            outcome
        },
    );
    assert_eq!(came.said, Outcome::ResumeDeclined);
}

#[test]
fn the_same_file_is_there() {
    let sum = Some(Algorithm::Md5.of(NEW));
    let unknown = || over(Disk::new().with("/a", NEW));
    let known = || {
        over(
            Disk::new()
                .with("/a", NEW)
                .with_digest("/a", Algorithm::Md5.of(NEW)),
        )
    };
    for how in [PLAIN, AT_ONCE] {
        for came in [
            outcome_at_every_cut(unknown, |pair| pair.puts("a", how)),
            outcome_at_every_cut(known, |pair| pair.puts("a", how)),
        ] {
            assert_eq!(came.said, Outcome::AlreadyThere { size: SIZE, sum });
            assert_eq!(came.asked(), []);
        }
    }
}

#[test]
fn another_file_is_there_and_stays() {
    for (there, how) in [(OTHER, PLAIN), (OLD, PLAIN), (OTHER, AT_ONCE)] {
        {
            let came = outcome_at_every_cut(
                || over(Disk::new().with("/a", there)),
                |pair| {
                    pair.client.decision = Some(Decision::No);
                    let outcome = pair.puts("a", how);
                    assert_eq!(pair.disk().content("/a").as_deref(), Some(there));
                    outcome
                },
            );
            assert!(
                matches!(came.said, Outcome::NotReplaced(_)),
                "{:?}",
                came.said
            );
            // Nobody is asked about one that was sent ahead: others are on their way behind it.
            let asked = [Question::Replace];
            assert_eq!(came.asked(), if how == AT_ONCE { &[] } else { &asked[..] });
        }
    }
}

#[test]
fn another_file_is_there_and_is_replaced() {
    for there in [OTHER, OLD] {
        let came = arrives(|| over(Disk::new().with("/a", there)), PLAIN);
        assert_eq!(came.asked(), [Question::Replace]);
        let came = arrives(|| over(Disk::new().with("/a", there)), REPLACING);
        assert_eq!(came.asked(), []);
    }
    let at_once = How {
        replace: Replace::Yes,
        ..AT_ONCE
    };
    let came = arrives(|| over(Disk::new().with("/a", OTHER)), at_once);
    assert_eq!(came.asked(), []);
}

/// With no turn nobody looks at what stands in the way.
#[test]
fn a_file_of_another_size_refuses_an_upload_without_a_turn() {
    let came = outcome_at_every_cut(
        || over(Disk::new().with("/a", OLD)),
        |pair| pair.puts("a", AT_ONCE),
    );
    assert!(matches!(&came.said, Outcome::NotReplaced(why) if why.code == 550));
    assert_eq!(came.asked(), []);
}

#[test]
fn a_part_and_an_old_file_are_there() {
    let world = || over(Disk::new().with("/a", OLD).with_stage("/a", &NEW[..7]));
    let came = arrives(world, REPLACING);
    assert_eq!(came.asked(), [Question::ResumeUpload { have: 7, of: SIZE }]);
}

/// The client hashes all of its file to compare it, then a part of it to resume.
#[test]
fn a_part_and_an_old_file_of_the_same_size_are_there() {
    let world = || over(Disk::new().with("/a", OTHER).with_stage("/a", &NEW[..7]));
    let came = arrives(world, PLAIN);
    assert_eq!(
        came.asked(),
        [
            Question::Replace,
            Question::ResumeUpload { have: 7, of: SIZE }
        ]
    );
    assert_eq!(came.notes(), []);
}

#[test]
fn without_a_turn_a_part_is_replaced() {
    arrives(|| over(Disk::new()), AT_ONCE);
    arrives(|| over(Disk::new().with_stage("/a", &NEW[..20])), AT_ONCE);
    arrives(|| over(Disk::new().with_stage("/a", &OTHER[..20])), AT_ONCE);
}

#[test]
fn over_the_quota_before_a_byte_is_sent() {
    for how in [PLAIN, AT_ONCE] {
        let came = outcome_at_every_cut(
            || over(Disk::new().with("/old", OLD).limited(50)),
            |pair| {
                let outcome = pair.puts("a", how);
                assert_eq!(pair.disk().content("/a"), None);
                assert_eq!(pair.disk().stage("/a"), None);
                outcome
            },
        );
        assert_eq!(came.code(), 551);
    }
}

/// The disk, the quota and the promise each end an upload in the middle.
#[test]
fn the_server_fails_midway() {
    let quota = Refusal::OverQuota {
        needed: 9,
        available: 3,
    };
    // What the quota has no room for is not kept; what may be stored later is.
    let kept = Some(&NEW[..21]);
    for (why, code, staged) in [
        (quota, 551, None),
        (Refusal::DiskFull, 550, kept),
        (Refusal::Fault, 550, kept),
    ] {
        for how in [REPLACING, AT_ONCE] {
            let faults = || Faults {
                write: Some((21, why)),
                ..Faults::default()
            };
            let there = |disk: Disk| {
                if how == REPLACING {
                    disk.with("/a", OLD)
                } else {
                    disk
                }
            };
            let came = outcome_at_every_cut(
                || over(there(Disk::new()).failing(faults())),
                |pair| {
                    let outcome = pair.puts("a", how);
                    assert_eq!(pair.disk().stage("/a"), staged);
                    outcome
                },
            );
            assert_eq!(came.code(), code, "{why:?} {how:?}");
        }
    }
}

#[test]
fn the_clients_file_cannot_be_read_to_its_end() {
    for from in [0, 1, 16, 21, 42] {
        for how in [PLAIN, AT_ONCE] {
            let faults = local::Faults {
                read: Some(from),
                ..local::Faults::default()
            };
            let came = outcome_at_every_cut(
                || {
                    (
                        Disk::new().expecting(NEW),
                        Local::sending(NEW).failing(faults),
                    )
                },
                |pair| pair.puts("a", how),
            );
            assert_eq!(came.said, Outcome::LocalFailed, "{from} {how:?}");
        }
    }
}

/// What stands in the way of an upload that was to begin, or to be published.
#[test]
fn a_job_is_refused() {
    for why in [
        Refusal::NoStaging,
        Refusal::Forbidden,
        Refusal::LeadsOut,
        Refusal::NotReady,
    ] {
        let code = match why {
            Refusal::Forbidden | Refusal::LeadsOut => 403,
            _ => 550,
        };
        for how in [REPLACING, AT_ONCE] {
            let faults = || Faults {
                job: Some(why),
                ..Faults::default()
            };
            let world = || over(Disk::new().failing(faults()));
            let came = outcome_at_every_cut(world, |pair| pair.puts("a", how));
            assert_eq!(came.code(), code, "{why:?} {how:?}");
        }
    }
}

#[test]
fn it_cannot_be_published() {
    let came = outcome_at_every_cut(
        || over(Disk::new()),
        |pair| {
            pair.begin_put("a", REPLACING);
            pair.disk().faults.write = Some((NEW.len() as u64, Refusal::DiskFull));
            pair.client.hold = true;
            pair.drive();
            pair.disk().faults.job = Some(Refusal::DiskFull);
            pair.client.hold = false;
            let outcome = pair.finish();
            assert_eq!(pair.disk().stage("/a"), Some(NEW));
            outcome
        },
    );
    assert_eq!(came.code(), 550);
}

#[test]
fn there_is_no_such_place() {
    for (path, code) in [("no/a", 404), ("f/a", 404), ("../a", 403), ("d", 550)] {
        for how in [PLAIN, AT_ONCE] {
            let world = || over(Disk::new().with("/f", OLD));
            let came = at_every_cut(world, |pair| pair.puts(path, how));
            assert_eq!(came.code(), code, "{path} {how:?}");
        }
    }
}
