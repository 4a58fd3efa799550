//! Deadlines: nobody keeps a connection by saying nothing.

use std::fs::File;

use super::{connect, farewell, read_to_close};
use crate::harness::{Daemon, Gone, Tail, until};

#[test]
fn a_peer_without_a_handshake_meets_the_login_deadline() {
    let daemon = Daemon::with(r#"limits: (login: "1s"),"#);
    let mut socket = connect(&daemon);
    assert_eq!(read_to_close(&mut socket), b"");
}

#[test]
fn a_peer_without_a_login_meets_the_login_deadline() {
    let daemon = Daemon::with(r#"limits: (login: "1s"),"#);
    let mut peer = daemon.peer();
    assert_eq!(farewell(&mut peer).unwrap().code, 421);
}

#[test]
fn chatter_does_not_put_the_login_deadline_off() {
    let daemon = Daemon::with(r#"limits: (login: "1s"),"#);
    let mut peer = daemon.peer();
    let last = loop {
        let sent = peer.try_send(b"NOOP\r\n");
        match peer.line() {
            Ok(answer) if answer.code == 200 => sent.unwrap(),
            Ok(answer) => break answer.code,
            Err(Gone) => panic!("closed without a word"),
        }
    };
    assert_eq!(last, 421);
}

#[test]
fn a_silent_session_meets_the_idle_deadline() {
    let daemon = Daemon::with(r#"limits: (idle: "1s"),"#);
    let mut tom = daemon.login("tom");
    tom.put("", "file", b"1");
    let mut offered = daemon.login("tom");
    offered.ask("RETR file", 150);
    for peer in [&mut tom, &mut offered] {
        assert_eq!(farewell(peer).unwrap().code, 421);
    }
}

#[test]
fn an_upload_without_a_byte_meets_the_stall_deadline() {
    let daemon = Daemon::with(r#"limits: (stall: "1s"),"#);
    let mut tom = daemon.login("tom");
    tom.ask("STOR size=10 file", 150);
    tom.frame(b"12345");
    assert_eq!(farewell(&mut tom).unwrap().code, 421);
    let mut tom = daemon.login("tom");
    let offer = tom.store_again("STOR size=10 file");
    assert_eq!((offer.code, offer.number("have")), (210, 5));
}

#[test]
fn a_download_that_nobody_reads_meets_the_stall_deadline() {
    let daemon = Daemon::watched(r#"limits: (stall: "1s"),"#);
    let length = 1 << 29;
    let file = File::create(daemon.home("tom").join("long")).unwrap();
    file.set_len(length).unwrap();
    let before = sockets(&daemon);
    let mut tom = daemon.login("tom");
    tom.ask("RETR start=0 long", 150);
    until("the end of the connection", || {
        (sockets(&daemon) == before).then_some(())
    });
    let mut head = [0; 4];
    let mut got = 0;
    while tom.try_take(&mut head).is_ok() {
        let mut frame = vec![0; u32::from_be_bytes(head) as usize];
        match tom.try_take(&mut frame) {
            Ok(()) => got += frame.len() as u64,
            Err(Gone) => break,
        }
    }
    assert!(got < length, "all of it came");
}

/// Connections and listeners that the daemon has open.
fn sockets(daemon: &Daemon) -> usize {
    let open = std::fs::read_dir(format!("/proc/{}/fd", daemon.pid())).unwrap();
    let leads = open.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    leads
        .filter(|to| to.to_string_lossy().starts_with("socket:"))
        .count()
}

#[test]
fn a_session_outlives_the_deadlines_that_are_not_its_own() {
    let daemon = Daemon::with(r#"limits: (login: "1s", stall: "1s"),"#);
    let mut tom = daemon.login("tom");
    // Another connection, made later, has met its deadline when it ends.
    let mut late = daemon.peer();
    assert_eq!(farewell(&mut late).unwrap().code, 421);
    tom.ask("STOR size=5 file", 150);
    tom.frame(b"12345");
    tom.tail(Tail::End);
    let mut later = daemon.peer();
    assert_eq!(farewell(&mut later).unwrap().code, 421);
    tom.ask("225 md5=827ccb0eea8a706c4c34a16891f84e7b", 226);
}
