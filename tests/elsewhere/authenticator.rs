//! A program that knows users whom the store does not, beside a daemon with all its walls.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::harness::{Daemon, Ftp, PASSWORD, until, write_settings};

/// A demo with FTP whose authenticator is this script, with `$at` for the folder of the demo.
fn with(script: &str, keys: &str) -> Daemon {
    let folder = tempfile::tempdir().unwrap();
    let program = write_script(folder.path(), script);
    let run = program.to_str().unwrap();
    write_settings(
        folder.path(),
        &format!("ftp: (listen: [], tls: Optional), authenticator: (run: [{run:?}], {keys}),"),
    );
    Daemon::with_ftp_in(folder)
}

pub(super) fn write_script(folder: &Path, script: &str) -> PathBuf {
    let path = folder.join("who");
    let script = script.replace("$at", folder.to_str().unwrap());
    std::fs::write(&path, format!("#!/bin/sh\nread -r line\n{script}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// ann and bea, with password `geheim`; each question is noted.
pub(super) const WHO: &str = r#"echo "$line" >> $at/asked
case "$line" in
    *'"user":"ann","password":"geheim"'*) echo '{"ok": true, "quota": "1MB"}' ;;
    *'"user":"bea","password":"geheim"'*) echo '{"ok": true, "access": "read-only"}' ;;
    *) echo '{"ok": false}' ;;
esac"#;

pub(super) fn code(daemon: &Daemon, user: &str, password: &str) -> u16 {
    Ftp::try_login(daemon.ftp_address(), user, password).1
}

fn asked(daemon: &Daemon) -> Vec<String> {
    let text = std::fs::read_to_string(daemon.folder().join("asked")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn users_of_the_program_log_in_by_ftp_within_what_it_says() {
    let daemon = with(WHO, "");
    assert_eq!(code(&daemon, "ann", "wrong"), 530);
    let mut ann = Ftp::login_as(daemon.ftp_address(), "ann", "geheim");
    assert_eq!(ann.upload("STOR small", &[1; 1000]), 226);
    assert_eq!(ann.upload("STOR large", &vec![1; 1_500_000]), 552);
    assert_eq!(
        std::fs::read(daemon.home("ann").join("small")).unwrap(),
        [1; 1000]
    );
    let mut bea = Ftp::login_as(daemon.ftp_address(), "bea", "geheim");
    assert_eq!(bea.upload("STOR file", b"12345"), 550);
    assert_eq!(code(&daemon, "nobody", "geheim"), 530);
    assert_eq!(code(&daemon, "tom", PASSWORD), 230);
    assert_eq!(code(&daemon, "tom", "geheim"), 530);
    let asked = asked(&daemon);
    let first = r#"{"user":"ann","password":"wrong","address":"127.0.0.1","tls":false}"#;
    assert_eq!(asked[0], first);
    assert!(!asked.iter().any(|line| line.contains("tom")), "{asked:?}");
    assert_eq!(
        daemon.peer().login("ann", "geheim").code,
        530,
        "the password is never sent"
    );
}

#[test]
fn a_right_password_is_asked_about_once_and_a_wrong_one_each_time() {
    let daemon = with(WHO, "");
    for _ in 0..3 {
        assert_eq!(code(&daemon, "ann", "geheim"), 230);
    }
    assert_eq!(asked(&daemon).len(), 1);
    for _ in 0..2 {
        assert_eq!(code(&daemon, "ann", "wrong"), 530);
    }
    assert_eq!(asked(&daemon).len(), 3);
    let daemon = with(WHO, "cache: Never");
    for _ in 0..3 {
        assert_eq!(code(&daemon, "ann", "geheim"), 230);
    }
    assert_eq!(asked(&daemon).len(), 3);
}

#[test]
fn its_sessions_are_seen_and_kicked_and_survive_changes_of_the_store() {
    let daemon = with(WHO, "");
    let mut ann = Ftp::login_as(daemon.ftp_address(), "ann", "geheim");
    daemon.user(&["set", "tom", "--read-only"], "");
    daemon.user(&["add", "cem", "--password-stdin"], "123\n");
    assert!(daemon.reload().status.success());
    assert_eq!(ann.upload("STOR file", b"12345"), 226);
    let who = daemon.operator(&["who"]);
    assert!(String::from_utf8_lossy(&who.stdout).contains("ann"));
    let quota = daemon.operator(&["quota", "ann"]);
    let quota = String::from_utf8_lossy(&quota.stdout).into_owned();
    assert!(quota.contains("ann") && quota.contains("1"), "{quota}");
    // An account of the store goes first.
    daemon.user(&["add", "ann", "--password-stdin"], "another\n");
    assert_eq!(ann.heard(), 421, "the store has another ann");
    assert_eq!(code(&daemon, "ann", "geheim"), 530);
    assert_eq!(code(&daemon, "ann", "another"), 230);
    let mut bea = Ftp::login_as(daemon.ftp_address(), "bea", "geheim");
    assert!(daemon.operator(&["kick", "--user", "bea"]).status.success());
    assert_eq!(bea.heard(), 421);
}

/// Fails as the file `how` says: each is answered 421, and is nobody's strike.
#[test]
fn a_program_that_fails_costs_its_users_a_421_and_no_strike() {
    let script = r#"case $(cat $at/how) in
    crash) kill -SEGV $$ ;;
    fail) echo 'no server' >&2; exit 7 ;;
    flood) exec cat /dev/zero ;;
    nonsense) echo 'welcome' ;;
    wrong) echo '{"ok": true, "quota": "800"}' ;;
    hang) exec sleep 1000 ;;
    well) echo '{"ok": true}' ;;
