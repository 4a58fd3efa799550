//! Sessions that end while their work is at a worker: what comes home finds nobody, and the
//! next session with the same place in the slab gets nothing of it.

use super::process::descriptors;
use super::{Dice, MANY_IN_CLEAR, wait_until};
use crate::harness::{Daemon, Peer, Tail, md5};

const THREADS: u64 = 4;
const CUTS: usize = 600;

/// The listening socket, the control socket, and one peer's.
const ONE_SESSION: usize = 3;

/// One session that is gone before its answer.
fn come_and_go(daemon: &Daemon, seed: u64, round: usize, dice: &mut Dice) {
    let mut peer = daemon.login("tom");
    let open = match dice.between(0, 6) {
        0 => "RETR start=0 big".to_owned(),
        1 => "RETR big".to_owned(),
        2 => "LIST".to_owned(),
        3 => "HASH algo=sha256 big".to_owned(),
        _ => format!("STOR size=200000 cut-{seed}-{}", round % 20),
    };
    peer.send(&open);
    match dice.between(0, 3) {
        0 => peer.cut(),
        1 => peer.hang_up(),
        _ => {
            // The answer is waited for, what follows is not.
            let answer = peer.reply();
            assert!(
                [150, 213, 210, 550].contains(&answer.code),
                "{open}: {}",
                answer.line
            );
            peer.cut();
        }
    }
}

/// Whoever stays gets his own answers all the while.
fn stay(daemon: &Daemon, data: &[u8], name: &str) {
    let mut peer = daemon.login("jerry");
    peer.put("", name, data);
    for _ in 0..40 {
        assert!(peer.get(name) == data, "another file's bytes");
        assert_eq!(peer.ask("PWD", 257).line.split(' ').nth(1), Some("/"));
        assert_eq!(
            peer.ask(&format!("STAT {name}"), 213).number("size"),
            data.len() as u64
        );
        let sum = peer.ask(&format!("HASH algo=md5 {name}"), 213);
        assert_eq!(sum.token("md5"), md5(data));
    }
}

#[test]
fn what_comes_home_to_nobody_is_put_away() {
    let daemon = Daemon::watched(MANY_IN_CLEAR);
    let mut tom = daemon.login("tom");
    tom.put("", "big", &vec![1; 4 << 20]);
    tom.leave_part("", "kept", &vec![2; 500_000], 123_456);
    // What stays open for each home is open from here on.
    daemon.login("jerry").put("", "small", b"bytes");
    come_and_go(&daemon, 99, 0, &mut Dice::new(7));
    wait_until("one session", || sockets(&daemon) == ONE_SESSION);
    let before = descriptors(daemon.pid());

    std::thread::scope(|scope| {
        for seed in 0..THREADS {
            let daemon = &daemon;
            scope.spawn(move || {
                let mut dice = Dice::new(seed);
                (0..CUTS).for_each(|round| come_and_go(daemon, seed, round, &mut dice));
            });
        }
        let daemon = &daemon;
        scope.spawn(move || stay(daemon, &Dice::new(50).bytes(900_000), "one"));
        scope.spawn(move || stay(daemon, &Dice::new(51).bytes(50_001), "two"));
    });

    wait_until("no more descriptors than before", || {
        descriptors(daemon.pid()).len() <= before.len()
    });
    every_name_is_free(&mut tom);
    assert!(tom.list("STAGES")["/kept"].contains("size=123456;"));
}

fn sockets(daemon: &Daemon) -> usize {
    let open = descriptors(daemon.pid());
    open.iter()
        .filter(|link| link.starts_with("socket:"))
        .count()
}

/// No upload is still held for a session that has gone.
fn every_name_is_free(tom: &mut Peer) {
    let data = vec![3; 200_000];
    for seed in 0..THREADS {
        for round in 0..20 {
            let name = format!("cut-{seed}-{round}");
            tom.send(&format!("STOR size={} go=1 {name}", data.len()));
            tom.frames(&data);
            tom.tail(Tail::End);
            tom.send(&format!("225 md5={}", md5(&data)));
            tom.expect(150);
            tom.expect(226);
        }
    }
}
