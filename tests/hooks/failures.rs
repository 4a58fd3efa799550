//! What a program does wrong costs nobody else anything, and comes again.

use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};

use super::{NOTE, folder_with, noted, on, wait_noted, with, write_script};
use crate::harness::{Daemon, Ftp, until, write_settings};

/// The process that runs the hooks of a daemon.
fn runner_of(daemon: &Daemon) -> Pid {
    let pid = daemon.pid();
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    let children: Vec<i32> = children
        .split_whitespace()
        .map(|it| it.parse().unwrap())
        .collect();
    assert_eq!(children.len(), 1, "{children:?}");
    Pid::from_raw(children[0]).unwrap()
}

/// Each of them would hold its session up for as long as the test is patient.
#[test]
fn a_program_that_hangs_floods_or_crashes_holds_nobody() {
    for (script, said) in [
        (
            "echo begun >> $at/begun; exec sleep 1000",
            "it took longer than 1s",
        ),
        (
            "echo begun >> $at/begun; exec cat /dev/zero >&2",
            "it took longer than 1s",
        ),
        (
            "echo begun >> $at/begun; exec cat /dev/zero",
            "it took longer than 1s",
        ),
        (
            "echo begun >> $at/begun; kill -SEGV $$",
            "it ended with signal: 11",
        ),
        (
            "echo begun >> $at/begun; echo 'no disk' >&2; exit 3",
            "it ended with exit status: 3: no disk",
        ),
    ] {
        let daemon = with(script, &["Upload"], "deadline: \"1s\"");
        let mut tom = Ftp::login(daemon.ftp_address(), "tom");
        assert_eq!(tom.upload("STOR 0", b"1"), 226);
        until("the program's begin", || {
            daemon.folder().join("begun").exists().then_some(())
        });
        for n in 1..20 {
            assert_eq!(tom.upload(&format!("STOR {n}"), b"1"), 226);
        }
        assert_eq!(tom.ask("NOOP"), 200);
        let told = daemon.wait_log(said);
        assert!(
            told.contains("hook ") && told.contains(" for Upload: /"),
            "{told}"
        );
    }
}

#[test]
fn a_hook_that_hangs_holds_no_other_hook() {
    let script = format!("test \"$1\" = hang && exec sleep 1000\n{NOTE}");
    let folder = folder_with(&script);
    let run = folder.path().join("hook");
    let on = format!(
        "on: [(event: Upload, run: [{run:?}, \"hang\"], deadline: \"1s\"), \
         (event: Upload, run: [{run:?}])],"
    );
    let keys = format!("ftp: (listen: [], tls: Optional), {on}");
    write_settings(folder.path(), &keys);
    let daemon = Daemon::with_ftp_in(folder);
    let mut tom = Ftp::login(daemon.ftp_address(), "tom");
    for n in 0..30 {
        assert_eq!(tom.upload(&format!("STOR {n}"), b"1"), 226);
    }
    wait_noted(&daemon, 30);
}

#[test]
fn a_program_that_is_not_there_yet_has_all_events_once_it_is() {
    let folder = folder_with(NOTE);
    let on = on(folder.path(), &["Upload"], "");
    std::fs::remove_file(folder.path().join("hook")).unwrap();
    write_settings(
        folder.path(),
        &format!("ftp: (listen: [], tls: Optional), {on}"),
    );
    let daemon = Daemon::with_ftp_in(folder);
    let mut tom = Ftp::login(daemon.ftp_address(), "tom");
    assert_eq!(tom.upload("STOR file", b"1"), 226);
    daemon.wait_log("it cannot be run: ");
    write_script(daemon.folder(), NOTE);
    let (_, upload) = wait_noted(&daemon, 1).pop().unwrap();
    assert!(upload["try"].as_u64().unwrap() > 1, "{upload}");
}

fn lets(folder: &Path) {
    std::fs::write(folder.join("let"), "").unwrap();
}

/// The program fails until the test lets it, so that the upload's event waits at the kill.
#[test]
fn what_happened_before_a_kill_is_told_after_the_next_start() {
    let script = format!("test -e $at/let || exit 1\n{NOTE}");
    let mut daemon = with(&script, &["Upload"], "");
    let mut tom = Ftp::login(daemon.ftp_address(), "tom");
    for n in 0..20 {
        assert_eq!(tom.upload(&format!("STOR {n}"), b"1"), 226);
    }
    daemon.kill9();
    assert!(noted(daemon.folder()).is_empty());
    lets(daemon.folder());
    daemon.start();
    let mut paths: Vec<_> = wait_noted(&daemon, 20)
        .into_iter()
        .map(|(path, _)| path)
        .collect();
    paths.sort();
    paths.dedup();
    assert_eq!(paths.len(), 20);
}

/// What it had done may come once more: it had no time to write it down.
#[test]
fn the_end_of_the_runner_is_told_and_loses_nothing() {
    let mut daemon = with(NOTE, &["Upload"], "");
    let mut tom = Ftp::login(daemon.ftp_address(), "tom");
    assert_eq!(tom.upload("STOR before", b"1"), 226);
    wait_noted(&daemon, 1);
    kill_process(runner_of(&daemon), Signal::KILL).unwrap();
    daemon.wait_log("hooks: the process that runs them has ended");
    assert_eq!(tom.upload("STOR after", b"1"), 226);
    drop(tom);
    daemon.stop();
    daemon.start();
    until("what happened behind the end", || {
        let noted = noted(daemon.folder());
        noted.iter().any(|(path, _)| path == "/after").then_some(())
    });
}

#[test]
fn a_hook_that_is_new_needs_a_restart_and_one_that_is_gone_forgets() {
    let folder = folder_with("exit 1");
    let keys = "ftp: (listen: [\"127.0.0.1:0\"], tls: Optional),";
    let mut daemon = Daemon::configured(keys);
    let set = |daemon: &Daemon, on: &str| {
        let native = "native: (listen: [\"127.0.0.1:0\"]),";
        write_settings(daemon.folder(), &format!("{native} {keys} {on}"));
    };
    set(&daemon, &on(folder.path(), &["Upload"], ""));
    let told = daemon.reload();
    let told =
        String::from_utf8_lossy(&told.stdout).into_owned() + &String::from_utf8_lossy(&told.stderr);
    assert!(told.contains("on"), "{told}");
    daemon.stop();
    daemon.start();
    let mut tom = Ftp::login(daemon.ftp_address(), "tom");
    assert_eq!(tom.upload("STOR file", b"1"), 226);
    drop(tom);
    daemon.stop();
    let run = folder.path().join("hook");
    let other = format!("on: [(event: Upload, run: [{run:?}, \"other\"])],");
    set(&daemon, &other);
    daemon.start();
    daemon.wait_log("a hook that the settings have no more is gone");
    daemon.stop();
    set(&daemon, "");
    daemon.start();
    daemon.wait_log("the settings have no hooks any more");
    assert!(!daemon.folder().join("state/hooks").exists());
}
