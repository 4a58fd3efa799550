//! Rights, groups, networks and hours of accounts, on a real disk.

use std::fs;
use std::os::unix::fs::symlink;
use std::thread;
use std::time::Instant;

use crate::harness::{Daemon, Ftp, PASSWORD, PATIENCE};

/// Changes the text of the user store as an editor does.
fn edit_store(daemon: &Daemon, change: impl FnOnce(String) -> String) {
    let path = daemon.settings().with_file_name("users.ron");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, change(text)).unwrap();
}

/// Gives tom more keys in the store.
fn give_tom(daemon: &Daemon, keys: &str) {
    edit_store(daemon, |text| {
        let (before, tom) = text.split_once("\"tom\": (").unwrap();
        format!("{before}\"tom\": ({keys}, {tom}")
    });
}

#[test]
fn many_leave_files_of_one_name_in_a_drop_box_and_none_is_lost() {
    let daemon = Daemon::with_ftp();
    daemon.user(&["set", "tom", "--access", "drop-box"], "");
    let address = daemon.ftp_address();
    let send = move |number: u8| {
        let mut ftp = Ftp::login(address, "tom");
        ftp.upload("STOR scan.pdf", &[number; 70_000])
    };
    let senders: Vec<_> = (0..8)
        .map(|number| thread::spawn(move || send(number)))
        .collect();
    for sender in senders {
        assert_eq!(sender.join().unwrap(), 226);
    }
    let files = fs::read_dir(daemon.home("tom")).unwrap();
    let mut contents = Vec::new();
    for file in files
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
    {
        let content = fs::read(&file).unwrap();
        assert_eq!(content.len(), 70_000);
        assert!(
            content.iter().all(|byte| *byte == content[0]),
            "{file:?} is mixed"
        );
        contents.push(content[0]);
    }
    contents.sort_unstable();
    assert_eq!(contents, (0..8).collect::<Vec<_>>());
    let mut ftp = Ftp::login(address, "tom");
    let (code, text) = ftp.told("SIZE scan.pdf");
    assert_eq!(
        (code, text.trim_end()),
        (550, "550 your account may not list files there")
    );
}

#[test]
fn without_the_right_to_replace_what_is_there_stays() {
    let daemon = Daemon::with_ftp();
    daemon.login("tom").put("", "kept", b"as it was");
    daemon.user(&["set", "tom", "--access", "list,get,put"], "");
    let mut ftp = Ftp::login(daemon.ftp_address(), "tom");
    for line in ["STOR kept", "APPE kept"] {
        assert_eq!(ftp.upload(line, b"new"), 550, "{line}");
    }
    assert_eq!(ftp.upload("STOR new", b"new"), 226);
    assert_eq!(ftp.upload("STOR new", b"newer"), 550);
    let mut native = daemon.login("tom");
    native.ask("STOR size=3 replace=1 kept", 403);
    native.ask("STOR size=3 kept", 550);
    assert_eq!(native.get("kept"), b"as it was");
    daemon.user(&["set", "tom", "--access", "put,append"], "");
    let mut ftp = Ftp::login(daemon.ftp_address(), "tom");
    assert_eq!(ftp.upload("APPE kept", b", and more"), 226);
    assert_eq!(ftp.upload("STOR kept", b"new"), 550);
    let kept = fs::read(daemon.home("tom").join("kept")).unwrap();
    assert_eq!(kept, b"as it was, and more");
}

/// Rules are about names: a link would give a file another one.
#[test]
fn no_link_leads_around_the_rule_of_a_folder() {
    let daemon = Daemon::with_ftp();
    let home = daemon.home("tom");
    fs::create_dir_all(home.join("secret/deep")).unwrap();
    fs::write(home.join("secret/deep/file"), b"hidden").unwrap();
    symlink("secret", home.join("way")).unwrap();
    symlink("secret/deep/file", home.join("alias")).unwrap();
    let lines = [
        "CWD way",
        "CWD way/deep",
        "SIZE way/deep/file",
        "SIZE alias",
        "STAT way",
        "MDTM alias",
    ];
    let mut ftp = Ftp::login(daemon.ftp_address(), "tom");
    for line in lines {
        let code = ftp.ask(line);
        assert!((200..300).contains(&code), "{line}: {code}");
        assert_eq!(ftp.ask("CWD /"), 250);
    }
    give_tom(&daemon, "folders: { \"/secret\": Rights([]) }");
    let mut ftp = Ftp::login(daemon.ftp_address(), "tom");
    for line in lines {
        let (code, text) = ftp.told(line);
        assert_eq!(code, 550, "{line}");
        assert!(text.contains("a link is on the way"), "{line}: {text}");
    }
    for line in [
        "CWD secret",
        "SIZE secret/deep/file",
        "STAT secret",
        "RNFR secret",
    ] {
        let (code, text) = ftp.told(line);
        assert_eq!(code, 550, "{line}");
        assert!(text.contains("your account may not"), "{line}: {text}");
    }
    let mut native = daemon.login("tom");
    native.ask("RETR way/deep/file", 403);
    native.ask("RETR secret/deep/file", 403);
    native.ask("STOR size=1 way/deep/new", 403);
    native.ask("RNFR alias", 350);
    native.ask("351 renamed", 250);
    assert!(home.join("renamed").is_symlink());
}

