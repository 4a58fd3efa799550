//! Commands without a prompt: `-c`, `-f`, standard input, and the `-` that forgives.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::symlink;

use super::desk::Desk;
use crate::harness::{Daemon, noise};

const TWO: &str = "mkdir a\ncd a; pwd\n";
const TWO_SAID: &str = "257 /a\n250 /a\n257 /a\n";

#[test]
fn commands_come_from_the_command_line_a_file_or_standard_input() {
    for source in ["-c", "-f", "stdin"] {
        let daemon = Daemon::demo();
        let desk = Desk::new();
        desk.write("script", TWO.as_bytes());
        let ran = match source {
            "-c" => desk.batch(daemon.address(), &["-c", TWO], ""),
            "-f" => desk.batch(daemon.address(), &["-f", "script"], ""),
            _ => desk.batch(daemon.address(), &[], TWO),
        };
        ran.says(TWO_SAID);
        assert_eq!(ran.complained, "", "{source}");
    }
}

#[test]
fn a_script_may_have_comments_empty_lines_and_foreign_line_ends() {
    let daemon = Daemon::demo();
    let desk = Desk::new();
    let script = "# makes a\r\n\r\nmkdir a\r\n  ;; pwd ; # and no more\r\n!echo hi\r\npwd";
    let ran = desk.batch(daemon.address(), &[], script);
    ran.says("257 /a\n257 /\nhi\n257 /\n");
}

#[test]
fn the_first_failure_ends_all() {
    let daemon = Daemon::demo();
    let desk = Desk::new();
    for (words, input) in [
        (&["-c", "mkdir a; delete none; mkdir b"][..], ""),
        (&["-c", "cd a", "-c", "delete none", "-c", "mkdir b"], ""),
        (&[], "delete none\nmkdir b\n"),
    ] {
        let ran = desk.batch(daemon.address(), words, input);
        ran.fails(1, "404 none: ");
    }
    assert!(daemon.home("tom").join("a").is_dir());
    assert!(!daemon.home("tom").join("b").exists());
}

#[test]
fn a_dash_lets_a_command_fail() {
    let daemon = Daemon::demo();
    let desk = Desk::new();
    let ran = desk.batch(daemon.address(), &["-c", "-delete none; - !false\npwd"], "");
    ran.says("257 /\n");
    assert!(ran.complained.contains("404 none: "), "{}", ran.complained);
    let ran = desk.batch(daemon.address(), &["-c", "-pwd; delete none"], "");
    ran.fails(1, "404 none: ");
}

#[test]
fn nobody_is_asked_so_parts_are_resumed_and_files_are_not_replaced() {
    let daemon = Daemon::demo();
    let mut peer = daemon.login("tom");
    let (data, other) = (noise(1, 100_000), noise(2, 100_000));
    peer.leave_part("", "there", &data, 30_000);
    peer.put("", "here", &data);
    peer.put("", "taken", &other);
    let desk = Desk::new();
    for name in ["there", "taken"] {
        desk.write(name, &data);
    }
    desk.write("here.skiff-part", &data[..40_000]);

    let ran = desk.batch(daemon.address(), &["-c", "put there; get here"], "");
    let (there, here) = ran.said.split_once('\n').unwrap();
    assert!(
        there.starts_with("226 there: 100000 bytes (70000 of them now)"),
        "{there}"
    );
    assert!(
        here.starts_with("226 here: 100000 bytes (60000 of them now)"),
        "{here}"
    );
    assert_eq!(ran.code, 0, "{}", ran.complained);
    assert_eq!(
        (peer.get("there"), desk.read("here")),
        (data.clone(), data.clone())
    );

    let ran = desk.batch(daemon.address(), &["-c", "put taken"], "");
    ran.fails(1, "put -f replaces it");
    assert_eq!(peer.get("taken"), other);
    let ran = desk.batch(daemon.address(), &["-c", "put -f taken"], "");
    assert_eq!(ran.code, 0, "{}", ran.complained);
    assert_eq!(peer.get("taken"), data);
}