esac"#;
    let daemon = with(script, "deadline: \"500ms\", cache: Never");
    let set = |how: &str| std::fs::write(daemon.folder().join("how"), how).unwrap();
    for (how, said) in [
        ("crash", "it ended with signal: 11"),
        ("fail", "it ended with exit status: 7: no server"),
        ("flood", "it has written more than 65536 bytes"),
        ("nonsense", "its answer is not understood"),
        ("wrong", "quota: 800 bytes? write \"800MB\""),
        ("hang", "it took longer than 500ms"),
    ] {
        set(how);
        for _ in 0..4 {
            assert_eq!(code(&daemon, "ann", "geheim"), 421, "{how}");
        }
        let told = daemon.wait_log(said);
        assert!(
            told.contains("authenticator: ") && told.contains("ann cannot log in"),
            "{told}"
        );
        assert_eq!(code(&daemon, "tom", PASSWORD), 230);
    }
    set("well");
    assert_eq!(
        code(&daemon, "ann", "geheim"),
        230,
        "the failures were counted"
    );
    // What cannot be run at all.
    std::fs::remove_file(daemon.folder().join("who")).unwrap();
    assert_eq!(code(&daemon, "ann", "geheim"), 421);
    daemon.wait_log("cannot be run: No such file");
}

/// As many as may run hang until the test lets them go; passwords of the store are checked
/// meanwhile, and the helper ends with the daemon.
#[test]
fn a_program_that_hangs_holds_nobody_else() {
    let script = r#"echo "$line" >> $at/asked; until [ -e $at/open ]; do sleep 0.05; done; echo '{"ok": true}'"#;
    let mut daemon = with(script, "deadline: \"20s\", at_most: 2");
    let server = daemon.ftp_address();
    let waiting: Vec<_> = (0..12)
        .map(|number| {
            std::thread::spawn(move || Ftp::try_login(server, &format!("u{number}"), "x").1)
        })
        .collect();
    daemon.login("tom").put("", "file", b"12345");
    until("two questions", || {
        (asked(&daemon).len() == 2).then_some(())
    });
    for _ in 0..5 {
        assert_eq!(code(&daemon, "tom", PASSWORD), 230);
        assert_eq!(code(&daemon, "tom", "wrong"), 530);
        assert_eq!(daemon.login("tom").get("file"), b"12345");
    }
    assert_eq!(asked(&daemon).len(), 2, "more run than may");
    std::fs::write(daemon.folder().join("open"), "").unwrap();
    for login in waiting {
        assert_eq!(login.join().unwrap(), 230);
    }
    let helper = helper_of(&daemon);
    daemon.stop();
    wait_end_of(&helper);
}

/// The number of the daemon's helper process.
pub(super) fn helper_of(daemon: &Daemon) -> String {
    let pid = daemon.pid();
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    let children: Vec<&str> = children.split_whitespace().collect();
    assert_eq!(children.len(), 1, "{children:?}");
    children[0].to_owned()
}

/// Whoever is its parent by then may not wait for it.
#[track_caller]
pub(super) fn wait_end_of(helper: &str) {
    let stat = Path::new("/proc").join(helper).join("stat");
    until("the end of the helper", || {
        let told = std::fs::read_to_string(&stat);
        let has_ended = told.is_err() || told.is_ok_and(|told| told.contains(") Z "));
        has_ended.then_some(())
    });
}

/// Nobody restarts it: the daemon could not.
#[test]
fn a_helper_that_has_ended_is_told_of() {
    let daemon = with(WHO, "");
    assert_eq!(code(&daemon, "ann", "geheim"), 230);
    let helper: i32 = helper_of(&daemon).parse().unwrap();
    let helper = rustix::process::Pid::from_raw(helper).unwrap();
    rustix::process::kill_process(helper, rustix::process::Signal::KILL).unwrap();
    assert_eq!(code(&daemon, "bea", "geheim"), 421);
    daemon.wait_log("its helper process has ended; restart skiffd");
    assert_eq!(code(&daemon, "ann", "geheim"), 230, "it is remembered");
    assert_eq!(code(&daemon, "tom", PASSWORD), 230);
}

/// An answer about a home that is not there, or that the walls keep away.
#[test]
fn a_home_that_cannot_be_is_421() {
    let script = r#"echo '{"ok": true, "home": "$at/elsewhere/ann"}'"#;
    let daemon = with(script, "");
    assert_eq!(code(&daemon, "ann", "geheim"), 421);
    daemon.wait_log("ann cannot log in: the home ");
}

#[test]
fn a_change_of_the_section_needs_a_restart() {
    let daemon = with(WHO, "");
    let settings = std::fs::read_to_string(daemon.settings()).unwrap();
    let changed = settings.replace("authenticator: (", "authenticator: (at_most: 2, ");
    std::fs::write(daemon.settings(), changed).unwrap();
    let told = daemon.reload();
    let told = format!(
        "{}{}",
        String::from_utf8_lossy(&told.stdout),
        String::from_utf8_lossy(&told.stderr)
    );
    assert!(told.contains("authenticator"), "{told}");
    assert_eq!(code(&daemon, "ann", "geheim"), 230);
}
