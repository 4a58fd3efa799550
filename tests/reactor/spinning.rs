//! Input that nobody may read yet, and output that nobody takes: neither spins, nor is lost.

use std::io::{ErrorKind, Write};

use rustix::net::sockopt::set_socket_recv_buffer_size;

use super::process::wait_for_rest;
use super::{MANY_IN_CLEAR, MANY_SESSIONS, daemon_with_file, wait_until};
use crate::harness::{Daemon, Tail, md5};

/// More than the kernel holds between two processes.
const BIG: usize = 24 << 20;
/// More commands than the daemon reads ahead (16 KiB).
const AHEAD: usize = 5000;

fn pipelined_behind_a_parked_download(keys: &str) {
    let data = vec![3; BIG];
    let daemon = daemon_with_file(keys, "big", &data);
    let mut peer = daemon.login("tom");
    peer.ask("RETR start=0 big", 150);
    peer.send_raw("NOOP\r\n".repeat(AHEAD).as_bytes());
    wait_for_rest(daemon.pid());

    let (body, tail) = peer.body();
    assert_eq!((md5(&body), tail), (md5(&data), Tail::End));
    peer.expect(226);
    for _ in 0..AHEAD {
        peer.expect(200);
    }
}

#[test]
fn commands_behind_a_parked_download_wait_quietly_in_clear() {
    pipelined_behind_a_parked_download(MANY_IN_CLEAR);
}

#[test]
fn commands_behind_a_parked_download_wait_quietly_under_tls() {
    pipelined_behind_a_parked_download(MANY_SESSIONS);
}

fn commands_behind_a_long_hash(keys: &str) {
    let data = vec![5; BIG];
    let daemon = daemon_with_file(keys, "big", &data);
    let mut peer = daemon.login("tom");
    // Nothing is remembered of sha256, so that it is computed.
    peer.send("HASH algo=sha256 big");
    peer.send_raw("NOOP\r\n".repeat(AHEAD).as_bytes());
    peer.expect(213);
    for _ in 0..AHEAD {
        peer.expect(200);
    }
}

#[test]
fn commands_behind_a_hash_are_all_answered_in_clear() {
    commands_behind_a_long_hash(MANY_IN_CLEAR);
}

#[test]
fn commands_behind_a_hash_are_all_answered_under_tls() {
    commands_behind_a_long_hash(MANY_SESSIONS);
}

/// Answers far longer than what is kept for a peer that does not read (64 KiB), to commands
/// that were all read long before: no event comes to say "go on" but the daemon's own.
fn long_answers_to_pipelined_commands(keys: &str, count: usize) {
    let daemon = Daemon::with(keys);
    let mut peer = daemon.login("tom");
    peer.send_raw("HELP\r\n".repeat(count).as_bytes());
    for _ in 0..count {
        peer.expect(214);
    }
    peer.ask("PWD", 257);
}

#[test]
fn long_answers_to_pipelined_commands_all_come_in_clear() {
    for count in [400, 1300, 2700] {
        long_answers_to_pipelined_commands(MANY_IN_CLEAR, count);
    }
}

#[test]
fn long_answers_to_pipelined_commands_all_come_under_tls() {
    for count in [400, 1300, 2700] {
        long_answers_to_pipelined_commands(MANY_SESSIONS, count);
    }
}

/// QUIT behind them is answered too, before the end.
#[test]
fn nothing_is_cut_off_by_a_goodbye() {
    let daemon = Daemon::with(MANY_IN_CLEAR);
    let mut peer = daemon.login("tom");
    peer.send_raw("HELP\r\n".repeat(1000).as_bytes());
    peer.send("220");
    let answers = peer.until_closed();
    assert_eq!(answers.len(), 1001);
    assert_eq!(answers.last().unwrap().code, 221);
}

/// A peer that never reads is not read from for ever, and costs nothing.
#[test]
fn a_peer_that_reads_nothing_is_left_alone() {
    let daemon = Daemon::with(MANY_IN_CLEAR);
    let peer = daemon.login("tom");
    set_socket_recv_buffer_size(peer.wire().socket(), 4096).unwrap();
    let mut socket = peer.wire().socket().try_clone().unwrap();
    socket.set_nonblocking(true).unwrap();
    let helps = b"HELP\r\n".repeat(10_000);
    wait_until(
        "a daemon that takes no more",
        || matches!(socket.write(&helps), Err(error) if error.kind() == ErrorKind::WouldBlock),
    );
    wait_for_rest(daemon.pid());
    daemon.login("jerry").ask("PWD", 257);
}
