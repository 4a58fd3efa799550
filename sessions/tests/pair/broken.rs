//! Tests a connection that breaks at every byte, and a new session that resumes from what arrived.

use skiff_sessions::client::Outcome;
use skiff_sessions::wire::command::Turn;

use std::cell::RefCell;
use std::rc::Rc;

use super::disk::{Disk, OLD_TIME};
use super::drive::Pair;
use super::local::Local;
use super::rig::{AT_ONCE, How, NEW, OLD, PLAIN, REPLACING, Rig};
use super::said::{Said, said};
use super::wire::Cut;

fn upload(rig: Rig, disk: Disk, how: How) -> Pair {
    let disk = Rc::new(RefCell::new(disk.expecting(NEW)));
    let mut pair = Pair::rigged(rig, disk, Local::sending(NEW));
    pair.begin_put("a", how);
    pair
}

/// The file's bytes among the first of what the client sent.
fn arrived(sent: &[u8]) -> Vec<u8> {
    let first_frame = sent.windows(3).position(|bytes| bytes == b"\0\0\0");
    match first_frame
        .map(|at| said(&sent[at..]))
        .unwrap_or_default()
        .into_iter()
        .next()
    {
        Some(Said::Data(data) | Said::Cut(data)) => data,
        other => {
            assert_eq!(other, None);
            Vec::new()
        }
    }
}

/// What the client sends where nothing goes wrong.
fn whole_upload(rig: &Rig, disk: Disk, how: How) -> Vec<u8> {
    let mut pair = upload(rig.clone(), disk, how);
    assert!(matches!(pair.finish(), Outcome::Verified(_)));
    pair.to_server.sent().to_vec()
}

#[test]
fn an_upload_cut_at_every_byte_is_resumed() {
    for rig in [Rig::roomy(), Rig::tight()] {
        for how in [PLAIN, AT_ONCE, REPLACING] {
            let old = (how == REPLACING).then_some(OLD);
            let there = || old.map_or_else(Disk::new, |old| Disk::new().with("/a", old));
            let sent = whole_upload(&rig, there(), how);
            for position in 0..=sent.len() {
                let cut = Rig {
                    to_server: Cut::At(position),
                    ..rig.clone()
                };
                let mut pair = upload(cut, there(), how);
                pair.drive_shut();
                pair.reconnect();
                let came = arrived(&sent[..position]);
                resumes(&mut pair, how, &came, old, position == sent.len());
            }
        }
    }
}

fn resumes(pair: &mut Pair, how: How, came: &[u8], old: Option<&[u8]>, published: bool) {
    if published {
        assert_eq!(pair.disk().content("/a").as_deref(), Some(NEW));
        assert_eq!(pair.disk().stage("/a"), None);
    } else {
        assert_eq!(pair.disk().content("/a").as_deref(), old);
        assert_eq!(pair.disk().stage("/a").unwrap_or_default(), came);
    }
    let outcome = pair.puts("a", how);
    match how {
        PLAIN | AT_ONCE if published => assert!(matches!(outcome, Outcome::AlreadyThere { .. })),
        _ => assert!(matches!(outcome, Outcome::Verified(_)), "{outcome:?}"),
    }
    let offered = !pair.client.asked.is_empty();
    assert_eq!(offered, !published && how != AT_ONCE && !came.is_empty());
    assert_eq!(pair.disk().content("/a").as_deref(), Some(NEW));
    pair.is_ready();
}

/// What the server says is lost: the client does not know how it ended.
#[test]
fn an_upload_whose_answers_are_lost() {
    for how in [PLAIN, AT_ONCE] {
        let mut whole = upload(Rig::tight(), Disk::new(), how);
        whole.finish();
        for position in 0..=whole.to_client.sent().len() {
            let rig = Rig {
                to_client: Cut::At(position),
                ..Rig::tight()
            };
            let mut pair = upload(rig, Disk::new(), how);
            pair.drive_shut();
            pair.reconnect();
            let outcome = pair.puts("a", how);
            let good = matches!(outcome, Outcome::Verified(_) | Outcome::AlreadyThere { .. });
            assert!(good, "{position}: {outcome:?}");
            assert_eq!(pair.disk().content("/a").as_deref(), Some(NEW));
            pair.is_ready();
        }
    }
}

fn download(rig: Rig, turn: Turn, part: &[u8]) -> Pair {
    let disk = Rc::new(RefCell::new(Disk::new().with("/a", NEW)));
    let mut pair = Pair::rigged(rig, disk, Local::with_part(part));
    pair.begin_get("a", turn);
    pair
}

#[test]
fn a_download_cut_at_every_byte_is_resumed() {
    for rig in [Rig::roomy(), Rig::tight()] {
        for (turn, part) in [
            (Turn::Negotiate, 0),
            (Turn::Skipped, 0),
            (Turn::Negotiate, 9),
        ] {
            let mut whole = download(rig.clone(), turn, &NEW[..part]);
            assert!(matches!(whole.finish(), Outcome::Verified(_)));
            let sent = whole.to_client.sent().to_vec();
            for position in 0..=sent.len() {
                let cut = Rig {
                    to_client: Cut::At(position),
                    ..rig.clone()
                };
                let mut pair = download(cut, turn, &NEW[..part]);
                pair.drive_shut();
                let ended = pair.client.outcome();
                assert_eq!(ended.is_some(), position == sent.len());
                pair.to_client.cut_off();
                pair.drive();
                if ended.is_none() {
                    assert_eq!(pair.client.outcome(), Some(Outcome::Lost));
                    let came = [&NEW[..part], &arrived(&sent[..position])].concat();
                    assert_eq!(pair.client.local.part, came, "{position}");
                }
                pair.reconnect();
                let outcome = pair.gets("a", Turn::Negotiate);
                let good = matches!(outcome, Outcome::Verified(_) | Outcome::AlreadyThere { .. });
                assert!(good, "{position}: {outcome:?}");
                assert_eq!(pair.client.local.whole, Some((NEW.to_vec(), OLD_TIME)));
                pair.is_ready();
            }
        }
    }
}
