//! Directories and names: list, cd, delete, mkdir, rename.

use crate::harness::{Daemon, Peer, ask_all};

pub(super) fn listing_follows(daemon: &Daemon) {
    let mut tom = daemon.login("tom");
    tom.put("", "here", b"");
    tom.ask("LIST", 150);
    let (text, _) = tom.body();
    assert!(text.ends_with(b"; here\r\n"), "{text:?}");
}

pub(super) fn listing_done(daemon: &Daemon) {
    std::fs::write(daemon.home("tom").join("a\nb"), "").unwrap();
    let mut tom = daemon.login("tom");
    tom.ask("LIST", 150);
    let (text, _) = tom.body();
    assert!(text.ends_with(b"; a%0Ab\r\n"), "{text:?}");
    assert_eq!(tom.expect(226).number("hidden"), 0);
}

pub(super) fn listing_above_home(daemon: &Daemon) {
    daemon.login("tom").ask("LIST ..", 403);
}

pub(super) fn directory_changed(daemon: &Daemon) {
    let mut tom = daemon.login("tom");
    ask_all(&mut tom, &[("MKD a", 257), ("CWD a", 250), ("MKD b", 257)]);
    assert!(tom.ask("CWD /a/b", 250).line.ends_with(" /a/b"));
    assert!(tom.ask("CWD ../..", 250).line.ends_with(" /"));
}

pub(super) fn no_directory_to_change_to(daemon: &Daemon) {
    let mut tom = daemon.login("tom");
    tom.put("", "file", b"1");
    ask_all(&mut tom, &[("CWD missing", 550), ("CWD file", 550)]);
    assert!(tom.ask("PWD", 257).line.ends_with(" /"));
}

pub(super) fn change_above_home(daemon: &Daemon) {
    let mut tom = daemon.login("tom");
    ask_all(&mut tom, &[("CWD ..", 403), ("CWD /../jerry", 403)]);
    assert!(tom.ask("PWD", 257).line.ends_with(" /"));
}

pub(super) fn deleted(daemon: &Daemon) {
    let mut tom = daemon.login("tom");
    tom.put("", "file", b"1");
    ask_all(&mut tom, &[("MKD empty", 257), ("DELE file", 250)]);
    tom.ask("DELE empty", 250);
    assert!(tom.list("LIST").is_empty());
}

pub(super) fn nothing_to_delete(daemon: &Daemon) {
    daemon.login("tom").ask("DELE missing", 404);
}

pub(super) fn not_empty(daemon: &Daemon) {
    let mut tom = daemon.login("tom");
    tom.ask("MKD full", 257);
    tom.put("", "full/file", b"1");
    tom.ask("DELE full", 550);
    assert_eq!(tom.get("full/file"), b"1");
}

pub(super) fn deleting_is_not_allowed(daemon: &Daemon) {
    let mut jerry = read_only(daemon);
    ask_all(&mut jerry, &[("DELE kept", 403), ("DELE ../tom", 403)]);
    assert!(daemon.home("jerry").join("kept").exists());
}

pub(super) fn created(daemon: &Daemon) {
    let mut tom = daemon.login("tom");
    tom.ask("MKD a", 257);
    assert!(tom.ask("MKD a/b", 257).line.ends_with(" /a/b"));
    assert!(daemon.home("tom").join("a/b").is_dir());
}

pub(super) fn exists_already(daemon: &Daemon) {
    let mut tom = daemon.login("tom");
    tom.put("", "file", b"1");
    ask_all(&mut tom, &[("MKD file", 550), ("MKD a", 257)]);
    let too_long = format!("MKD {}", "n".repeat(256));
    ask_all(&mut tom, &[("MKD a", 550), (&too_long, 550)]);
}

pub(super) fn making_is_not_allowed(daemon: &Daemon) {
    let mut jerry = read_only(daemon);
    ask_all(&mut jerry, &[("MKD new", 403), ("MKD ../new", 403)]);
    assert!(!daemon.home("jerry").join("new").exists());
}

pub(super) fn source_exists(daemon: &Daemon) {
    let mut tom = daemon.login("tom");
    tom.put("", "old", b"1");
    ask_all(&mut tom, &[("RNFR old", 350), ("PWD", 257)]);
    assert_eq!(tom.get("old"), b"1", "renamed before it was confirmed");
}

pub(super) fn confirmed(daemon: &Daemon) {
    let mut tom = daemon.login("tom");
    tom.put("", "old", b"1");
    ask_all(&mut tom, &[("351 new", 503), ("RNFR old", 350)]);
    tom.ask("351 new", 250);
    assert_eq!(tom.get("new"), b"1");
}

pub(super) fn renamed(daemon: &Daemon) {
    let mut tom = daemon.login("tom");
    tom.ask("MKD a", 257);
    tom.put("", "a/old name", b"1");
    ask_all(&mut tom, &[("RNFR a", 350), ("351 b c", 250)]);
    ask_all(&mut tom, &[("RNFR b c/old name", 350), ("351 /x", 250)]);
    assert_eq!(tom.get("x"), b"1");
    tom.ask("STAT a", 404);
}

pub(super) fn target_exists(daemon: &Daemon) {
    let mut tom = daemon.login("tom");
    tom.put("", "old", b"1");
    tom.put("", "new", b"2");
    ask_all(&mut tom, &[("RNFR old", 350), ("351 new", 401)]);
    assert_eq!((tom.get("old"), tom.get("new")), (vec![b'1'], vec![b'2']));
}

pub(super) fn source_is_missing(daemon: &Daemon) {
    let mut tom = daemon.login("tom");
    ask_all(&mut tom, &[("RNFR missing", 404), ("351 new", 503)]);
}

/// A session that may only read, in a home with a file.
fn read_only(daemon: &Daemon) -> Peer {
    std::fs::write(daemon.home("jerry").join("kept"), "1").unwrap();
    daemon.user(&["set", "jerry", "--read-only"], "");
    let mut jerry = daemon.login("jerry");
    assert_eq!(jerry.get("kept"), b"1");
    jerry
}
