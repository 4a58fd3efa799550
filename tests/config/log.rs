//! What the log says to an operator who asks why somebody could not log in, or what became of a file.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use serde_json::Value;

use crate::harness::json_schema::fault;
use crate::harness::{Daemon, Ftp, PASSWORD, until};

/// Standard error is the journal's, so far as the daemon can see.
const JOURNAL: &[&str] = &[
    "sh",
    "-c",
    "JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2) exec \"$0\" \"$@\"",
];

fn ftp(keys: &str) -> Daemon {
    let folder = tempfile::tempdir().unwrap();
    crate::harness::write_settings(folder.path(), keys);
    Daemon::with_ftp_in(folder)
}

#[test]
fn each_way_of_not_getting_in_is_told_with_its_session() {
    let daemon =
        ftp("ftp: (listen: []), limits: (login: \"1s\", sessions_per_address: 2, exempt: []),");
    // In clear where TLS is required.
    let mut clear = TcpStream::connect(daemon.ftp_address()).unwrap();
    let port = clear.local_addr().unwrap().port();
    let told = daemon.wait_log(&format!(" port={port} "));
    let session = told
        .split("session=")
        .nth(1)
        .unwrap()
        .split(' ')
        .next()
        .unwrap();
    assert!(
        told.ends_with(&format!(
            "Z connected: session={session} address=127.0.0.1 port={port} dialect=ftp tls=-"
        )),
        "{told}"
    );
    clear.write_all(b"USER scan ner\r\n").unwrap();
    let told = daemon.wait_log("login needs tls: ");
    assert!(
        told.ends_with(&format!(
            "session={session} address=127.0.0.1 port={port} dialect=ftp tls=- user=scan\\x20ner"
        )),
        "{told}"
    );
    // Another protocol, and nothing at all.
    let mut other = TcpStream::connect(daemon.address()).unwrap();
    // Too many.
    let mut third = TcpStream::connect(daemon.ftp_address()).unwrap();
    third.read_exact(&mut [0; 3]).unwrap();
    drop(clear);
    other
        .write_all(b"GET / HTTP/1.1\r\nHost: nas\r\n\r\n")
        .unwrap();
    let told = daemon.wait_log("handshake failed: ");
    assert!(told.contains("dialect=native tls=- cause="), "{told}");
    let _silent = TcpStream::connect(daemon.address()).unwrap();
    let told = daemon.wait_log("cause=it took longer than limits.login");
    assert!(told.contains("handshake failed: session="), "{told}");
    let told = daemon.wait_log("not let in: ");
    assert!(told.contains("more=0 cause="), "{told}");
}

/// There is no TLS that could fail.
#[test]
fn a_peer_that_says_nothing_in_clear_has_failed_at_no_handshake() {
    let daemon = Daemon::with("native: (tls: Off), limits: (login: \"1s\"),");
    let mut silent = TcpStream::connect(daemon.address()).unwrap();
    assert_eq!(silent.read_to_string(&mut String::new()).unwrap(), 0);
    daemon.login("tom");
    let log = daemon.wait_log(" tom PASS 230 ") + &daemon.log();
    assert!(!log.contains("handshake"), "{log}");
}

#[test]
fn a_command_names_its_session_and_a_rename_both_names() {
    let daemon = ftp("ftp: (listen: [], tls: Optional),");
    let mut tom = Ftp::login(daemon.ftp_address(), "tom");
    assert_eq!(tom.upload("STOR a file", b"12345"), 226);
    assert_eq!(tom.ask("RNFR a file"), 350);
    assert_eq!(tom.ask("RNTO b -> c"), 250);
    let stored = daemon.wait_log(" STOR 226 5 ");
    assert!(stored.contains(" ftp - /a file"), "{stored}");
    let renamed = daemon.wait_log(" RENAME 250 ");
    assert!(
        renamed.ends_with(" ftp - /a\\x20file -> /b\\x20->\\x20c"),
        "{renamed}"
    );
    let mut jerry = daemon.login("jerry");
    jerry.put("", "x", b"1");
    jerry.ask("RNFR x", 350);
    jerry.ask("351 y", 250);
    let renamed = daemon.wait_log(" jerry RENAME 250 ");
    assert!(renamed.ends_with(" native TLSv1.3 /x -> /y"), "{renamed}");
    let stored = daemon.wait_log(" jerry STOR 226 ");
    assert!(stored.contains(" native TLSv1.3 /x"), "{stored}");
}

