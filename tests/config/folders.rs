//! Folders that several users share.

use std::fs;
use std::os::unix::fs::symlink;

use crate::harness::{Daemon, Ftp, until};

/// A demo with FTP and these folders, whose directories are there.
fn sharing(folders: &str, directories: &[&str]) -> Daemon {
    let mut daemon = Daemon::with_ftp();
    daemon.stop();
    let root = daemon.folder().to_owned();
    for directory in directories {
        fs::create_dir_all(root.join(directory)).unwrap();
    }
    set_folders(&daemon, folders);
    daemon.start();
    daemon
}

fn set_folders(daemon: &Daemon, folders: &str) {
    let text = fs::read_to_string(daemon.settings()).unwrap();
    let text = match text.split_once("folders: {") {
        Some((before, _)) => format!("{before}folders: {folders},\n)\n"),
        None => format!(
            "{}\n    folders: {folders},\n)\n",
            text.trim_end().strip_suffix(')').unwrap()
        ),
    };
    fs::write(daemon.settings(), text).unwrap();
}

const MEDIA: &str =
    r#"{ "media": (path: "shared/media", users: ["tom", "jerry"], quota: Own("1MB")) }"#;

#[test]
fn what_one_puts_there_another_gets() {
    let daemon = sharing(MEDIA, &["shared/media"]);
    let mut tom = Ftp::login(daemon.ftp_address(), "tom");
    assert_eq!(tom.upload("STOR media/song", b"la la"), 226);
    assert_eq!(tom.ask("CWD media"), 250);
    assert_eq!(tom.upload("STOU", b"unique"), 226);
    assert_eq!(tom.ask("MKD album"), 257);
    let mut jerry = daemon.login("jerry");
    assert_eq!(jerry.get("media/song"), b"la la");
    for line in ["LIST", "NLST", "MLSD"] {
        let mut ftp = Ftp::login(daemon.ftp_address(), "jerry");
        let (code, text) = ftp.listing(line);
        assert_eq!(
            (code, text.matches("media").count()),
            (226, 1),
            "{line}: {text}"
        );
        let (_, inside) = ftp.listing(&format!("{line} media"));
        assert!(
            inside.contains("song") && inside.contains("album"),
            "{line}: {inside}"
        );
    }
    // Nobody else has it.
    let mut sam = Ftp::login(daemon.ftp_address(), "sam");
    assert!(!sam.listing("LIST").1.contains("media"));
    assert_eq!(sam.ask("CWD media"), 550);
    assert!(!daemon.home("tom").join("media").exists());
}

#[test]
fn a_folder_has_the_quota_that_is_said() {
    let daemon = sharing(MEDIA, &["shared/media"]);
    let mut tom = Ftp::login(daemon.ftp_address(), "tom");
    assert_eq!(tom.upload("STOR media/big", &[1; 900_000]), 226);
    let mut jerry = Ftp::login(daemon.ftp_address(), "jerry");
    assert_eq!(jerry.upload("STOR media/more", &[1; 200_000]), 552);
    assert_eq!(jerry.upload("STOR media/less", &[1; 100_000]), 226);
    assert_eq!(jerry.told("AVBL media").1.trim_end(), "213 0");
    for user in ["tom", "jerry"] {
        let mut session = daemon.login(user);
        let used = session.used();
        assert_eq!(used, 0, "{user} is charged");
    }
}

#[test]
fn a_part_of_a_home_counts_against_its_owner() {
    let folders =
        r#"{ "pictures": (path: "homes/tom/pictures", users: ["jerry"], quota: Owner("tom")) }"#;
    let daemon = sharing(folders, &["homes/tom/pictures"]);
    fs::write(daemon.home("tom").join("private"), b"secret").unwrap();
    symlink("..", daemon.home("tom").join("pictures/up")).unwrap();
    let mut tom = daemon.login("tom");
    let before = tom.used();
    let mut jerry = Ftp::login(daemon.ftp_address(), "jerry");
    assert_eq!(jerry.upload("STOR pictures/cat", &[1; 5000]), 226);
    assert_eq!(tom.used(), before + 5000);
    assert_eq!(tom.get("pictures/cat").len(), 5000);
    // It is a jail of its own.
    for line in [
        "SIZE pictures/up/private",
        "CWD pictures/up",
        "SIZE pictures/../private",
    ] {
        assert_eq!(jerry.ask(line), 550, "{line}");
    }
}

