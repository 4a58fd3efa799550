//! Who is connected and what each does, and how the operator ends it.

use std::fs::File;
use std::io::{Read, Write};

use serde_json::{Value, json};

use super::{refused, session, shown, told};
use crate::harness::{Daemon, Ftp, Tail, md5, noise, until};

const SIZE: u64 = 1_000_000;
/// More than any socket holds.
const LARGE: u64 = 256 << 20;

/// The bytes of a session's transfer that `who` tells, and its percent.
fn progress(row: &Value) -> (u64, Option<u64>) {
    (row["bytes"].as_u64().unwrap(), row["percent"].as_u64())
}

/// A file of zeros in the home of tom.
fn large_file(daemon: &Daemon) {
    let file = File::create(daemon.home("tom").join("large")).unwrap();
    file.set_len(LARGE).unwrap();
}

#[test]
fn uploads_are_seen_as_they_grow() {
    let daemon = Daemon::with_ftp();
    let (mut native, mut ftp) = (
        daemon.login("tom"),
        Ftp::login(daemon.ftp_address(), "jerry"),
    );
    let data = noise(1, SIZE as usize);
    native.ask("MKD folder", 257);
    native.ask("CWD folder", 250);
    native.ask(&format!("STOR size={SIZE} file"), 150);
    assert_eq!(ftp.ask(&format!("ALLO {SIZE}")), 200);
    let mut lane = ftp.passive();
    assert_eq!(ftp.ask("STOR file"), 150);
    for quarter in 1..=3 {
        let (from, to) = ((quarter - 1) * 250_000, quarter * 250_000);
        native.frames(&data[from..to]);
        lane.write_all(&data[from..to]).unwrap();
        let wanted = (to as u64, Some(quarter as u64 * 25));
        let row = session(&daemon, "dialect", "native", |row| progress(row) == wanted);
        assert_eq!(row["user"], "tom");
        assert_eq!(row["verb"], "STOR");
        assert_eq!(row["directory"], "/folder");
        assert_eq!(row["path"], "/folder/file");
        assert_eq!(row["of"], SIZE);
        assert_eq!(row["tls"], "TLSv1.3");
        assert_eq!(row["address"], "127.0.0.1");
        assert!(row["rate"].as_u64().unwrap() > 0, "{row}");
        let row = session(&daemon, "dialect", "ftp", |row| progress(row) == wanted);
        assert_eq!(
            (&row["user"], &row["verb"]),
            (&json!("jerry"), &json!("STOR"))
        );
        assert_eq!((&row["path"], &row["tls"]), (&json!("/file"), &Value::Null));
    }
    native.frames(&data[750_000..]);
    native.tail(Tail::End);
    native.ask(&format!("225 md5={}", md5(&data)), 226);
    lane.write_all(&data[750_000..]).unwrap();
    drop(lane);
    assert_eq!(ftp.heard(), 226);
    let row = session(&daemon, "dialect", "ftp", |row| row["verb"].is_null());
    for key in ["path", "bytes", "of", "percent", "rate"] {
        assert_eq!(row[key], Value::Null, "{key}");
    }
}

#[test]
fn downloads_are_seen_as_they_grow() {
    let daemon = Daemon::with_ftp();
    large_file(&daemon);
    let (mut native, mut ftp) = (daemon.login("tom"), Ftp::login(daemon.ftp_address(), "tom"));
    native.ask("RETR start=0 large", 150);
    let mut lane = ftp.passive();
    assert_eq!(ftp.ask("RETR large"), 150);
    let mut before = [0, 0];
    for _ in 0..3 {
        native.take(&mut vec![0; 24 << 20]);
        lane.read_exact(&mut vec![0; 24 << 20]).unwrap();
        for (dialect, before) in ["native", "ftp"].into_iter().zip(&mut before) {
            let row = session(&daemon, "dialect", dialect, |row| progress(row).0 > *before);
            assert_eq!(
                (&row["verb"], &row["path"]),
                (&json!("RETR"), &json!("/large"))
            );
            assert_eq!(row["of"], LARGE);
            let (bytes, percent) = progress(&row);
            assert_eq!(percent, Some(bytes * 100 / LARGE));
            assert!(percent.unwrap() < 100, "{row}");
            *before = bytes;
        }
    }
}

