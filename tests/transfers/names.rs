//! Names with line ends, parts of files, sorted listings and new attributes, on a real disk.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use crate::harness::{Daemon, Ftp, Tail, md5, noise};

const BREAKS: &str = "mine%0D%0ADELE victim%0A";

/// The native dialect escapes them and leaves nothing out; FTP cannot, and says how many it hides.
#[test]
fn names_with_line_ends_are_files_like_others() {
    let daemon = Daemon::with_ftp();
    let mut tom = daemon.login("tom");
    let mut ftp = Ftp::login(daemon.ftp_address(), "tom");
    tom.put("", "victim", b"alive");
    tom.put("", BREAKS, b"content");
    let names: Vec<_> = tom.list("LIST").into_keys().collect();
    assert_eq!(names, [BREAKS, "victim"]);
    assert_eq!(tom.get(BREAKS), b"content");
    tom.ask(&format!("STAT {BREAKS}"), 213);
    tom.ask("MKD d%0A", 257);
    tom.ask("CWD d%0A", 250);
    assert!(tom.ask("PWD", 257).line.ends_with("/d%0A"));
    tom.ask("CWD ..", 250);

    for line in ["LIST", "MLSD", "NLST"] {
        let (code, text) = ftp.listing(line);
        assert_eq!(code, 226);
        assert_eq!(text.matches("victim").count(), 1, "{text:?}");
        assert!(!text.contains("mine") && !text.contains("DELE"), "{text:?}");
    }
    let on_disk = b"mine\r\nDELE victim\n";
    let path = daemon
        .home("tom")
        .join(std::ffi::OsStr::from_bytes(on_disk));
    assert!(path.exists());
    tom.ask(&format!("RNFR {BREAKS}"), 350);
    tom.ask("351 plain", 250);
    assert!(!path.exists());
    // An unfinished upload has such a name as well.
    tom.leave_part("", BREAKS, b"content", 3);
    assert!(tom.list("STAGES").contains_key(&format!("/{BREAKS}")));
    tom.ask(&format!("STAGES drop=1 /{BREAKS}"), 250);
    assert_eq!(tom.get("victim"), b"alive");
}

#[test]
fn a_part_of_a_file_is_its_bytes_on_the_disk() {
    let daemon = Daemon::demo();
    let mut tom = daemon.login("tom");
    let data = noise(5, 3 << 20);
    tom.put("", "big", &data);
    for (start, end) in [(0, 1), (1 << 20, 2 << 20), (data.len() - 1, data.len())] {
        let line = format!("RETR start={start} length={} big", end - start);
        let offer = tom.ask(&line, 150);
        assert_eq!(offer.number("size"), data.len() as u64);
        let (part, tail) = tom.body();
        assert_eq!(tail, Tail::End);
        assert!(part == data[start..end], "{line}");
        let sent = tom.expect(226);
        assert_eq!(sent.number("offset"), start as u64);
        assert_eq!(sent.token("md5"), md5(&part));
    }
    assert_eq!(tom.get("big"), data);
}

#[test]
fn a_listing_is_sorted_where_that_is_asked() {
    let daemon = Daemon::demo();
    let mut tom = daemon.login("tom");
    for (name, size, day) in [("b", 1, "03"), ("c", 3, "01"), ("a", 2, "02")] {
        tom.put(&format!("mtime=202601{day}000000 "), name, &noise(1, size));
    }
    for (tokens, expected) in [
        ("sort=name", "abc"),
        ("sort=name reverse=1", "cba"),
        ("sort=size", "cab"),
        ("sort=modify", "bac"),
        ("sort=modify reverse=1", "cab"),
    ] {
        tom.ask(&format!("LIST {tokens}"), 150);
        let (text, _) = tom.body();
        tom.expect(226);
        let text = String::from_utf8(text).unwrap();
        let names: String = text
            .lines()
            .filter_map(|line| line.split("; ").nth(1))
            .collect();
        assert_eq!(names, expected, "{tokens}");
    }
}

#[test]
fn attributes_are_set_on_the_disk() {
    let daemon = Daemon::demo();
    let mut tom = daemon.login("tom");
    tom.put("", "a", b"1");
    let facts = tom.ask("SETATTR mtime=20010203040506 mode=0600 a", 213);
    assert_eq!(facts.token("mtime"), "20010203040506");
    assert_eq!(facts.token("mode"), "0600");
    let found = daemon.home("tom").join("a").metadata().unwrap();
    assert_eq!(found.permissions().mode() & 0o7777, 0o600);
    assert_eq!(found.mtime(), 981_173_106);
    // The digest that was verified stays known, for the content is the same.
    assert_eq!(tom.get("a"), b"1");
    tom.ask("MKD d", 257);
    assert_eq!(tom.ask("SETATTR mode=700 d", 213).token("mode"), "0700");
    tom.ask("SETATTR mode=700 no", 404);
    assert_eq!(tom.ask("SETATTR mode=700 /", 403).token("why"), "the-home");
}

#[test]
fn a_rename_over_a_file_is_charged_once() {
    let daemon = Daemon::demo();
    let mut tom = daemon.login("tom");
    tom.put("", "a", &noise(1, 100));
    tom.put("", "b", &noise(2, 1000));
    tom.ask("RNFR a", 350);
    assert_eq!(tom.ask("351 b", 401).token("why"), "exists");
    tom.ask("RNFR a", 350);
    tom.ask("351 replace=1 b", 250);
    assert_eq!(tom.get("b"), noise(1, 100));
    assert_eq!(tom.used(), 100);
}
