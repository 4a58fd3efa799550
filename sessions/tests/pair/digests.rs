//! Tests which digest verifies a transfer: the client's wish, and what the server remembers of the
//! file (PROTOCOL.md sections 7 and 8).

use skiff_sessions::client::{Note, Outcome};
use skiff_sessions::digest::{Algorithm, Sum};
use skiff_sessions::wire::command::Turn;

use super::cuts::{World, at_every_cut, outcome_at_every_cut};
use super::disk::Disk;
use super::drive::Pair;
use super::local::Local;
use super::rig::{AT_ONCE, NEW, OTHER, PLAIN, REPLACING};
use super::said::{END, Said, framed};

const SIZE: u64 = NEW.len() as u64;
const BOTH: [Algorithm; 2] = [Algorithm::Md5, Algorithm::Sha256];

fn wanting(digest: Algorithm, mut local: Local) -> Local {
    local.digest = digest;
    local
}

fn uploading(disk: Disk) -> World {
    let local = Local::sending(NEW);
    (disk.expecting(NEW), wanting(Algorithm::Sha256, local))
}

fn there() -> Disk {
    Disk::new().with("/a", NEW)
}

fn remembering(sum: Sum) -> Disk {
    there().with_digest("/a", sum)
}

fn sum_of(outcome: &Outcome) -> Option<Sum> {
    match outcome {
        Outcome::Verified(answered) => answered.sum,
        Outcome::AlreadyThere { sum, .. } => *sum,
        other => panic!("{other:?}"),
    }
}

fn stored_by(pair: &Pair) -> Option<Sum> {
    pair.disk().files[&b"/a".to_vec()].sum
}

#[test]
fn an_upload_is_verified_by_what_the_client_wants() {
    let sum = Some(Algorithm::Sha256.of(NEW));
    for how in [PLAIN, AT_ONCE, REPLACING] {
        outcome_at_every_cut(
            || uploading(Disk::new()),
            |pair| {
                let outcome = pair.puts("a", how);
                assert_eq!((sum_of(&outcome), stored_by(pair)), (sum, sum));
                outcome
            },
        );
    }
}

#[test]
fn so_is_the_part_that_it_goes_on_from() {
    for (part, differs) in [(&NEW[..20], false), (&OTHER[..20], true)] {
        let came = outcome_at_every_cut(
            || uploading(Disk::new().with_stage("/a", part)),
            |pair| {
                let outcome = pair.puts("a", PLAIN);
                assert_eq!(sum_of(&outcome), Some(Algorithm::Sha256.of(NEW)));
                outcome
            },
        );
        assert_eq!(came.notes().contains(&Note::PartDiffers), differs);
    }
}

/// A file that is there is compared by what is on the disk, not by what is remembered of it.
#[test]
fn a_file_that_is_there_is_read_to_be_compared() {
    for stored in BOTH {
        for (content, differs) in [(NEW, false), (OTHER, true)] {
            let disk = || {
                Disk::new()
                    .with("/a", NEW)
                    .with_digest("/a", stored.of(content))
            };
            for how in [PLAIN, AT_ONCE] {
                let came = at_every_cut(
                    || uploading(disk()),
                    |pair| (pair.puts("a", how), pair.server.changed.len()),
                );
                let sum = Some(Algorithm::Sha256.of(NEW));
                let noticed = differs && stored == Algorithm::Sha256;
                let there = Outcome::AlreadyThere { size: SIZE, sum };
                assert_eq!(came.said, (there, usize::from(noticed)));
            }
        }
    }
}

/// Who asks for a digest is told that of the bytes on the disk; what was remembered of others goes.
#[test]
fn a_digest_that_is_asked_for_is_read_from_the_disk() {
    for digest in BOTH {
        let disk = || there().with_digest("/a", digest.of(OTHER));
        let line = format!("HASH algo={} /a\r\n", digest.name());
        let came = at_every_cut(
            || (disk(), Local::default()),
            |pair| {
                let said = pair.types(&line);
                assert_eq!(
                    (stored_by(pair), &*pair.server.changed),
                    (None, &["/a".into()][..])
                );
                assert_eq!(pair.types(&line), said);
                assert_eq!(stored_by(pair), Some(digest.of(NEW)));
                said
            },
        );
        let text = format!("size=43 {}={} /a", digest.name(), digest.of(NEW));
        assert_eq!(came.said, [Said::Line(213, text)]);
    }
}