#[test]
fn a_change_of_the_group_reaches_everybody_at_once() {
    let daemon = Daemon::demo();
    edit_store(&daemon, |text| {
        text.replacen('(', "(groups: { \"crew\": (access: ReadOnly) },", 1)
    });
    daemon.user(&["set", "tom", "--group", "crew"], "");
    daemon.user(&["set", "jerry", "--group", "crew"], "");
    let mut sessions = [daemon.login("tom"), daemon.login("jerry")];
    for session in &mut sessions {
        session.ask("MKD made", 403);
    }
    edit_store(&daemon, |text| {
        text.replace("access: ReadOnly", "access: ReadWrite")
    });
    for session in &mut sessions {
        let until = Instant::now() + PATIENCE;
        for number in 0.. {
            if session.code(&format!("MKD made-{number}")) == 257 {
                break;
            }
            assert!(Instant::now() < until, "the old rights hold still");
        }
    }
    let said = daemon.user(&["list"], "");
    assert!(said.contains("read-write, group crew"), "{said}");
}

#[test]
fn who_comes_from_elsewhere_learns_no_more_than_a_stranger() {
    let daemon = Daemon::demo();
    daemon.user(&["set", "tom", "--allow", "192.0.2.0/24"], "");
    let refused = daemon.peer().login("tom", PASSWORD);
    let nobody = daemon.peer().login("nobody", PASSWORD);
    assert_eq!((refused.code, &refused.line), (530, &nobody.line));
    daemon.user(&["set", "tom", "--allow", "127.0.0.0/8"], "");
    daemon.login("tom");
    daemon.user(&["set", "tom", "--deny", "127.0.0.1"], "");
    assert_eq!(daemon.peer().login("tom", PASSWORD).code, 530);
    daemon.user(
        &["set", "tom", "--allow", "default", "--deny", "default"],
        "",
    );
    daemon.login("tom");
}

#[test]
fn an_account_that_has_expired_is_closed_and_says_so_to_its_user() {
    let daemon = Daemon::with_ftp();
    let inside = daemon.login("tom");
    daemon.user(&["set", "tom", "--expires", "2026-01-01"], "");
    let mut inside = inside;
    assert_eq!(inside.until_closed().last().unwrap().code, 421);
    let refused = daemon.peer().login("tom", PASSWORD);
    assert_eq!(refused.code, 530);
    assert!(
        refused.line.contains("why=not-now your account is closed"),
        "{}",
        refused.line
    );
    assert_eq!(Ftp::try_login(daemon.ftp_address(), "tom", PASSWORD).1, 530);
    daemon.user(
        &[
            "set",
            "tom",
            "--expires",
            "9999-12-31",
            "--hours",
            "daily 00:00-24:00",
        ],
        "",
    );
    daemon.login("tom");
}

#[test]
fn everybody_may_read_what_is_anonymous() {
    let daemon = Daemon::with_ftp();
    let said = daemon.user(&["add", "anonymous", "--anonymous"], "");
    assert!(said.contains("added anonymous"), "{said}");
    fs::write(daemon.home("anonymous").join("file"), b"12345").unwrap();
    for password in ["me@example.org", "x"] {
        let (mut ftp, code) = Ftp::try_login(daemon.ftp_address(), "anonymous", password);
        assert_eq!(code, 230);
        assert_eq!(ftp.ask("TYPE I"), 200);
        assert_eq!(ftp.ask("SIZE file"), 213);
        assert_eq!(ftp.ask("DELE file"), 550);
    }
    assert_eq!(daemon.peer().login("anonymous", "x").code, 530);
}

/// A camera never hears that there is no room, and the latest pictures are there.
#[test]
fn a_camera_goes_on_for_ever_in_a_full_home() {
    let daemon = Daemon::with_ftp();
    daemon.user(
        &[
            "set", "tom", "--access", "drop-box", "--ring", "on", "--quota", "1MB",
        ],
        "",
    );
    let mut ftp = Ftp::login(daemon.ftp_address(), "tom");
    for number in 0..40 {
        let line = format!("STOR picture-{number:02}");
        assert_eq!(ftp.upload(&line, &[number; 100_000]), 226, "{line}");
    }
    let files = fs::read_dir(daemon.home("tom")).unwrap();
    let names = files.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| name.starts_with("picture")).collect();
    names.sort();
    let latest: Vec<_> = (30..40)
        .map(|number| format!("picture-{number:02}"))
        .collect();
    assert_eq!(names, latest);
    assert_eq!(ftp.upload("STOR too-large", &[1; 1_100_000]), 552);
}

#[test]
fn a_home_of_a_group_is_made_where_the_group_says() {
    let daemon = Daemon::demo();
    let group = "(groups: { \"crew\": (home: \"crews/%u\") },";
    edit_store(&daemon, |text| text.replacen('(', group, 1));
    let said = daemon.user(
        &["add", "ann", "--group", "crew", "--password-stdin"],
        "geheim\n",
    );
    let home = daemon.folder().join("homes/crews/ann");
    assert!(said.contains(&home.display().to_string()), "{said}");
    daemon.login_as("ann", "geheim").put("", "file", b"12345");
    assert_eq!(fs::read(home.join("file")).unwrap(), b"12345");
}
