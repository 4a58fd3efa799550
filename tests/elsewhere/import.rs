//! `skiffd user import` beside a running daemon, with the files that other servers' programs write.

use super::{run, tool};
use crate::harness::{Daemon, Ftp};

const RIGHT: &str = "pass wörd";

fn import(daemon: &Daemon, file: &str, text: &str) -> String {
    let path = daemon.folder().join(file);
    std::fs::write(&path, text).unwrap();
    daemon.user(&["import", path.to_str().unwrap()], "")
}

fn logs_in(daemon: &Daemon, user: &str, password: &str) -> bool {
    Ftp::try_login(daemon.ftp_address(), user, password).1 == 230
}

#[test]
fn imported_users_log_in_at_once() {
    let daemon = Daemon::with_ftp();
    let table = "name,password,quota\nann,geheim,1MB\nbob,\"a \"\"b\"\"\",\n";
    assert!(import(&daemon, "new.csv", table).starts_with("2 users are added"));
    daemon.login_as("bob", "a \"b\"").put("", "file", b"12345");
    let mut ann = daemon.login_as("ann", "geheim");
    assert_eq!(ann.ask("DF", 213).number("limit"), 1_000_000);
    assert!(logs_in(&daemon, "ann", "geheim"));
}

#[test]
fn a_wrong_line_adds_nobody() {
    let daemon = Daemon::demo();
    let users = super::users(&daemon);
    let path = daemon.folder().join("new.csv");
    std::fs::write(&path, "name,password\nann,x\nb b,x\n").unwrap();
    let words = ["import", path.to_str().unwrap()];
    let refused = crate::harness::skiffd_user(&daemon.settings(), &words, "");
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(
        said.contains("new.csv:3: name: \"b b\" is not a user name"),
        "{said}"
    );
    assert_eq!(refused.status.code(), Some(1));
    assert_eq!(super::users(&daemon), users);
    assert!(!daemon.home("ann").exists());
}

/// pure-pw measures how much the machine can do for a second, and takes as much.
#[test]
fn the_file_of_pure_pw() {
    let Some(pure_pw) = tool("pure-pw") else {
        return;
    };
    let daemon = Daemon::with_ftp();
    let file = daemon.folder().join("pureftpd.passwd");
    let home = daemon.home("ann");
    std::fs::create_dir(&home).unwrap();
    let file = file.to_str().unwrap();
    let words = [
        "useradd", "ann", "-f", file, "-u", "1000", "-g", "1000", "-N", "1",
    ];
    let home = ["-d", home.to_str().unwrap()];
    run(
        &pure_pw,
        &[&words[..], &home].concat(),
        &format!("{RIGHT}\n{RIGHT}\n"),
    );
    let told = daemon.user(&["import", file], "");
    assert!(
        told.starts_with("1 users are added") && told.contains("left out: uid and gid"),
        "{told}"
    );
    assert!(logs_in(&daemon, "ann", RIGHT) && !logs_in(&daemon, "ann", "pass word"));
    let mut ann = daemon.login_as("ann", RIGHT);
    assert_eq!(ann.ask("DF", 213).number("limit"), 1 << 20);
}

#[test]
fn the_file_of_ftpasswd() {
    let Some(ftpasswd) = tool("ftpasswd") else {
        return;
    };
    let daemon = Daemon::with_ftp();
    let file = daemon.folder().join("ftpd.passwd");
    let file_option = format!("--file={}", file.display());
    for (name, kind) in [("ann", "--md5"), ("bea", "--sha256"), ("cem", "--sha512")] {
        let home = daemon.home(name);
        std::fs::create_dir(&home).unwrap();
        let (name, home) = (
            format!("--name={name}"),
            format!("--home={}", home.display()),
        );
        let words = [
            "--passwd",
            "--stdin",
            "--uid=1000",
            "--gid=1000",
            "--shell=/bin/false",
        ];
        let words = [&words[..], &[&file_option, &name, &home, kind]].concat();
        run(&ftpasswd, &words, &format!("{RIGHT}\n"));
    }
    let told = daemon.user(&["import", file.to_str().unwrap()], "");
    assert!(told.starts_with("3 users are added"), "{told}");
    for name in ["ann", "bea", "cem"] {
        assert!(
            !logs_in(&daemon, name, "pass word") && logs_in(&daemon, name, RIGHT),
            "{name}"
        );
        daemon.login_as(name, RIGHT).put("", "file", b"12345");
    }
}
