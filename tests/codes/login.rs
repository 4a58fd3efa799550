//! Coming and going.

use base64ct::{Base64, Encoding};

use crate::harness::{Daemon, PASSWORD};

pub(super) fn challenged(daemon: &Daemon) {
    let first = Base64::encode_string(b"p=tls-exporter,,n=tom,r=abcdefghijkl");
    let answer = daemon.peer().ask(&format!("USER scram={first}"), 331);
    assert_eq!(answer.token("v"), "1");
    let scram = Base64::decode_vec(answer.token("scram")).unwrap();
    let scram = String::from_utf8(scram).unwrap();
    assert!(scram.starts_with("r=abcdefghijkl"), "{scram}");
    assert!(!scram.starts_with("r=abcdefghijkl,"), "no nonce of its own");
}

pub(super) fn let_in(daemon: &Daemon) {
    let mut peer = daemon.peer();
    assert_eq!(peer.login("tom", PASSWORD).code, 230);
    assert_eq!(peer.ask("STAT", 211).token("user"), "tom");
}

pub(super) fn turned_away(daemon: &Daemon) {
    let mut peer = daemon.peer();
    let wrong_password = peer.login("tom", "124");
    assert_eq!(wrong_password.code, 530);
    let wrong_user = peer.login("nobody", PASSWORD);
    assert_eq!(
        wrong_user.line, wrong_password.line,
        "which was wrong is told"
    );
    peer.ask("PWD", 530);
}

pub(super) fn leaving(daemon: &Daemon) {
    let mut peer = daemon.login("tom");
    peer.send("220");
    let last: Vec<u16> = peer.until_closed().iter().map(|a| a.code).collect();
    assert_eq!(last, [221]);
}

pub(super) fn goodbye(daemon: &Daemon) {
    let mut peer = daemon.peer();
    peer.ask("220", 221);
    assert!(peer.line().is_err(), "the connection stays open");
}

pub(super) fn closing(daemon: &Daemon) {
    let mut peer = daemon.peer();
    for _ in 0..3 {
        assert_eq!(peer.login("tom", "wrong").code, 530);
    }
    peer.expect(421);
    assert!(peer.line().is_err(), "the connection stays open");
}