#[test]
fn whatever_users_call_their_files_a_terminal_and_a_program_can_read_it() {
    let daemon = Daemon::with_ftp();
    let mut ftp = Ftp::login(daemon.ftp_address(), "tom");
    let _lane = ftp.passive();
    assert_eq!(ftp.ask("STOR \x1b[2J\"\\\u{202e}}"), 150);
    let row = session(&daemon, "verb", "STOR", |_| true);
    assert_eq!(row["path"], r#"/\x1b[2J"\\\xe2\x80\xae}"#);
    let table = shown(&daemon, &["who"]);
    assert!(table.contains(r#"/\x1b[2J"\\\xe2\x80\xae}"#), "{table}");
    assert!(!table.contains(['\x1b', '\u{202e}']), "{table:?}");
    assert_eq!(table.lines().count(), 2, "{table}");
}

#[test]
fn a_kick_ends_exactly_that_session_and_its_stage_stays() {
    let daemon = Daemon::with_ftp();
    let (mut one, mut two) = (daemon.login("tom"), daemon.login("tom"));
    let mut ftp = Ftp::login(daemon.ftp_address(), "jerry");
    one.ask("STOR size=10 one", 150);
    two.ask("STOR size=10 two", 150);
    one.frame(b"12345");
    two.frame(b"12345");
    let mut lane = ftp.passive();
    assert_eq!(ftp.ask("STOR three"), 150);
    lane.write_all(&[7; 5000]).unwrap();
    let of = |path: &str| session(&daemon, "path", path, |row| row["bytes"].as_u64() > Some(0));
    let number = |row: Value| row["session"].to_string();
    let kicked = told(&daemon, &["kick", &number(of("/one"))]);
    assert_eq!(kicked, [json!({"is": "kicked", "sessions": 1})]);
    let last = one.until_closed();
    let lines: Vec<_> = last.iter().map(|answer| answer.line.as_str()).collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].starts_with("550 "), "{lines:?}");
    assert_eq!(
        lines[1],
        "421 why=ended-by-operator the operator has ended your session"
    );
    assert_eq!(
        shown(&daemon, &["kick", &number(of("/three"))]),
        "one session ends\n"
    );
    assert_eq!((ftp.heard(), ftp.heard()), (426, 421));
    // The other session of the same user from the same address goes on.
    two.frame(b"67890");
    two.tail(Tail::End);
    two.ask(&format!("225 md5={}", md5(b"1234567890")), 226);
    let kept = daemon.login("tom").store_again("STOR size=10 one");
    assert_eq!((kept.code, kept.number("have")), (210, 5));
    let mut again = Ftp::login(daemon.ftp_address(), "jerry");
    let size = until("the stage", || {
        let (code, text) = again.told("SIZE three");
        (code == 213).then_some(text)
    });
    assert_eq!(size.trim_end(), "213 4999");
}

#[test]
fn a_kick_may_be_of_a_user_or_an_address() {
    let daemon = Daemon::demo();
    let (mut tom, mut jerry) = (daemon.login("tom"), daemon.login("jerry"));
    let mut stranger = daemon.peer();
    session(&daemon, "dialect", "native", |row| row["user"].is_null());
    assert_eq!(
        shown(&daemon, &["kick", "--user", "tom"]),
        "one session ends\n"
    );
    assert_eq!(tom.until_closed().len(), 1);
    jerry.ask("PWD", 257);
    for words in [
        &["kick", "--user", "tom"][..],
        &["kick", "--address", "127.0.0.2"],
        &["kick", "4000000000"],
    ] {
        let complaint = until("the session's end", || {
            let output = daemon.operator(words);
            (!output.status.success()).then_some(output)
        });
        assert_eq!(complaint.status.code(), Some(1));
        assert_eq!(complaint.stderr, b"skiffd: there is no such session\n");
    }
    let ended = shown(&daemon, &["kick", "--address", "127.0.0.1"]);
    assert_eq!(ended, "2 sessions end\n");
    assert_eq!(jerry.until_closed().len(), 1);
    stranger.until_closed();
}

/// It would hold its session for as long as it likes.
#[test]
fn a_peer_that_takes_nothing_is_ended_too() {
    for words in [
        &["kick", "--user", "tom"][..],
        &["user", "set", "tom", "--disable"],
    ] {
        let daemon = Daemon::demo();
        large_file(&daemon);
        let mut tom = daemon.login("tom");
        tom.ask("RETR start=0 large", 150);
        session(&daemon, "verb", "RETR", |row| progress(row).0 > 0);
        shown(&daemon, words);
        until("its end", || {
            told(&daemon, &["who"]).is_empty().then_some(())
        });
        drop(tom);
    }
}

#[test]
fn quotas_tell_what_is_used_staged_and_free() {
    let daemon = Daemon::demo();
    let mut tom = daemon.login("tom");
    tom.put("", "file", &[1; 1000]);
    tom.leave_part("", "part", &[2; 500], 300);
    let of_tom = || told(&daemon, &["quota", "tom"]).remove(0);
    let row = until("the part's end", || {
        Some(of_tom()).filter(|row| row["staged"] == 300 && row["reserved"] == 0)
    });
    assert_eq!(row["used"], 1300);
    assert_eq!(row["limit"], 800_000_000);
    assert_eq!(row["entries"], 2);
    assert!(row["free"].as_u64().unwrap() <= 800_000_000 - 1300);
    let users: Vec<_> = told(&daemon, &["quota"])
        .into_iter()
        .map(|row| row["user"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(users, ["jerry", "sam", "tom"]);
    assert!(shown(&daemon, &["quota"]).contains("800 MB"));
    assert!(refused(&daemon, &["quota", "nobody"]).contains("there is no user nobody"));
}

#[test]
fn the_daemon_counts_logins_transfers_bytes_and_refusals() {
    let daemon = Daemon::with_ftp();
    let mut tom = daemon.login("tom");
    assert_eq!(daemon.peer().login("tom", "124").code, 530);
    tom.put("", "file", &noise(1, 300_000));
    tom.get("file");
    let mut ftp = Ftp::login(daemon.ftp_address(), "jerry");
    assert_eq!(ftp.upload("STOR file", &[0; 5000]), 226);
    let _lane = ftp.passive();
    assert_eq!(ftp.ask("RETR nothing"), 550);
    let number = |name: &str, labels: Value| {
        let all = told(&daemon, &["stats"]);
        let found = all
            .iter()
            .find(|row| row["name"] == name && row["labels"] == labels);
        found.unwrap_or_else(|| panic!("no {name} {labels}"))["value"].clone()
    };
    let transfers = |dialect: &str, direction: &str, result: &str| {
        let labels = json!({"dialect": dialect, "direction": direction, "result": result});
        number("skiffd_transfers_total", labels)
    };
    let bytes = |dialect: &str, direction: &str| {
        let labels = json!({"dialect": dialect, "direction": direction});
        number("skiffd_transferred_bytes_total", labels)
    };
    assert_eq!(
        number("skiffd_logins_total", json!({"result": "accepted"})),
        2
    );
    assert_eq!(
        number("skiffd_logins_total", json!({"result": "failed"})),
        1
    );
    assert_eq!(
        number("skiffd_connections_total", json!({"dialect": "native"})),
        2
    );
    assert_eq!(number("skiffd_sessions", json!({"dialect": "ftp"})), 1);
    assert_eq!(transfers("native", "upload", "complete"), 1);
    assert_eq!(transfers("native", "download", "complete"), 1);
    assert_eq!(transfers("ftp", "upload", "complete"), 1);
    assert_eq!(transfers("ftp", "download", "incomplete"), 1);
    assert_eq!(bytes("native", "upload"), 300_000);
    assert_eq!(bytes("native", "download"), 300_000);
    assert_eq!(bytes("ftp", "upload"), 5000);
    assert_eq!(bytes("ftp", "download"), 0);
}
