//! Signals: SIGTERM ends well and loses nothing, SIGHUP ends nobody.

use std::net::TcpStream;

use rustix::process::Signal;

use super::{MANY_SESSIONS, wait_until};
use crate::harness::{Daemon, PATIENCE, Peer, Speech, Tail, Wire, md5};

const SIZE: usize = 3 << 20;

fn data() -> Vec<u8> {
    super::Dice::new(11).bytes(SIZE)
}

#[test]
fn an_idle_session_is_told_and_the_end_is_good() {
    let mut daemon = Daemon::with(MANY_SESSIONS);
    let mut peers = [daemon.login("tom"), daemon.login("jerry"), daemon.peer()];
    // The daemon, too, is done with the handshake.
    peers[2].ask("NOOP", 200);
    daemon.signal(Signal::TERM);
    for peer in &mut peers {
        let last = peer.until_closed();
        assert_eq!(last.len(), 1, "{last:?}");
        assert_eq!(last[0].code, 421);
    }
    daemon.ends_well();
}

#[test]
fn who_is_amid_a_handshake_is_told_after_it_and_who_says_nothing_is_not_waited_for() {
    let mut daemon = Daemon::with(MANY_SESSIONS);
    let mut idle = daemon.login("tom");
    let [slow, _silent] = [(); 2].map(|()| TcpStream::connect(daemon.address()).unwrap());
    slow.set_read_timeout(Some(PATIENCE)).unwrap();
    daemon.wait_log("connected: session=3");
    daemon.signal(Signal::TERM);
    idle.expect(421);
    let mut slow = Peer::new(Wire::over(slow, Speech::Tls));
    assert_eq!(slow.until_closed()[0].code, 421);
    daemon.ends_well();
}

#[test]
fn an_upload_under_way_finishes_first() {
    let mut daemon = Daemon::with(MANY_SESSIONS);
    let (mut peer, mut idle, data) = (daemon.login("tom"), daemon.login("tom"), data());
    peer.ask(&format!("STOR size={SIZE} file"), 150);
    peer.frames(&data[..SIZE / 2]);
    daemon.signal(Signal::TERM);
    idle.expect(421);

    peer.frames(&data[SIZE / 2..]);
    peer.tail(Tail::End);
    let stored = peer.ask(&format!("225 md5={}", md5(&data)), 226);
    assert_eq!(stored.token("md5"), md5(&data));
    peer.expect(421);
    daemon.ends_well();
    assert!(std::fs::read(daemon.home("tom").join("file")).unwrap() == data);
}

#[test]
fn a_download_under_way_finishes_first() {
    let mut daemon = Daemon::with(MANY_SESSIONS);
    let (mut peer, mut idle) = (daemon.login("tom"), daemon.login("tom"));
    let data = super::Dice::new(12).bytes(24 << 20);
    peer.put("", "big", &data);
    peer.ask("RETR start=0 big", 150);
    daemon.signal(Signal::TERM);
    idle.expect(421);
    let (body, tail) = peer.body();
    assert!(tail == Tail::End && body == data);
    peer.expect(226);
    peer.expect(421);
    daemon.ends_well();
}

/// What a silent uploader has sent is kept for him, and he is not waited for.
fn a_silent_upload_is_checkpointed(drain: &str, signals: usize) {
    let mut daemon = Daemon::with(&format!("limits: (drain: \"{drain}\"),"));
    let (mut peer, mut idle, data) = (daemon.login("tom"), daemon.login("tom"), data());
    peer.ask(&format!("STOR size={SIZE} file"), 150);
    peer.frames(&data[..SIZE / 2]);
    wait_until("all that was sent to be staged", || {
        let stages = idle.list("STAGES");
        let all = format!("size={};", SIZE / 2);
        stages
            .get("/file")
            .is_some_and(|stage| stage.contains(&all))
    });
    daemon.signal(Signal::TERM);
    idle.expect(421);
    (1..signals).for_each(|_| daemon.signal(Signal::TERM));
    let log = daemon.ends_well();
    assert!(!log.contains("left behind"), "{log}");

    daemon.start();
    let mut peer = daemon.login("tom");
    let part = peer.ask(&format!("STOR size={SIZE} file"), 210);
    let have = part.number("have") as usize;
    assert_eq!(have, SIZE / 2);
    assert_eq!(part.token("md5"), md5(&data[..have]));
    peer.ask("211", 212);
    peer.fill(&data[have..], &data);
}

#[test]
fn a_silent_upload_is_checkpointed_when_its_time_is_up() {
    a_silent_upload_is_checkpointed("1s", 1);
}

#[test]
fn a_second_signal_hastens() {
    a_silent_upload_is_checkpointed("1h", 2);
}

/// The stop may come while the transfer is at a worker, in the moment that it waits for more:
/// a peer who says nothing from then on must not make it forgotten.
#[test]
fn a_stop_reaches_a_transfer_that_is_away() {
    for round in 0..12_u32 {
        let mut daemon = Daemon::with(MANY_SESSIONS);
        let (mut peer, mut idle, data) = (daemon.login("tom"), daemon.login("tom"), data());
        peer.ask(&format!("STOR size={SIZE} file"), 150);
        daemon.signal(Signal::TERM);
        idle.expect(421);
        peer.frames(&data[..100_000]);
        std::thread::sleep(std::time::Duration::from_micros(u64::from(round) * 400));
        daemon.signal(Signal::TERM);
        let log = daemon.ends_well();
        assert!(!log.contains("left behind"), "{log}");
    }
}

#[test]
fn nobody_is_let_in_while_it_ends() {
    let mut daemon = Daemon::with(MANY_SESSIONS);
    let (mut peer, mut idle) = (daemon.login("tom"), daemon.login("tom"));
    peer.ask(&format!("STOR size={SIZE} file"), 150);
    daemon.signal(Signal::TERM);
    idle.expect(421);
    let error = TcpStream::connect(daemon.address()).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
    daemon.signal(Signal::TERM);
    daemon.ends_well();
}

#[test]
fn sighup_keeps_sessions_and_transfers() {
    let mut daemon = Daemon::configured(MANY_SESSIONS);
    let (mut busy, mut idle, data) = (daemon.login("tom"), daemon.login("tom"), data());
    busy.ask(&format!("STOR size={SIZE} file"), 150);
    busy.frames(&data[..SIZE / 2]);
    daemon.signal(Signal::HUP);
    daemon.wait_log("reloaded");
    idle.ask("PWD", 257);
    busy.fill(&data[SIZE / 2..], &data);
    daemon.login("jerry").ask("PWD", 257);
    daemon.stop();
}

/// Settings that cannot be read leave everything as it was.
#[test]
fn sighup_with_broken_settings_changes_nothing() {
    let mut daemon = Daemon::configured(MANY_SESSIONS);
    let mut idle = daemon.login("tom");
    std::fs::write(daemon.settings(), "(limits: (idle: \"soon\"))").unwrap();
    daemon.signal(Signal::HUP);
    daemon.wait_log("not reloaded");
    idle.ask("PWD", 257);
    daemon.login("jerry").ask("PWD", 257);
    daemon.signal(Signal::TERM);
    idle.expect(421);
    daemon.ends_well();
}
