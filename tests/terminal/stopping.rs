//! Ctrl-C while something runs: that stops, the session does not.

use std::fs;

use super::desk::Desk;
use super::line::Line;
use super::transfers::wait_for_bar;
use crate::harness::{Daemon, noise, until};

/// What a narrow line carries in 50 s.
const BIG: usize = 40_000_000;

#[test]
fn ctrl_c_stops_an_upload_and_the_second_try_resumes() {
    let daemon = Daemon::demo();
    let line = Line::to(daemon.address());
    let desk = Desk::new();
    let data = noise(1, BIG);
    desk.write("big", &data);
    let mut tom = desk.log_in(line.address());
    line.narrow();
    tom.enter("put big");
    wait_for_bar(&tom);
    tom.press("C-c");
    line.widen();
    let said = tom.answer();
    assert!(
        said.ends_with("big: stopped; put it again to go on"),
        "{said}"
    );
    assert_eq!(tom.ask("pwd"), "257 /");
    assert!(!daemon.home("tom").join("big").exists());

    tom.enter("put big");
    tom.wait_for(" of 40000000 bytes are there already, resume? (y/n)");
    tom.enter("y");
    let said = tom.answer();
    assert!(said.starts_with("226 big: 40000000 bytes ("), "{said}");
    assert!(said.contains(" of them now) in "), "{said}");
    assert_eq!(fs::read(daemon.home("tom").join("big")).unwrap(), data);
}

#[test]
fn ctrl_c_stops_a_download_and_the_second_try_resumes() {
    let daemon = Daemon::demo();
    let data = noise(1, BIG);
    daemon.login("tom").put("", "big", &data);
    let line = Line::to(daemon.address());
    let desk = Desk::new();
    let mut tom = desk.log_in(line.address());
    line.narrow();
    tom.enter("get big");
    wait_for_bar(&tom);
    tom.press("C-c");
    line.widen();
    let said = tom.answer();
    assert!(
        said.ends_with("big: stopped; get it again to go on"),
        "{said}"
    );
    assert_eq!(tom.ask("pwd"), "257 /");
    assert!(!desk.path("big").exists());
    let part = desk.read("big.skiff-part");
    assert!(!part.is_empty() && data.starts_with(&part));

    tom.enter("get big");
    tom.wait_for(" of 40000000 bytes are here already, resume? (y/n)");
    tom.enter("y");
    let said = tom.answer();
    assert!(said.starts_with("226 big: 40000000 bytes ("), "{said}");
    assert_eq!(desk.read("big"), data);
}

#[test]
fn a_second_ctrl_c_does_not_wait_for_the_server() {
    let daemon = Daemon::demo();
    let line = Line::to(daemon.address());
    let desk = Desk::new();
    desk.write("big", &noise(1, BIG));
    let mut tom = desk.log_in(line.address());
    line.narrow();
    tom.enter("put big");
    wait_for_bar(&tom);
    // Or it answers before the second.
    line.shut();
    // Two that come too close are one to the kernel.
    let code = until("the program's end", || {
        tom.press("C-c");
        tom.ended()
    });
    tom.wait_for("closed by a second Ctrl-C");
    assert_eq!(code, 3);
}

#[test]
fn ctrl_c_is_an_answer_to_a_question() {
    let daemon = Daemon::demo();
    let desk = Desk::new();
    let data = noise(1, 100_000);
    daemon.login("tom").put("", "file", &data);
    desk.write("file.skiff-part", &data[..1000]);
    let mut tom = desk.log_in(daemon.address());
    tom.enter("get file");
    tom.wait_for("resume? (y/n)");
    tom.press("C-c");
    let said = tom.answer();
    assert!(
        said.ends_with("file: stopped; get it again to go on"),
        "{said}"
    );
    assert_eq!(tom.ask("pwd"), "257 /");
    assert_eq!(desk.read("file.skiff-part"), data[..1000]);
}

#[test]
fn ctrl_c_at_the_password_ends_the_program() {
    let daemon = Daemon::demo();
    let desk = Desk::new();
    let target = format!("tom@{}", daemon.address());
    let terminal = desk.sit(&["--trust", "new", &target]);
    terminal.wait_for("password:");
    terminal.press("C-c");
    assert_eq!(terminal.exit_code(), 128 + 2);
}
