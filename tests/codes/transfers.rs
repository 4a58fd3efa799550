//! Files on their way down and up.

use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::harness::{Daemon, Peer, Tail, ask_all, md5};

const TEXT: &[u8] = b"what a file may hold";

pub(super) fn download_from_the_start(daemon: &Daemon) {
    let mut tom = with_file(daemon);
    tom.ask("RETR file", 150);
    tom.ask("200", 200);
    assert_eq!(tom.body(), (TEXT.to_vec(), Tail::End));
    tom.expect(226);
}

pub(super) fn download_resumed(daemon: &Daemon) {
    let mut tom = with_file(daemon);
    tom.ask("RETR file", 150);
    tom.ask(&format!("210 offset=5 md5={}", md5(&TEXT[..5])), 210);
    assert_eq!(tom.body(), (TEXT[5..].to_vec(), Tail::End));
    tom.expect(226);
}

pub(super) fn have_it_already(daemon: &Daemon) {
    let mut tom = with_file(daemon);
    tom.ask("RETR file", 150);
    tom.send("400");
    tom.ask("PWD", 257);
}

pub(super) fn download_declined(daemon: &Daemon) {
    let mut tom = with_file(daemon);
    tom.ask("RETR file", 150);
    tom.send("401");
    tom.ask("PWD", 257);
}

pub(super) fn all_sent(daemon: &Daemon) {
    let mut tom = with_file(daemon);
    tom.ask("RETR start=0 file", 150);
    tom.body();
    let answer = tom.expect(226);
    assert_eq!(answer.number("size"), TEXT.len() as u64);
    assert_eq!(answer.token("md5"), md5(TEXT));
}

pub(super) fn equal(daemon: &Daemon) {
    let mut tom = with_file(daemon);
    tom.get("file");
    tom.send(&format!("227 md5={}", md5(TEXT)));
    tom.ask("PWD", 257);
}

pub(super) fn different(daemon: &Daemon) {
    let mut tom = with_file(daemon);
    tom.get("file");
    tom.send("550 different");
    tom.ask("PWD", 257);
    assert_eq!(tom.get("file"), TEXT);
}

pub(super) fn sending_all(daemon: &Daemon) {
    let mut tom = with_file(daemon);
    tom.ask("RETR file", 150);
    let answer = tom.ask(&format!("210 offset=5 md5={}", md5(b"other")), 200);
    assert_eq!(answer.number("size"), TEXT.len() as u64);
    assert_eq!(tom.body(), (TEXT.to_vec(), Tail::End));
}

pub(super) fn sending_the_rest(daemon: &Daemon) {
    let mut tom = with_file(daemon);
    tom.ask("RETR file", 150);
    let answer = tom.ask(&format!("210 offset={} md5={}", TEXT.len(), md5(TEXT)), 210);
    assert_eq!(answer.number("offset"), TEXT.len() as u64);
    assert_eq!(tom.body(), (vec![], Tail::End));
    assert_eq!(tom.expect(226).token("md5"), md5(TEXT));
}

pub(super) fn directories_are_not_sent(daemon: &Daemon) {
    let mut tom = daemon.login("tom");
    ask_all(
        &mut tom,
        &[("MKD a", 257), ("RETR a", 551), ("RETR /", 551)],
    );
}

pub(super) fn what_is_no_file(daemon: &Daemon) {
    let fifo = daemon.home("tom").join("fifo");
    mknodat(CWD, &fifo, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    daemon.login("tom").ask("RETR fifo", 550);
}

pub(super) fn nothing_to_send(daemon: &Daemon) {
    let mut tom = with_file(daemon);
    ask_all(&mut tom, &[("RETR missing", 404), ("RETR file/x", 404)]);
}

pub(super) fn over_quota(daemon: &Daemon) {
    let mut tom = daemon.login("tom");
    let limit = tom.ask("DF", 213).number("limit");
    let answer = tom.ask(&format!("STOR size={} huge", limit + 1), 551);
    assert_eq!(answer.number("needed"), limit + 1);
    assert_eq!(answer.number("available"), limit);
}

pub(super) fn send(daemon: &Daemon) {
    let mut tom = daemon.login("tom");
    tom.ask(&format!("STOR size={} new", TEXT.len()), 150);
    tom.fill(TEXT, TEXT);
}

pub(super) fn a_part_is_here(daemon: &Daemon) {
    let (_, answer) = with_part(daemon);
    assert_eq!(answer, (7, md5(&TEXT[..7])));
}

pub(super) fn upload_resumed(daemon: &Daemon) {
    let (mut tom, _) = with_part(daemon);
    tom.ask("211", 212);
    tom.fill(&TEXT[7..], TEXT);
    assert_eq!(tom.get("part"), TEXT);
}

pub(super) fn resume_acknowledged(daemon: &Daemon) {
    let (mut tom, _) = with_part(daemon);
    assert_eq!(tom.ask("211", 212).number("offset"), 7);
}

pub(super) fn upload_from_the_start(daemon: &Daemon) {
    let (mut tom, _) = with_part(daemon);
    assert_eq!(tom.ask("200", 212).number("offset"), 0);
    tom.fill(TEXT, TEXT);
    assert_eq!(tom.get("part"), TEXT);
}

pub(super) fn upload_declined(daemon: &Daemon) {
    let (mut tom, _) = with_part(daemon);
    tom.send("410");
    tom.ask("PWD", 257);
    let stages = tom.list("STAGES");
    assert!(stages["/part"].contains("size=7;"), "{stages:?}");
}

pub(super) fn all_was_sent(daemon: &Daemon) {
    let mut tom = daemon.login("tom");
    tom.ask("STOR size=0 empty", 150);
    tom.tail(Tail::End);
    assert!(!daemon.home("tom").join("empty").exists());
    tom.ask(&format!("225 md5={}", md5(b"")), 226);
    assert!(daemon.home("tom").join("empty").exists());
}

pub(super) fn stored(daemon: &Daemon) {
    with_file(daemon);
    assert_eq!(
        std::fs::read(daemon.home("tom").join("file")).unwrap(),
        TEXT
    );
}

pub(super) fn not_verified(daemon: &Daemon) {
    let mut tom = daemon.login("tom");
    tom.ask("STOR size=5 file", 150);
    tom.frame(b"hallo");
    tom.tail(Tail::End);
    tom.ask(&format!("225 md5={}", md5(b"hello")), 550);
    tom.ask("STAT file", 404);
}

pub(super) fn already_there(daemon: &Daemon) {
    let mut tom = with_file(daemon);
    let answer = tom.ask(&format!("STOR size={} file", TEXT.len()), 200);
    assert_eq!(answer.number("size"), TEXT.len() as u64);
    assert_eq!(answer.token("md5"), md5(TEXT));
}

fn with_file(daemon: &Daemon) -> Peer {
    let mut tom = daemon.login("tom");
    tom.put("", "file", TEXT);
    tom
}

/// A session that was offered to resume a part of seven bytes, and what the offer says.
fn with_part(daemon: &Daemon) -> (Peer, (u64, String)) {
    let mut tom = daemon.login("tom");
    tom.leave_part("", "part", TEXT, 7);
    let answer = tom.ask(&format!("STOR size={} part", TEXT.len()), 210);
    let offer = (answer.number("have"), answer.token("md5").to_owned());
    (tom, offer)
}
