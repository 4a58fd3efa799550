//! Transfers go to workers and come home thousands of times, with events in every window
//! between: each must come to its end.

use std::net::TcpStream;
use std::time::Duration;

use rustix::net::sockopt::{set_socket_recv_buffer_size, set_socket_send_buffer_size};

use super::{Dice, MANY_IN_CLEAR, MANY_SESSIONS};
use crate::harness::{Daemon, Peer, Tail, md5};

const PEERS: u64 = 24;
const ROUNDS: usize = 3;
const SIZE: usize = 600_000;

/// Longer than a worker lingers (5 ms), so that the transfer goes home and is lent again.
const PAUSE: Duration = Duration::from_millis(7);

/// Small buffers make every few ten thousand bytes an event.
fn shrink(socket: &TcpStream) {
    set_socket_recv_buffer_size(socket, 32 << 10).unwrap();
    set_socket_send_buffer_size(socket, 32 << 10).unwrap();
}

fn pause(dice: &mut Dice) {
    match dice.between(0, 20) {
        0 => std::thread::sleep(PAUSE),
        1..5 => std::thread::yield_now(),
        _ => {}
    }
}

/// Sends frames cut at any byte, with pauses.
fn dribble(peer: &mut Peer, bytes: &[u8], dice: &mut Dice) {
    let mut rest = bytes;
    while !rest.is_empty() {
        let most = if dice.between(0, 4) == 0 { 12 } else { 20_000 };
        let (part, after) = rest.split_at(dice.between(1, most).min(rest.len()));
        peer.send_raw(part);
        pause(dice);
        rest = after;
    }
}

fn framed(data: &[u8], dice: &mut Dice) -> Vec<u8> {
    let (mut rest, mut bytes) = (data, Vec::with_capacity(data.len() + 4096));
    while !rest.is_empty() {
        let (part, after) = rest.split_at(dice.between(1, 50_000).min(rest.len()));
        bytes.extend_from_slice(&(part.len() as u32).to_be_bytes());
        bytes.extend_from_slice(part);
        rest = after;
    }
    bytes.extend_from_slice(&[0; 4]);
    bytes
}

fn upload(peer: &mut Peer, name: &str, data: &[u8], dice: &mut Dice) {
    peer.ask(&format!("STOR size={} replace=1 {name}", data.len()), 150);
    let mut bytes = framed(data, dice);
    bytes.extend_from_slice(format!("225 md5={}\r\nNOOP\r\n", md5(data)).as_bytes());
    dribble(peer, &bytes, dice);
    assert_eq!(peer.expect(226).token("md5"), md5(data));
    peer.expect(200);
}

/// Reads in pieces, with pauses; lines come ahead of their turn meanwhile.
fn download(peer: &mut Peer, name: &str, data: &[u8], dice: &mut Dice) {
    peer.ask(&format!("RETR start=0 {name}"), 150);
    let (mut got, mut ahead) = (Vec::new(), 0);
    while let length @ 1.. = head(peer) {
        let (from, to) = (got.len(), got.len() + length);
        got.resize(to, 0);
        let mut at = from;
        while at < to {
            let part = dice.between(1, 20_000).min(to - at);
            peer.take(&mut got[at..at + part]);
            at += part;
            pause(dice);
            if dice.between(0, 10) == 0 {
                peer.send("NOOP");
                ahead += 1;
            }
        }
    }
    assert!(got == data, "{name} came down as something else");
    assert_eq!(peer.expect(226).token("md5"), md5(data));
    (0..ahead).for_each(|_| drop(peer.expect(200)));
}

/// The next frame's length; 0 at the end.
fn head(peer: &mut Peer) -> usize {
    let mut head = [0; 4];
    peer.take(&mut head);
    assert_ne!(head, [0xff; 4], "the daemon aborted");
    u32::from_be_bytes(head) as usize
}

fn one_peer(daemon: &Daemon, seed: u64) {
    let mut dice = Dice::new(seed);
    let mut peer = daemon.login(["tom", "jerry", "sam"][seed as usize % 3]);
    shrink(peer.wire().socket());
    for round in 0..ROUNDS {
        let name = format!("{seed}-{round}");
        let data = dice.bytes(SIZE);
        upload(&mut peer, &name, &data, &mut dice);
        download(&mut peer, &name, &data, &mut dice);
    }
    let listed = peer.list("LIST");
    (0..ROUNDS).for_each(|round| assert!(listed.contains_key(&format!("{seed}-{round}"))));
}

fn every_transfer_ends(keys: &str) {
    let daemon = Daemon::with(keys);
    std::thread::scope(|scope| {
        for seed in 0..PEERS {
            let daemon = &daemon;
            scope.spawn(move || one_peer(daemon, seed));
        }
    });
}

#[test]
fn every_transfer_in_tiny_pieces_ends_in_clear() {
    every_transfer_ends(MANY_IN_CLEAR);
}

#[test]
fn every_transfer_in_tiny_pieces_ends_under_tls() {
    every_transfer_ends(MANY_SESSIONS);
}

/// ABOR at any moment of a download: one 550 behind the abort, or 226 and then 226.
#[test]
fn a_stop_is_heard_wherever_the_transfer_is() {
    let daemon = Daemon::with(MANY_IN_CLEAR);
    let data = Dice::new(1).bytes(2 << 20);
    daemon.login("tom").put("", "big", &data);
    let mut dice = Dice::new(2);
    let mut peer = daemon.login("tom");
    for _ in 0..300 {
        peer.ask("RETR start=0 big", 150);
        pause(&mut dice);
        peer.send("ABOR");
        match peer.body() {
            (_, Tail::Abort) => drop(peer.expect(550)),
            (body, Tail::End) => {
                assert!(body == data);
                peer.expect(226);
                peer.expect(226);
            }
        }
        peer.ask("PWD", 257);
    }
}
