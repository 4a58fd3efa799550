//! Remembered digests, and files that change behind the daemon's back.

use std::fs::{File, FileTimes, OpenOptions};
use std::os::unix::fs::FileExt;

use super::MIB;
use crate::harness::{Daemon, Tail, md5, noise};

#[test]
fn a_file_changed_on_the_disk_has_a_new_digest() {
    let daemon = Daemon::demo();
    let mut tom = daemon.login("tom");
    let (old, new) = (noise(30, MIB), noise(31, MIB));
    tom.put("", "file", &old);
    assert_eq!(tom.ask("HASH algo=md5 file", 213).token("md5"), md5(&old));
    std::fs::write(daemon.home("tom").join("file"), &new).unwrap();
    assert_eq!(tom.ask("HASH algo=md5 file", 213).token("md5"), md5(&new));
    assert!(tom.get("file") == new, "another file");
    let there = tom.ask(&format!("STOR size={MIB} file"), 200);
    assert_eq!(there.token("md5"), md5(&new));
}

/// Size and time are as before: only the disk tells.
#[test]
fn a_change_that_puts_the_time_back_is_told() {
    let daemon = Daemon::demo();
    let mut tom = daemon.login("tom");
    let mut data = noise(33, MIB);
    tom.put("", "file", &data);
    for at in [0, 70_000] {
        data[at] ^= 1;
        rot(&daemon, at as u64, data[at]);
        let told = tom.ask("HASH algo=md5 file", 213);
        assert_eq!(told.token("md5"), md5(&data));
        let there = tom.ask(&format!("STOR size={MIB} file"), 200);
        assert_eq!(there.token("md5"), md5(&data));
    }
    daemon.wait_log("changed on disk");
}

/// A disk that rots leaves size and times as they were: the client's report is what tells.
#[test]
fn a_reported_mismatch_makes_the_daemon_look_at_the_disk() {
    let daemon = Daemon::demo();
    let mut tom = daemon.login("tom");
    let mut data = noise(32, MIB);
    tom.put("", "file", &data);
    let remembered = md5(&data);
    data[5000] ^= 1;
    rot(&daemon, 5000, data[5000]);

    tom.ask("RETR start=0 file", 150);
    assert!(tom.body() == (data.clone(), Tail::End), "another file");
    let told = tom.expect(226);
    assert_eq!(told.token("md5"), remembered, "the digest of what was put");
    tom.send("550 different");
    tom.ask("PWD", 257);
    daemon.wait_log("changed on disk");
    assert!(tom.get("file") == data, "the disk is not believed");
}

fn rot(daemon: &Daemon, at: u64, byte: u8) {
    let path = daemon.home("tom").join("file");
    let before = File::open(&path).unwrap().metadata().unwrap();
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    file.write_all_at(&[byte], at).unwrap();
    let times = FileTimes::new().set_modified(before.modified().unwrap());
    file.set_times(times).unwrap();
}