#[test]
fn a_folder_is_neither_moved_nor_removed_and_nothing_is_moved_across() {
    let daemon = sharing(MEDIA, &["shared/media"]);
    let mut tom = Ftp::login(daemon.ftp_address(), "tom");
    assert_eq!(tom.upload("STOR mine", b"1"), 226);
    assert_eq!(tom.upload("STOR media/ours", b"1"), 226);
    for line in ["RMD media", "DELE media", "RNFR media"] {
        assert_eq!(tom.ask(line), 550, "{line}");
    }
    for (from, to, code) in [
        ("mine", "media/mine", 550),
        ("media/ours", "ours", 550),
        ("mine", "media", 550),
        ("media/ours", "media/renamed", 250),
    ] {
        assert_eq!(tom.ask(&format!("RNFR {from}")), 350, "{from}");
        assert_eq!(tom.ask(&format!("RNTO {to}")), code, "{from} {to}");
    }
    assert_eq!(tom.ask("DELE media/renamed"), 250);
}

#[test]
fn who_may_only_read_it_only_reads_it() {
    let folders = r#"{ "pub": (path: "shared/pub", access: ReadOnly) }"#;
    let daemon = sharing(folders, &["shared/pub"]);
    let root = daemon.folder();
    fs::write(root.join("shared/pub/file"), b"12345").unwrap();
    let mut tom = daemon.login("tom");
    assert_eq!(tom.get("pub/file"), b"12345");
    for line in ["DELE pub/file", "MKD pub/new", "STOR size=1 pub/new"] {
        tom.ask(line, 403);
    }
    tom.put("", "own", b"12345");
}

/// A disk that is not mounted is no empty folder: a client that mirrors it would delete all.
#[test]
fn a_folder_whose_disk_is_gone_is_not_available_and_never_made() {
    let daemon = sharing(MEDIA, &["shared"]);
    let root = daemon.folder();
    let mut tom = Ftp::login(daemon.ftp_address(), "tom");
    assert!(tom.listing("LIST").1.contains("media"));
    for line in ["CWD media", "SIZE media/x", "MKD media/x", "STAT media"] {
        assert_eq!(tom.ask(line), 450, "{line}");
    }
    assert!(!root.join("shared/media").exists());
    assert_eq!(tom.upload("STOR mine", b"1"), 226);
}

#[test]
fn what_breaks_off_there_is_nobodys_to_continue() {
    let daemon = sharing(MEDIA, &["shared/media"]);
    let mut tom = daemon.login("tom");
    tom.ask("STOR size=10 media/file", 150);
    tom.frame(b"12345");
    drop(tom);
    let mut jerry = Ftp::login(daemon.ftp_address(), "jerry");
    until("the room is given back", || {
        let free = jerry.told("AVBL media").1;
        (free.trim_end() == "213 1000000").then_some(())
    });
    assert_eq!(jerry.ask("SIZE media/file"), 550);
    let begun = daemon.login("jerry").store_again("STOR size=10 media/file");
    assert_eq!(begun.code, 150);
}

#[test]
fn a_folder_that_is_taken_from_the_settings_is_gone_at_once() {
    let daemon = sharing(MEDIA, &["shared/media"]);
    let mut tom = Ftp::login(daemon.ftp_address(), "tom");
    assert_eq!(tom.upload("STOR media/file", b"1"), 226);
    set_folders(&daemon, "{}");
    assert!(daemon.reload().status.success());
    until("the folder is gone", || {
        (tom.ask("SIZE media/file") == 550).then_some(())
    });
    assert!(!tom.listing("LIST").1.contains("media"));
}
