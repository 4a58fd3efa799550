//! A transfer as it is seen: the bar, the questions, and what each answer leads to.

use std::fs;

use super::desk::Desk;
use super::line::Line;
use super::screen::Terminal;
use crate::harness::{Daemon, noise};

/// What a narrow line carries in 50 s; a test widens it when it has seen enough.
const BIG: usize = 40_000_000;

/// The part of it that is there already.
const HAVE: usize = 300_000;
const SIZE: usize = 1_000_000;

#[test]
fn a_bar_shows_how_far_a_file_is_both_ways() {
    let daemon = Daemon::demo();
    let line = Line::to(daemon.address());
    let desk = Desk::new();
    let data = noise(1, BIG);
    desk.write("big", &data);
    let mut tom = desk.log_in(line.address());
    for command in ["put big", "get big copy"] {
        line.narrow();
        tom.enter(command);
        wait_for_bar(&tom);
        line.widen();
        let said = tom.answer();
        assert!(said.starts_with("226 "), "{said}");
        assert!(said.contains(": 40000000 bytes in "), "{said}");
        assert!(said.contains("/s), stored and verified ("), "{said}");
        assert!(!said.contains('%'), "the bar stays: {said}");
    }
    assert_eq!(desk.read("copy"), data);
    assert_eq!(fs::read(daemon.home("tom").join("big")).unwrap(), data);
}

#[test]
fn an_upload_is_resumed_where_the_answer_is_yes() {
    let daemon = Daemon::demo();
    let desk = Desk::new();
    let (mut tom, data) = part_there(&daemon, &desk);
    tom.enter("y");
    let said = tom.answer();
    assert!(
        said.starts_with("226 file: 1000000 bytes (700000 of them now) in "),
        "{said}"
    );
    assert_eq!(tom.ask("stages"), "");
    assert_eq!(fs::read(daemon.home("tom").join("file")).unwrap(), data);
}

#[test]
fn an_upload_that_is_not_resumed_keeps_its_part() {
    let daemon = Daemon::demo();
    let desk = Desk::new();
    let (mut tom, _) = part_there(&daemon, &desk);
    tom.enter("n");
    assert_eq!(tom.answer(), "file: not resumed, the part stays as it is");
    assert_eq!(tom.ask("pwd"), "257 /");
    let stages = tom.ask("stages");
    assert!(
        stages.trim().starts_with("300000 ") && stages.ends_with("file"),
        "{stages}"
    );
    assert!(!daemon.home("tom").join("file").exists());
}

#[test]
fn a_download_is_resumed_where_the_answer_is_yes() {
    let daemon = Daemon::demo();
    let desk = Desk::new();
    let (mut tom, data) = part_here(&daemon, &desk);
    tom.enter("y");
    let said = tom.answer();
    assert!(
        said.starts_with("226 file: 1000000 bytes (700000 of them now) in "),
        "{said}"
    );
    assert_eq!(desk.read("file"), data);
    assert!(!desk.path("file.skiff-part").exists());
}

#[test]
fn a_download_that_is_not_resumed_keeps_its_part() {
    let daemon = Daemon::demo();
    let desk = Desk::new();
    let (mut tom, data) = part_here(&daemon, &desk);
    tom.enter("n");
    assert_eq!(tom.answer(), "file: not resumed, the part stays as it is");
    assert_eq!(tom.ask("pwd"), "257 /");
    assert_eq!(desk.read("file.skiff-part"), data[..HAVE]);
    assert!(!desk.path("file").exists());
}

#[test]
fn another_file_is_replaced_only_where_the_answer_is_yes() {
    let daemon = Daemon::demo();
    let mut peer = daemon.login("tom");
    let old = noise(1, SIZE);
    peer.put("", "file", &old);
    let desk = Desk::new();
    let new = noise(2, SIZE);
    desk.write("file", &new);
    let mut tom = desk.log_in(daemon.address());
    for (answer, told, left) in [
        ("n", "file: another file is there", &old),
        ("y", "226 ", &new),
    ] {
        tom.enter("put file");
        tom.wait_for("file: another file is there, replace it? (y/n)");
        tom.enter(answer);
        let said = tom.answer();
        assert!(said.starts_with(told), "{said}");
        assert!(&peer.get("file") == left, "after {answer}");
    }
    let said = tom.ask("put file");
    assert!(
        said.starts_with("file: 1000000 bytes are there already"),
        "{said}"
    );
    let said = tom.ask("get file");
    assert!(
        said.starts_with("file: 1000000 bytes are here already"),
        "{said}"
    );
}

/// A part of an upload at the server, and a terminal that asks about it.
fn part_there(daemon: &Daemon, desk: &Desk) -> (Terminal, Vec<u8>) {
    let data = noise(1, SIZE);
    daemon.login("tom").leave_part("", "file", &data, HAVE);
    desk.write("file", &data);
    let mut tom = desk.log_in(daemon.address());
    tom.enter("put file");
    tom.wait_for("file: 300000 of 1000000 bytes are there already, resume? (y/n)");
    (tom, data)
}

/// A part of a download here, likewise.
fn part_here(daemon: &Daemon, desk: &Desk) -> (Terminal, Vec<u8>) {
    let data = noise(1, SIZE);
    daemon.login("tom").put("", "file", &data);
    desk.write("file.skiff-part", &data[..HAVE]);
    let mut tom = desk.log_in(daemon.address());
    tom.enter("get file");
    tom.wait_for("file: 300000 of 1000000 bytes are here already, resume? (y/n)");
    (tom, data)
}

/// A bar on the way: `big  2% [>         ]  1.2 MB/40 MB 800 kB/s eta  0:48`.
#[track_caller]
pub(super) fn wait_for_bar(terminal: &Terminal) {
    terminal.wait("a bar on its way", |shown| {
        let bar = shown.lines().last()?;
        let (head, tail) = bar.split_once("% [")?;
        let percent: u8 = head.split_whitespace().last()?.parse().ok()?;
        let (drawn, figures) = tail.split_once("] ")?;
        let (bytes, rest) = figures.split_once('/')?;
        let (rate, eta) = rest.split_once("/s eta ")?;
        let moves = (1..100).contains(&percent) && drawn.contains('>') && eta.contains(':');
        let counts = bytes.ends_with("MB") && rate.starts_with("40 MB ");
        (moves && counts && !rate.ends_with(" 0 B")).then_some(())
    });
}