#[test]
fn of_an_upload_that_broke_the_bytes_are_told() {
    let daemon = Daemon::with("limits: (stall: \"1s\"),");
    let data = vec![7; 300_000];
    for (name, user) in [("hung-up", "tom"), ("stalled", "jerry")] {
        let mut peer = daemon.login(user);
        peer.ask(&format!("STOR size=600000 {name}"), 150);
        peer.frames(&data);
        if user == "tom" {
            peer.hang_up();
        } else {
            peer.expect(421);
        }
        let told = daemon.wait_log(&format!("/{name}"));
        let bytes = told.split(' ').nth(5).unwrap();
        assert_eq!(bytes, "300000", "{told}");
    }
}

#[test]
fn every_line_of_a_log_in_json_is_as_the_schema_says() {
    let folder = tempfile::tempdir().unwrap();
    let keys = "ftp: (listen: []), log: (format: Json), limits: (ban_after: 2, exempt: [],),";
    crate::harness::write_settings(folder.path(), keys);
    let mut daemon = Daemon::with_ftp_in(folder);
    daemon.login("jerry").put("", "odd \"name\" \\\\", b"1");
    let mut clear = TcpStream::connect(daemon.ftp_address()).unwrap();
    clear.write_all(b"USER tom\r\n").unwrap();
    clear.shutdown(Shutdown::Write).unwrap();
    clear.read_to_string(&mut String::new()).unwrap();
    let mut other = TcpStream::connect(daemon.address()).unwrap();
    other
        .write_all(b"hello, is this another protocol?\r\n")
        .unwrap();
    let _ = other.read_to_string(&mut String::new());
    for _ in 0..2 {
        daemon.peer().login("tom", "124");
    }
    let refused = daemon.peer().login("tom", PASSWORD);
    assert_eq!(refused.code, 421);
    daemon.signal(rustix::process::Signal::TERM);
    let log = daemon.ends_well();
    let schema = std::fs::read_to_string("../conf/log.schema.json").unwrap();
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let mut kinds = BTreeSet::new();
    for line in log.lines() {
        let value: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        assert_eq!(fault(&schema, &value), None, "{line}");
        kinds.insert(value["kind"].as_str().unwrap().to_owned());
    }
    let expected = [
        "banned",
        "command",
        "connected",
        "handshake-failed",
        "login-failed",
        "login-needs-tls",
        "message",
        "not-let-in",
    ];
    assert_eq!(kinds, expected.map(str::to_owned).into());
}

#[test]
fn the_journal_is_told_how_important_a_line_is() {
    let daemon = Daemon::configured_behind("", JOURNAL);
    daemon.login("tom");
    daemon.peer().login("tom", "124");
    for (priority, part) in [
        (6, " tom PASS 230 "),
        (5, "login failed: "),
        (6, "serving on"),
    ] {
        let line = daemon.wait_log(part);
        assert!(line.starts_with(&format!("<{priority}>20")), "{line}");
    }
}

#[test]
fn the_xferlog_tells_the_dialects_apart() {
    let daemon = ftp("ftp: (listen: [], tls: Optional), log: (xferlog: \"xferlog\"),");
    let mut tom = Ftp::login(daemon.ftp_address(), "tom");
    assert_eq!(tom.upload("STOR a", b"12345"), 226);
    assert_eq!(tom.upload("APPE a", b"67"), 226);
    daemon.login("tom").put("", "b", b"1");
    let lines = until("three lines", || {
        let text = std::fs::read_to_string(daemon.folder().join("xferlog")).ok()?;
        (text.lines().count() == 3).then_some(text)
    });
    let ends: Vec<_> = lines
        .lines()
        .map(|line| line.split(" b _ ").nth(1).unwrap())
        .collect();
    let ftp = "i r tom ftp 0 * c";
    assert_eq!(ends, [ftp, ftp, "i r tom skiff 0 * c"]);
}
