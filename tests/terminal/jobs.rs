//! Transfers in the background, on sessions of their own.

use std::fs;

use super::desk::Desk;
use super::line::Line;
use crate::harness::{Daemon, noise, until};

/// What a narrow line carries in 15 s.
const BIG: usize = 12_000_000;

#[test]
fn a_transfer_runs_in_the_background_while_one_goes_on() {
    let daemon = Daemon::demo();
    let line = Line::to(daemon.address());
    let desk = Desk::new();
    let data = noise(1, BIG);
    desk.write("big", &data);
    let mut tom = desk.log_in(line.address());
    line.narrow();
    assert_eq!(tom.ask("put big &"), "[1] put big");
    assert_eq!(tom.ask("mkdir made"), "257 /made");
    // It logs in first.
    let said = until("the job's progress", || {
        let said = tom.ask("jobs");
        said.contains("[1] put big: big: ").then_some(said)
    });
    assert!(said.contains('%'), "{said}");
    // What is stopped is the command, not the job.
    tom.start_command("get -r . back");
    tom.press("C-c");
    assert!(tom.answer().contains("stopped"));
    assert!(tom.ask("jobs").contains("[1] put big"));
    assert!(
        tom.ask("lcd /")
            .contains("jobs run here; wait for them first")
    );
    line.widen();
    let said = tom.ask("wait");
    assert!(said.contains("stored and verified"), "{said}");
    assert!(said.contains("[1] put big: done"), "{said}");
    assert_eq!(fs::read(daemon.home("tom").join("big")).unwrap(), data);
    assert_eq!(tom.ask("jobs"), "");
}

#[test]
fn a_job_is_stopped_and_gone_on_with() {
    let daemon = Daemon::demo();
    let line = Line::to(daemon.address());
    let desk = Desk::new();
    fs::create_dir(desk.path("tree")).unwrap();
    for n in 0..200 {
        desk.write(&format!("tree/{n}"), &noise(n, 50_000));
    }
    let mut tom = desk.log_in(line.address());
    line.narrow();
    assert_eq!(tom.ask("put -r -j 3 tree &"), "[1] put -r -j 3 tree");
    assert_eq!(tom.ask("kill %1"), "");
    let said = tom.ask("wait %1");
    assert!(said.contains("[1] put -r -j 3 tree: "), "{said}");
    assert!(said.contains("stopped"), "{said}");
    assert!(
        tom.ask("kill %1")
            .contains("%1: no such job; jobs lists them")
    );
    line.widen();
    assert_eq!(tom.ask("put -r tree &"), "[1] put -r tree");
    assert!(tom.ask("wait").contains("[1] put -r tree: done"));
    let stored = fs::read_dir(daemon.home("tom").join("tree")).unwrap();
    assert_eq!(stored.count(), 200);
}

#[test]
fn leaving_asks_while_a_job_runs() {
    let daemon = Daemon::demo();
    let line = Line::to(daemon.address());
    let desk = Desk::new();
    desk.write("big", &noise(1, BIG));
    let mut tom = desk.log_in(line.address());
    line.narrow();
    tom.ask("put big &");
    tom.enter("bye");
    tom.wait_for("1 job runs; stop and leave? (y/n)");
    tom.enter("n");
    tom.prompt();
    tom.press("C-d");
    tom.wait_for("1 job runs; stop and leave? (y/n)");
    tom.enter("y");
    assert_eq!(tom.exit_code(), 0);
}

#[test]
fn a_script_waits_for_its_jobs() {
    let daemon = Daemon::demo();
    let desk = Desk::new();
    for name in ["a", "b", "&"] {
        desk.write(name, name.as_bytes());
    }
    let ran = |line: &str| desk.batch(daemon.address(), &["-c", line], "");
    let both = ran("put a & put b & wait; stat a b");
    assert_eq!(both.code, 0, "{}", both.complained);
    assert!(both.said.contains("stored and verified"), "{}", both.said);
    let late = ran("delete a; put a &");
    assert_eq!(late.code, 0, "{}", late.complained);
    assert_eq!(fs::read(daemon.home("tom").join("a")).unwrap(), b"a");
    ran("put none &").fails(1, "[1] put none: none: no such file or directory");
    ran("put none & wait; pwd").fails(1, "1 job has failed");
    ran("ls &").fails(1, "ls: only get, put and sync run in the background");
    // Inside quotes and words it is a name's.
    let named = ran("put '&'; put \\& a&b; sync -n . :b&");
    assert_eq!(named.code, 0, "{}", named.complained);
    assert!(daemon.home("tom").join("&").exists() && daemon.home("tom").join("a&b").exists());
}