#[test]
fn an_answer_comes_before_the_next_line_is_read() {
    let daemon = Daemon::demo();
    let desk = Desk::new();
    let mut child = desk.begin(daemon.address(), &[]);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut input = child.stdin.take().unwrap();
    for (command, answer) in [("mkdir a", "257 /a"), ("cd a", "250 /a"), ("bye", "")] {
        writeln!(input, "{command}").unwrap();
        let said = lines.next().transpose().unwrap().unwrap_or_default();
        assert_eq!(said, answer);
    }
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn the_password_is_the_first_line_of_standard_input_and_commands_follow() {
    let daemon = Daemon::demo();
    let desk = Desk::new();
    let target = format!("tom@{}", daemon.address());
    let words = ["--trust", "new", "--password-stdin", &target];
    desk.run(&words, "123\npwd\n").says("257 /\n");
}

#[test]
fn a_tree_goes_there_and_back() {
    let daemon = Daemon::demo();
    let desk = Desk::new();
    for folder in ["tree", "tree/in ner", "tree/empty"] {
        fs::create_dir(desk.path(folder)).unwrap();
    }
    for n in 0..30 {
        desk.write(&format!("tree/in ner/{n}"), &noise(n, 10_000 * n as usize));
    }
    let ran = desk.batch(
        daemon.address(),
        &["-c", "put -r tree; get -r tree back"],
        "",
    );
    assert_eq!(ran.code, 0, "{}", ran.complained);
    for n in 0..30 {
        let name = format!("in ner/{n}");
        let sent = desk.read(&format!("tree/{name}"));
        assert!(desk.read(&format!("back/{name}")) == sent, "{name}");
    }
    assert!(desk.path("back/empty").is_dir());
}

/// What is behind a link to a file is fetched and sent; no link to a directory is followed, whether
/// it leads in a circle or not.
#[test]
fn the_walk_of_a_tree_follows_no_link_to_a_directory() {
    let daemon = Daemon::demo();
    let desk = Desk::new();
    fs::create_dir_all(desk.path("tree/inner")).unwrap();
    desk.write("tree/inner/file", b"content");
    let link = |to: &str, name: &str| symlink(to, desk.path(name)).unwrap();
    link("inner/file", "tree/alias");
    link(".", "tree/self");
    link("..", "tree/inner/up");
    let ran = desk.batch(daemon.address(), &["-c", "put -r tree"], "");
    assert_eq!(ran.code, 0, "{}", ran.complained);
    assert!(ran.said.contains("2 files sent"), "{}", ran.said);
    assert!(ran.said.contains("2 links not followed"), "{}", ran.said);
    let there = daemon.home("tom").join("tree");
    assert_eq!(fs::read(there.join("alias")).unwrap(), b"content");
    assert!(!there.join("self").exists() && !there.join("inner/up").exists());

    for (to, name) in [
        (".", "self"),
        ("inner", "copy"),
        ("missing", "dangling"),
        ("/etc", "out"),
        ("inner/file", "second"),
    ] {
        symlink(to, there.join(name)).unwrap();
    }
    let ran = desk.batch(daemon.address(), &["-c", "get -r tree back"], "");
    assert_eq!(ran.code, 0, "{}", ran.complained);
    assert!(ran.said.contains("4 links not followed"), "{}", ran.said);
    for name in ["alias", "second", "inner/file"] {
        assert_eq!(desk.read(&format!("back/{name}")), b"content", "{name}");
    }
    let mut names: Vec<_> = fs::read_dir(desk.path("back")).unwrap().collect();
    assert_eq!(names.len(), 3, "{names:?}");
    // An upload over a link at the server replaces what is behind it, as STOR does.
    fs::create_dir(desk.path("over")).unwrap();
    desk.write("over/second", b"other content");
    let ran = desk.batch(daemon.address(), &["-c", "put -r -f over tree"], "");
    assert_eq!(ran.code, 0, "{}", ran.complained);
    names = fs::read_dir(there.join("inner")).unwrap().collect();
    assert_eq!(names.len(), 1, "{names:?}");
    assert_eq!(
        fs::read(there.join("inner/file")).unwrap(),
        b"other content"
    );
}
