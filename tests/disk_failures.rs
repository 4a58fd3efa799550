//! Disks that fail in the middle of something: the client is told that, and the log how.

use crate::harness::{Daemon, FailingCalls, Ftp, Tail, noise};

const CLEAR: &str = "native: (listen: [\"127.0.0.1:0\"], tls: Off),";

/// Fails on what is below the homes only.
fn failing(calls: &'static [(&'static str, &'static str)]) -> FailingCalls {
    let folders = &["homes/tom/big"];
    FailingCalls { calls, folders }
}

#[test]
fn a_file_that_cannot_be_read() {
    let calls = &[("pread64", "EIO"), ("preadv2", "EIO"), ("sendfile", "EIO")];
    let daemon = Daemon::without(failing(calls), CLEAR);
    let data = noise(1, 300_000);
    std::fs::write(daemon.home("tom").join("big"), &data).unwrap();
    let mut tom = daemon.login("tom");
    tom.ask("RETR start=0 big", 150);
    assert_eq!(tom.body().1, Tail::Abort);
    assert_eq!(tom.expect(550).token("why"), "disk-failed");
    assert_eq!(
        tom.ask("HASH algo=md5 big", 550).token("why"),
        "disk-failed"
    );
    daemon.wait_log("the disk failed: ");
    tom.put("", "other", b"1");
    assert_eq!(tom.get("other"), b"1");
}

/// A plain download goes by sendfile(2), whose error may be the file's or the socket's.
#[test]
fn a_file_that_cannot_be_sent_in_clear() {
    let calls = &[("pread64", "EIO"), ("preadv2", "EIO"), ("sendfile", "EIO")];
    let daemon = Daemon::with_ftp_without(failing(calls));
    std::fs::write(daemon.home("tom").join("big"), noise(1, 300_000)).unwrap();
    let mut ftp = Ftp::login(daemon.ftp_address(), "tom");
    let (code, text) = ftp.listing("RETR big");
    assert_eq!((code, text.as_str()), (451, ""));
    daemon.wait_log("the disk failed: ");
}

#[test]
fn a_disk_that_was_remounted_read_only() {
    let calls = &[
        ("mkdirat", "EROFS"),
        ("renameat2", "EROFS"),
        ("unlinkat", "EROFS"),
    ];
    let folders = &[];
    let daemon = Daemon::without(FailingCalls { calls, folders }, CLEAR);
    std::fs::create_dir(daemon.home("tom").join("d")).unwrap();
    let mut tom = daemon.login("tom");
    assert_eq!(tom.ask("MKD new", 550).token("why"), "disk-read-only");
    assert_eq!(tom.ask("DELE d", 550).token("why"), "disk-read-only");
    daemon.wait_log("mounted read-only");
}