/// A client that has all bytes asks whether they are those of the disk.
#[test]
fn a_whole_file_is_compared_with_the_disk() {
    let lines = format!("RETR a\r\n210 offset=43 md5={}\r\n", Algorithm::Md5.of(NEW));
    for (content, changed) in [(NEW, 0), (OTHER, 1)] {
        let disk = || remembering(Algorithm::Md5.of(content));
        let came = at_every_cut(
            || (disk(), Local::default()),
            |pair| {
                let said = pair.types(&lines);
                assert_eq!(pair.server.changed.len(), changed);
                said.last().cloned()
            },
        );
        let text = format!("size=43 md5={} all sent", Algorithm::Md5.of(NEW));
        assert_eq!(came.said, Some(Said::Line(226, text)));
    }
}

/// What was stored is what a download is verified against, whatever the client wants.
#[test]
fn a_download_is_verified_by_what_is_remembered() {
    for wanted in BOTH {
        let unknown = (None, wanted.of(NEW));
        let known = BOTH.map(|digest| (Some(digest.of(NEW)), digest.of(NEW)));
        for (remembered, sum) in [unknown].into_iter().chain(known) {
            let disk = || remembered.map_or_else(there, remembering);
            for turn in [Turn::Negotiate, Turn::Skipped] {
                let world = || (disk(), wanting(wanted, Local::default()));
                at_every_cut(world, |pair| {
                    let outcome = pair.gets("a", turn);
                    assert_eq!((sum_of(&outcome), stored_by(pair)), (Some(sum), Some(sum)));
                });
            }
            let part = || (disk(), wanting(wanted, Local::with_part(&NEW[..20])));
            let came = at_every_cut(part, |pair| sum_of(&pair.gets("a", Turn::Negotiate)));
            assert_eq!((came.said, came.notes()), (Some(sum), &[][..]));
        }
    }
}

/// The disk may have changed behind the server's back before the other was read off it.
#[test]
fn a_digest_that_was_read_later_verifies_no_download() {
    let (stored, read) = (Algorithm::Sha256.of(NEW), Algorithm::Md5.of(NEW));
    let disk = || remembering(stored).with_later("/a", read);
    let world = || (disk(), wanting(Algorithm::Md5, Local::default()));
    let came = at_every_cut(world, |pair| sum_of(&pair.gets("a", Turn::Negotiate)));
    assert_eq!(came.said, Some(stored));
}

/// A prefix proved by another digest than was offered proves nothing.
#[test]
fn a_part_proved_by_another_digest_is_not_gone_on_with() {
    let lines = format!(
        "RETR digest=sha256 a\r\n210 offset=20 md5={}\r\n",
        Algorithm::Md5.of(&NEW[..20])
    );
    let world = || (there(), Local::default());
    let came = at_every_cut(world, |pair| pair.codes(&lines));
    assert_eq!(came.said, [150, 200, 226]);
}

#[test]
fn all_sent_with_another_digest_is_not_verified() {
    let all_sent = format!("225 md5={}\r\n", Algorithm::Md5.of(NEW));
    let command: &[u8] = b"STOR size=43 digest=sha256 a\r\n";
    let typed = [command, &framed(NEW, 9), END, all_sent.as_bytes()].concat();
    let world = || (Disk::new().expecting(NEW), Local::default());
    let came = at_every_cut(world, |pair| pair.codes(&typed));
    assert_eq!(came.said, [150, 550]);
}

#[test]
fn a_digest_told_ahead_is_of_the_same_kind() {
    let world = || (Disk::new(), Local::default());
    let came = at_every_cut(world, |pair| {
        let md5 = Algorithm::Md5.of(b"x");
        pair.codes(format!("STOR size=1 digest=sha256 md5={md5} a\r\n"))
    });
    assert_eq!(came.said, [501]);
}
