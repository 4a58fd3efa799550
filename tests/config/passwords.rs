//! PASSWD against a running daemon: who may change a password, and what holds afterwards.

use crate::harness::{Daemon, Ftp, PASSWORD};

const NEW: &str = "a new one";
const NEWER: &str = "a newer one";

#[test]
fn a_user_changes_his_own_password_and_the_old_one_is_wrong_at_once_in_both_dialects() {
    let daemon = Daemon::with_ftp();
    let ftp = |password: &str| Ftp::try_login(daemon.ftp_address(), "tom", password).1;
    // Proven passwords are cached for FTP.
    assert_eq!(ftp(PASSWORD), 230);
    let mut tom = daemon.login("tom");
    let changed = tom.change_password(PASSWORD, NEW);
    assert_eq!(changed.line, "250 password changed");
    assert_eq!(ftp(PASSWORD), 530);
    assert_eq!(daemon.peer().login("tom", PASSWORD).code, 530);
    assert_eq!(ftp(NEW), 230);
    daemon.login_as("tom", NEW).ask("PWD", 257);
    // The session goes on, and knows what it has set.
    assert_eq!(tom.change_password(NEW, NEWER).code, 250);
    daemon.login_as("tom", NEWER);
    daemon.login("jerry");
}

#[test]
fn whoever_finds_an_open_session_cannot_take_the_account() {
    let daemon = Daemon::demo();
    let mut found = daemon.login("tom");
    for guess in ["124", "125"] {
        let refused = found.change_password(guess, NEW);
        let text =
            "403 why=wrong-password the old password is wrong, or was changed since this login";
        assert_eq!(refused.line, text);
        daemon.wait_log("login failed");
        found.ask("PWD", 257);
    }
    assert_eq!(found.change_password("126", NEW).code, 403);
    let last = found.until_closed();
    let codes: Vec<u16> = last.iter().map(|answer| answer.code).collect();
    assert_eq!(codes, [421], "{last:?}");
    daemon.login("tom");
    assert_eq!(daemon.peer().login("tom", NEW).code, 530);
}

/// They count as the user's failed logins do, and are no matter of others at the address.
#[test]
fn guesses_within_have_the_user_banned_there() {
    let daemon = Daemon::with("limits: (ban_after: 2, exempt: []),");
    let mut found = daemon.login("tom");
    for guess in ["124", "125"] {
        assert_eq!(found.change_password(guess, NEW).code, 403);
    }
    daemon.wait_log("banned: address=127.0.0.1 user=tom seconds=600");
    let refused = daemon.peer().login("tom", PASSWORD);
    assert_eq!(
        refused.line,
        "421 why=banned too many failed logins of this user from your address, try again later"
    );
    daemon.login("jerry");
}

#[test]
fn the_operator_decides_whose_password_may_be_changed_and_is_obeyed_at_once() {
    let daemon = Daemon::demo();
    let mut tom = daemon.login("tom");
    let fixed =
        "403 why=password-fixed the password of this account is changed by the server's operator";
    for options in [
        &["--passwd", "off"][..],
        &["--passwd", "default", "--read-only"],
    ] {
        daemon.user(&[&["set", "tom"], options].concat(), "");
        assert_eq!(
            tom.change_password(PASSWORD, NEW).line,
            fixed,
            "{options:?}"
        );
        assert_eq!(tom.change_password("124", NEW).line, fixed, "{options:?}");
    }
    daemon.user(&["set", "tom", "--passwd", "on"], "");
    assert_eq!(tom.change_password(PASSWORD, NEW).code, 250);
    daemon.login_as("tom", NEW);
    let list = daemon.user(&["list"], "");
    assert!(list.contains("tom    read-only, passwd"), "{list}");
}

/// What the operator has set meanwhile is not what the session's user proves.
#[test]
fn a_password_that_the_operator_has_changed_is_the_old_one() {
    let daemon = Daemon::demo();
    let mut tom = daemon.login("tom");
    let words = ["passwd", "tom", "--keep-sessions", "--password-stdin"];
    daemon.user(&words, &format!("{NEW}\n"));
    assert_eq!(tom.change_password(PASSWORD, NEWER).code, 403);
    assert_eq!(daemon.peer().login("tom", PASSWORD).code, 530);
    let mut tom = daemon.login_as("tom", NEW);
    assert_eq!(tom.change_password(NEW, NEWER).code, 250);
    daemon.login_as("tom", NEWER);
}

#[test]
fn a_new_password_that_is_cheap_to_guess_is_refused() {
    let daemon = Daemon::demo();
    let key = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let keys = format!("stored={key} server={key}");
    let mut tom = daemon.login("tom");
    for line in [
        format!("PASSWD salt=AAAAAAAAAAAAAAAAAAAAAA== iterations=9999 {keys} proof={key}"),
        format!("PASSWD salt=AAAA iterations=10000 {keys} proof={key}"),
        format!("PASSWD salt=AAAAAAAAAAAAAAAAAAAAAA== iterations=10000 {keys}"),
    ] {
        tom.ask(&line, 501);
    }
    daemon.login("tom");
}
