//! The names that all sessions of a user fight for: here only what is possible can be said.

use crate::harness::{Peer, Random, Tail, noise};

/// Bytes that name a content's seed, at its beginning.
const SEED: usize = 8;

pub(super) fn step(peer: &mut Peer, random: &mut Random) {
    let path = format!("/shared/x{}", random.below(3));
    match random.below(5) {
        0..2 => upload(peer, random, &path),
        2..4 => download(peer, &path),
        _ => {
            let code = peer.code(&format!("DELE {path}"));
            assert!([250, 404, 550].contains(&code), "DELE {path}: {code}");
        }
    }
}

/// Bytes and entries that the shared directory is charged for.
pub(super) fn charge(peer: &mut Peer) -> (u64, u64) {
    let names: Vec<String> = peer.list("LIST /shared").into_keys().collect();
    let mut bytes = 0;
    for name in &names {
        let data = peer.get(&format!("/shared/{name}"));
        assert!(is_whole(&data), "{name} is of more than one upload");
        bytes += data.len() as u64;
    }
    (bytes, 1 + names.len() as u64)
}

fn upload(peer: &mut Peer, random: &mut Random, path: &str) {
    let length = SEED + random.below(50_000) as usize;
    let data = content(random.next(), length);
    peer.send(&format!("STOR size={length} replace=1 {path}"));
    let answer = peer.reply();
    match answer.code {
        150 => {
            peer.fill(&data, &data);
        }
        550 => assert!(answer.line.contains("busy"), "{}", answer.line),
        551 => assert!(answer.number("needed") > answer.number("available")),
        _ => panic!("{path}: {}", answer.line),
    }
}

fn download(peer: &mut Peer, path: &str) {
    peer.send(&format!("RETR start=0 {path}"));
    let answer = peer.reply();
    if answer.code == 404 {
        return;
    }
    assert_eq!(answer.code, 150, "{path}: {}", answer.line);
    let (data, tail) = peer.body();
    assert!(tail == Tail::End && is_whole(&data), "{path} is spliced");
    peer.expect(226);
}

fn content(seed: u64, length: usize) -> Vec<u8> {
    let mut data = seed.to_le_bytes().to_vec();
    data.extend(noise(seed, length - SEED));
    data
}

/// All of it comes from one upload.
fn is_whole(data: &[u8]) -> bool {
    let seed = data.first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
    seed.is_some_and(|seed| data == content(seed, data.len()))
}
