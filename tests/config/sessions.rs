//! Sessions under way, when the operator changes their account.

use std::time::Instant;

use crate::harness::{Daemon, Ftp, PASSWORD, PATIENCE, Peer};

/// The session hears why, and its connection ends.
#[track_caller]
fn ends(mut peer: Peer) {
    let last = peer.until_closed();
    let told: Vec<_> = last.iter().map(|answer| answer.line.as_str()).collect();
    assert_eq!(
        told,
        ["421 why=account-changed your account was changed, log in again"]
    );
}

/// Makes one directory after the other until that is answered by `code`: the daemon hears of a
/// change a moment after it is made.
#[track_caller]
fn until_made(peer: &mut Peer, code: u16) {
    let until = Instant::now() + PATIENCE;
    for number in 0.. {
        let answered = peer.code(&format!("MKD {code}-{number}"));
        if answered == code {
            return;
        }
        assert!(Instant::now() < until, "it is {answered}");
    }
}

#[test]
fn sessions_end_with_what_they_logged_in_by() {
    for words in [
        &["set", "tom", "--disable"][..],
        &["del", "tom"],
        &["passwd", "tom", "--password-stdin"],
    ] {
        let daemon = Daemon::with_ftp();
        let (tom, mut jerry) = (daemon.login("tom"), daemon.login("jerry"));
        let mut ftp = Ftp::login(daemon.ftp_address(), "tom");
        daemon.user(words, "another\n");
        ends(tom);
        assert_eq!(ftp.heard(), 421, "{words:?}");
        jerry.ask("PWD", 257);
    }
}

#[test]
fn an_upload_is_stopped_and_its_stage_stays() {
    let daemon = Daemon::demo();
    let mut tom = daemon.login("tom");
    tom.ask("STOR size=10 file", 150);
    tom.frame(b"12345");
    daemon.user(&["set", "tom", "--disable"], "");
    let last = tom.until_closed();
    let codes: Vec<_> = last.iter().map(|answer| answer.code).collect();
    assert_eq!(codes, [550, 421], "{last:?}");
    daemon.user(&["set", "tom", "--enable"], "");
    let kept = daemon.login("tom").store_again("STOR size=10 file");
    assert_eq!((kept.code, kept.number("have")), (210, 5));
}

#[test]
fn who_may_not_use_ftp_any_more_leaves_it_and_stays_elsewhere() {
    let daemon = Daemon::with_ftp();
    let (mut native, mut ftp) = (daemon.login("tom"), Ftp::login(daemon.ftp_address(), "tom"));
    daemon.user(&["set", "tom", "--ftp", "off"], "");
    assert_eq!(ftp.heard(), 421);
    native.ask("PWD", 257);
}

#[test]
fn rights_count_from_the_next_command_on() {
    let daemon = Daemon::demo();
    let mut tom = daemon.login("tom");
    tom.ask("MKD one", 257);
    daemon.user(&["set", "tom", "--read-only"], "");
    until_made(&mut tom, 403);
    daemon.user(&["set", "tom", "--read-write"], "");
    until_made(&mut tom, 257);
}

#[test]
fn the_operator_may_let_them_stay() {
    let daemon = Daemon::demo();
    let mut tom = daemon.login("tom");
    daemon.user(&["set", "tom", "--disable", "--keep-sessions"], "");
    assert_eq!(daemon.peer().login("tom", PASSWORD).code, 530);
    // What comes later does not end it either.
    let mut jerry = daemon.login("jerry");
    daemon.user(&["set", "jerry", "--read-only"], "");
    until_made(&mut jerry, 403);
    tom.ask("MKD one", 257);
}

#[test]
fn a_user_who_changes_the_password_ends_the_other_sessions() {
    let daemon = Daemon::demo();
    let (mut here, there) = (daemon.login("tom"), daemon.login("tom"));
    assert_eq!(here.change_password(PASSWORD, "another").code, 250);
    ends(there);
    here.ask("PWD", 257);
}
