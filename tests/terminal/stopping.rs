//! Ctrl-C while something runs: that stops, the session does not.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};

use rustix::process::{Pid, Signal, kill_process};

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
fn one_ctrl_c_ends_a_command_on_a_line_that_is_shut_and_the_session_goes_on() {
    let daemon = Daemon::demo();
    let line = Line::to(daemon.address());
    let desk = Desk::new();
    fs::create_dir(desk.path("tree")).unwrap();
    for name in ["a", "b", "c"] {
        desk.write(&format!("tree/{name}"), &noise(1, 3_000_000));
    }
    let mut tom = desk.log_in(line.address());
    for command in [
        "pwd",
        "ls",
        "get -r . back",
        "put -r tree",
        "hash none",
        "delete none",
    ] {
        line.shut();
        tom.start_command(command);
        // Nothing answers, and nothing but the key brings the prompt back.
        tom.press("C-c");
        let said = tom.answer();
        assert!(said.contains("stopped"), "{command}: {said}");
        line.widen();
        assert_eq!(tom.ask("pwd"), "257 /", "after {command}");
    }
}

#[test]
fn one_ctrl_c_ends_a_tree_at_any_moment() {
    ends_trees_at_any_moment(Line::narrow);
}

#[test]
fn one_ctrl_c_ends_a_tree_far_away_at_any_moment() {
    ends_trees_at_any_moment(Line::stretch);
}

/// At ten moments, which are told by what has passed the line.
fn ends_trees_at_any_moment(change: fn(&Line)) {
    let daemon = Daemon::demo();
    let line = Line::to(daemon.address());
    let desk = Desk::new();
    fs::create_dir(desk.path("tree")).unwrap();
    for n in 0..200 {
        desk.write(&format!("tree/{n}"), &noise(n, 50_000));
    }
    let ran = desk.batch(daemon.address(), &["-c", "put -r tree there"], "");
    assert_eq!(ran.code, 0, "{}", ran.complained);
    let mut tom = desk.log_in(line.address());
    // What goes up is told by the bytes of files, what comes down by those of requests.
    let commands = [
        ("put -r tree new", 40_000),
        ("get -r there new", 200),
        ("sync tree :sync", 40_000),
        ("sync :there sync", 200),
        ("put -r -j 3 tree many", 40_000),
    ];
    for moment in 0..10 {
        for (command, step) in commands {
            change(&line);
            line.overheard();
            let target = format!("{command}{moment}");
            tom.start_command(&target);
            let mut heard = 0;
            until("a part of the tree", || {
                heard += line.overheard().len();
                (heard >= moment * step).then_some(())
            });
            tom.press("C-c");
            let said = tom.answer();
            assert!(said.contains("stopped"), "{target}: {said}");
            line.widen();
            assert_eq!(tom.ask("pwd"), "257 /", "after {target}");
        }
    }
}

#[test]
fn a_second_ctrl_c_drops_the_connection_and_the_prompt_comes_back() {
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
    tom.press("C-c");
    tom.answer();
    tom.start_command("pwd");
    tom.press("C-c");
    let said = tom.answer();
    assert!(said.ends_with("closed by a second Ctrl-C"), "{said}");
    assert_eq!(tom.prompt(), "(not connected) tom@127.0.0.1:/>");
    line.widen();
    let said = tom.ask("pwd");
    assert!(
        said.contains("not connected any more (closed by a second Ctrl-C)"),
        "{said}"
    );
    assert!(said.ends_with("connected again, in /\n257 /"), "{said}");
    tom.enter("bye");
    assert_eq!(tom.exit_code(), 0);
}

#[test]
fn tab_on_a_line_that_is_shut_ends_by_itself_or_at_ctrl_c_and_nothing_is_mistaken() {
    let daemon = Daemon::demo();
    daemon.login("tom").put("", "file", b"content");
    let line = Line::to(daemon.address());
    let desk = Desk::new();
    let mut tom = desk.log_in(line.address());
    for ends in [None, Some("C-c")] {
        line.shut();
        line.overheard();
        tom.type_in("cd fi");
        tom.press("Tab");
        until("the question for names", || {
            (!line.overheard().is_empty()).then_some(())
        });
        if let Some(key) = ends {
            tom.press(key);
        }
        // The line editor is back when it shows what was typed meanwhile.
        tom.type_in("# more");
        let typed = if ends.is_some() {
            "> # more"
        } else {
            "cd fi# more"
        };
        tom.confirm(typed);
        tom.prompt();
        line.widen();
        let said = tom.ask("delete none");
        assert_eq!(said, "404 none: no such file or directory");
        assert_eq!(tom.ask("pwd"), "257 /");
    }
    tom.type_in("hash fi");
    tom.press("Tab");
    tom.wait_for("hash file");
    tom.press("C-u");
}

#[test]
fn a_batch_ends_at_one_sigint_with_130() {
    let daemon = Daemon::demo();
    let desk = Desk::new();
    desk.write("big", &noise(1, BIG));
    for words in [&["-c", "-put big; -pwd; !echo never"][..], &[]] {
        let line = Line::to(daemon.address());
        let mut child = desk.begin(line.address(), words);
        let mut input = child.stdin.take().unwrap();
        if words.is_empty() {
            // Then it waits for the next line.
            input.write_all(b"pwd\n").unwrap();
        } else {
            line.narrow();
        }
        let mut said = BufReader::new(child.stdout.take().unwrap());
        match words.is_empty() {
            true => drop(said.read_line(&mut String::new()).unwrap()),
            false => until("the upload to begin", || {
                let begun = daemon.login("tom").list("STAGES");
                begun.contains_key("/big").then_some(())
            }),
        }
        line.shut();
        let pid = Pid::from_raw(child.id() as i32).unwrap();
        kill_process(pid, Signal::INT).unwrap();
        let status = child.wait().unwrap();
        assert_eq!(status.code(), Some(130), "{words:?}");
        let mut rest = String::new();
        said.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "", "{words:?}");
    }
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
