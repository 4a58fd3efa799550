//! Bans after failed logins: whom they meet, and what they are told.

use std::io::Read;
use std::net::TcpStream;

use crate::harness::{Daemon, Ftp, PASSWORD, Peer, Speech, Wire};

const OF_USER: &str =
    "421 why=banned too many failed logins of this user from your address, try again later";
const OF_ADDRESS: &str = "421 why=banned too many failed logins from your address, try again later";

#[test]
fn a_slip_bans_its_user_only_and_a_right_password_clears_it() {
    let daemon = Daemon::with("limits: (ban_after: 3, exempt: []),");
    let wrong = |user: &str| assert_eq!(daemon.peer().login(user, "124").code, 530);
    for _ in 0..4 {
        wrong("tom");
        wrong("tom");
        daemon.login("tom");
    }
    wrong("jerry");
    wrong("jerry");
    assert_eq!(daemon.peer().login("jerry", "124").line, OF_USER);
    assert_eq!(daemon.peer().login("jerry", PASSWORD).line, OF_USER);
    daemon.login("tom");
    daemon.login("sam");
    daemon.wait_log("banned: address=127.0.0.1 user=jerry seconds=600 cause=3 failed logins");
    assert_eq!(daemon.log().matches("Z banned: ").count(), 1);
}

/// A proof that was asked for before the ban is not judged behind it.
#[test]
fn who_is_amid_a_login_hears_of_the_ban_and_learns_nothing() {
    let daemon = Daemon::with("limits: (ban_after: 1, exempt: []),");
    let mut amid = daemon.peer();
    let finish = amid.begin_slow_login("tom", PASSWORD);
    assert_eq!(daemon.peer().login("tom", "124").line, OF_USER);
    amid.send(&finish);
    assert_eq!(amid.reply().line, OF_USER);
}

#[test]
fn whoever_tries_many_users_is_told_in_clear_and_behind_any_handshake() {
    let folder = tempfile::tempdir().unwrap();
    let keys = "ftp: (listen: [], tls: Optional), limits: (ban_address_after: 2, exempt: []),";
    crate::harness::write_settings(folder.path(), keys);
    let daemon = Daemon::with_ftp_in(folder);
    // Before the ban, one without and one with a handshake.
    let raw = TcpStream::connect(daemon.address()).unwrap();
    let mut secured = daemon.peer();
    let mut mallory = daemon.login("tom");
    assert_eq!(daemon.peer().login("jerry", "124").code, 530);
    assert_eq!(daemon.peer().login("nobody", "124").line, OF_ADDRESS);
    daemon.wait_log("banned: address=127.0.0.1 seconds=600 cause=failed logins of 2 users");
    assert_eq!(
        Peer::new(Wire::over(raw, Speech::Tls)).reply().line,
        OF_ADDRESS
    );
    assert_eq!(secured.reply().line, OF_ADDRESS);
    assert_eq!(daemon.peer().reply().line, OF_ADDRESS);
    let mut said = String::new();
    let mut ftp = TcpStream::connect(daemon.ftp_address()).unwrap();
    ftp.read_to_string(&mut said).unwrap();
    assert_eq!(
        said,
        "421 too many failed logins from your address, try again later\r\n"
    );
    // Who is in stays.
    mallory.ask("PWD", 257);
}

#[test]
fn surplus_peers_are_told_in_both_dialects() {
    let folder = tempfile::tempdir().unwrap();
    let keys = "ftp: (listen: [], tls: Optional), limits: (sessions_per_address: 1, exempt: []),";
    crate::harness::write_settings(folder.path(), keys);
    let daemon = Daemon::with_ftp_in(folder);
    let _in = Ftp::login(daemon.ftp_address(), "tom");
    assert_eq!(
        daemon.peer().reply().line,
        "421 why=sessions-of-address too many sessions from your address, close one first"
    );
    let mut said = String::new();
    let mut ftp = TcpStream::connect(daemon.ftp_address()).unwrap();
    ftp.read_to_string(&mut said).unwrap();
    assert!(
        said.starts_with("421 too many sessions from your address"),
        "{said}"
    );
}
