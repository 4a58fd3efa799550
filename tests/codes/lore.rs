//! What the daemon tells of itself, of its work, and of lines it does not take.

use std::fs::File;

use crate::harness::{Daemon, PASSWORD, ask_all, md5};

pub(super) fn platform(daemon: &Daemon) {
    let answer = daemon.login("tom").ask("SYST", 215);
    assert!(answer.line.starts_with("215 Linux "), "{}", answer.line);
}

/// No disk hashes a sparse terabyte before the first word is due.
pub(super) fn still_working(daemon: &Daemon) {
    let sparse = File::create(daemon.home("tom").join("sparse")).unwrap();
    sparse.set_len(1 << 40).unwrap();
    let mut tom = daemon.login("tom");
    tom.send("HASH algo=md5 sparse");
    let answer = tom.line().unwrap();
    assert_eq!(answer.code, 111, "{}", answer.line);
    assert!(answer.number("done") > 0, "{}", answer.line);
    assert_eq!(answer.number("of"), 1 << 40);
    tom.ask("ABOR", 550);
    tom.ask("PWD", 257);
}

pub(super) fn client_still_works(daemon: &Daemon) {
    let mut tom = daemon.login("tom");
    tom.leave_part("", "part", b"12345", 3);
    tom.ask("STOR size=5 part", 210);
    tom.send("111 done=1 of=3");
    tom.send("111 done=2 of=3");
    tom.ask("211", 212);
    tom.fill(b"45", b"12345");
}

pub(super) fn status(daemon: &Daemon) {
    let mut tom = daemon.login("tom");
    tom.put("", "file", b"12345");
    let answer = tom.ask("STAT", 211);
    assert_eq!(answer.token("user"), "tom");
    assert_eq!(answer.number("used"), 5);
    assert_eq!(answer.number("limit"), 800_000_000);
    assert_eq!((answer.number("staged"), answer.number("entries")), (0, 1));
    assert!(answer.token("server").starts_with("skiffd/"));
}

pub(super) fn facts(daemon: &Daemon) {
    let mut tom = daemon.login("tom");
    tom.put("mtime=20260102030405 ", "file", b"12345");
    let answer = tom.ask("STAT file", 213);
    assert_eq!(answer.token("type"), "file");
    assert_eq!(answer.number("size"), 5);
    assert_eq!(answer.token("mtime"), "20260102030405");
    assert!(answer.line.ends_with(" /file"), "{}", answer.line);
    let answer = tom.ask("HASH algo=md5 file", 213);
    assert_eq!(answer.token("md5"), md5(b"12345"));
}

pub(super) fn help(daemon: &Daemon) {
    let mut peer = daemon.peer();
    let answer = peer.ask("HELP", 214);
    for verb in ["USER", "RETR", "STOR", "220"] {
        assert!(answer.line.contains(verb), "{verb} in {}", answer.line);
    }
    assert!(
        peer.ask("HELP RETR", 214)
            .line
            .contains("RETR [digest=md5|sha256] [start=BYTE] [length=BYTES]")
    );
}

pub(super) fn not_understood(daemon: &Daemon) {
    let mut tom = daemon.login("tom");
    ask_all(&mut tom, &[("WHAT", 500), ("", 500), ("999 x", 500)]);
    tom.ask("PWD", 257);
}

pub(super) fn bad_arguments(daemon: &Daemon) {
    let mut tom = daemon.login("tom");
    let answer = tom.ask("STOR file", 501);
    assert!(answer.line.contains("STOR size=BYTES"), "{}", answer.line);
    tom.ask("PWD", 257);
}

pub(super) fn out_of_order(daemon: &Daemon) {
    let mut tom = daemon.login("tom");
    ask_all(&mut tom, &[("211", 503), ("400", 503), ("351 new", 503)]);
    assert_eq!(tom.login("jerry", PASSWORD).code, 503);
    assert_eq!(tom.ask("STAT", 211).token("user"), "tom");
}
