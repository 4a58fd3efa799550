//! No descriptor left: those who are in go on, and those at the door get in later.

use rustix::process::{Pid, Resource, Rlimit, prlimit};

use super::process::{descriptors_below, ticks, wait_for_rest};
use super::{MANY_IN_CLEAR, daemon_with_file, wait_until};
use crate::harness::{Daemon, Peer};

const LIMIT: usize = 64;

fn limit_descriptors(daemon: &Daemon) {
    let limit = Rlimit {
        current: Some(LIMIT as u64),
        maximum: Some(LIMIT as u64),
    };
    let pid = Pid::from_raw(daemon.pid() as i32);
    prlimit(pid, Resource::Nofile, limit).unwrap();
}

fn in_use(daemon: &Daemon) -> usize {
    descriptors_below(LIMIT, daemon.pid())
}

/// Connections that ask at once, so that whoever is let in is answered.
fn crowd(daemon: &Daemon, count: usize) -> Vec<Peer> {
    let knock = |_| {
        let mut peer = daemon.peer();
        peer.send("NOOP");
        peer
    };
    (0..count).map(knock).collect()
}

#[test]
fn without_descriptors_sessions_go_on_and_the_door_opens_again() {
    let data = vec![7; 3 << 20];
    let daemon = daemon_with_file(MANY_IN_CLEAR, "there", &data);
    limit_descriptors(&daemon);
    let mut inside: Vec<Peer> = (0..5).map(|_| daemon.login("tom")).collect();
    let before = in_use(&daemon);

    let mut outside = crowd(&daemon, 2 * LIMIT);
    wait_until("every descriptor in use", || in_use(&daemon) == LIMIT);
    daemon.wait_log("nobody can be let in");
    let let_in = LIMIT - before;

    for peer in &mut inside {
        peer.ask("PWD", 257);
        peer.ask("NOOP", 200);
    }
    wait_for_rest(daemon.pid());

    // The kernel keeps the order of the door.
    let waiting = outside.split_off(let_in);
    for mut peer in outside {
        peer.expect(200);
        peer.cut();
    }
    for mut peer in waiting {
        peer.expect(200);
        peer.cut();
    }
    assert_eq!(inside[0].get("there"), data);
    wait_until("as many descriptors as before", || {
        in_use(&daemon) <= before
    });
}

/// The descriptor that a session needs for its work may be the one that is missing.
#[test]
fn work_that_needs_a_descriptor_is_refused_and_done_later() {
    let data = vec![9; 100_000];
    let daemon = daemon_with_file(MANY_IN_CLEAR, "there", &data);
    limit_descriptors(&daemon);
    let mut inside = daemon.login("tom");
    inside.ask("MKD d", 257);
    inside.put("", "d/there", b"bytes");
    let outside = crowd(&daemon, 2 * LIMIT);
    wait_until("every descriptor in use", || in_use(&daemon) == LIMIT);

    // The home itself is open; what lies deeper has to be opened.
    for line in [
        "LIST",
        "RETR start=0 there",
        "STOR size=5 new",
        "STAT d/there",
        "MKD d/folder",
    ] {
        let code = inside.code(line);
        assert!((400..600).contains(&code), "{line}: {code}");
        inside.ask("NOOP", 200);
    }
    inside.ask("MKD folder", 257);
    outside.into_iter().for_each(Peer::cut);
    // The kernel keeps the order of the door: behind this one nobody comes in any more.
    daemon.login("tom").ask("NOOP", 200);
    wait_until("a free descriptor", || in_use(&daemon) < LIMIT / 2);
    assert_eq!(inside.get("there"), data);
    inside.put("", "new", b"bytes");
}

/// A descriptor that is freed by a close lets the next one in, with no tick in between.
#[test]
fn waiting_costs_no_processor_time() {
    let daemon = Daemon::watched(MANY_IN_CLEAR);
    limit_descriptors(&daemon);
    let outside = crowd(&daemon, 2 * LIMIT);
    daemon.wait_log("nobody can be let in");
    wait_for_rest(daemon.pid());
    let before = ticks(daemon.pid());
    drop(outside);
    daemon.login("tom").ask("PWD", 257);
    wait_for_rest(daemon.pid());
    assert!(ticks(daemon.pid()) >= before);
}

/// Issue: four descriptors for each user who ever came were kept for ever, and when they were all
/// in use nobody new got in: "the disk failed".
#[test]
fn users_who_come_one_after_the_other_need_few_descriptors() {
    let daemon = Daemon::watched(MANY_IN_CLEAR);
    let users: Vec<String> = (0..30).map(|n| format!("user{n}")).collect();
    for user in &users {
        daemon.user(&["add", user, "--password-stdin"], "123\n");
    }
    limit_descriptors(&daemon);
    for user in users.iter().chain(&users) {
        let mut peer = daemon.login(user);
        peer.put("replace=1 ", "file", b"12345");
        assert_eq!(peer.used(), 5);
        peer.ask("220", 221);
    }
}

/// With every descriptor in use by others a login waits, and is told why it fails: 421.
#[test]
fn a_login_without_descriptors_is_told_so() {
    let daemon = Daemon::watched(MANY_IN_CLEAR);
    limit_descriptors(&daemon);
    let mut peer = daemon.peer();
    peer.ask("NOOP", 200);
    let outside = crowd(&daemon, 2 * LIMIT);
    wait_until("every descriptor in use", || in_use(&daemon) == LIMIT);
    let told = peer.login("tom", crate::harness::PASSWORD);
    assert_eq!(told.code, 421, "{}", told.line);
    assert!(told.line.contains("too many files open"), "{}", told.line);
    outside.into_iter().for_each(Peer::cut);
    daemon.login("tom").ask("PWD", 257);
}
