//! Files at the server are looked at and changed in place: cat, find, du, stat, chmod, touch, edit.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use super::desk::{Desk, Ran};
use super::screen::Terminal;
use crate::harness::Daemon;

/// Content that would command a terminal.
const EVIL: &[u8] = b"line\r\n\x1b[2Jgone\xff\n";

fn with_files() -> (Daemon, Desk) {
    let daemon = Daemon::demo();
    let mut tom = daemon.login("tom");
    tom.ask("MKD sub", 257);
    tom.ask("MKD sub/deep", 257);
    for (name, data) in [
        ("a.txt", &b"some text\n"[..]),
        ("evil", EVIL),
        ("sub/b.txt", b"12345"),
        ("sub/deep/.c.txt", b"123"),
    ] {
        tom.put("mtime=20260102030405 ", name, data);
    }
    symlink("..", daemon.home("tom").join("sub/up")).unwrap();
    (daemon, Desk::new())
}

fn run(daemon: &Daemon, desk: &Desk, command: &str) -> Ran {
    desk.batch(daemon.address(), &["-c", command], "")
}

#[test]
fn cat_writes_the_bytes_to_a_pipe_and_shows_them_at_a_terminal() {
    let (daemon, desk) = with_files();
    run(&daemon, &desk, "cat a.txt sub/*.txt").says("some text\n12345");
    let raw = desk.begin(daemon.address(), &["-c", "cat evil"]);
    assert_eq!(raw.wait_with_output().unwrap().stdout, EVIL);
    run(&daemon, &desk, "cat none a.txt").fails(1, "1 of 2 failed");
    run(&daemon, &desk, "cat sub").fails(1, "551 sub: ");
    let mut tom = desk.log_in(daemon.address());
    assert_eq!(tom.ask("cat evil"), "line\n\\x1b[2Jgone\\xff");
    assert_eq!(tom.ask("pwd"), "257 /");
}

#[test]
fn find_and_du_walk_a_tree_and_follow_no_link() {
    let (daemon, desk) = with_files();
    run(&daemon, &desk, "find")
        .says("a.txt\nevil\nsub/\nsub/b.txt\nsub/deep/\nsub/up\nsub/deep/.c.txt\n");
    run(&daemon, &desk, "find /sub").says("/sub/b.txt\n/sub/deep/\n/sub/up\n/sub/deep/.c.txt\n");
    run(&daemon, &desk, "find . *.txt").says("a.txt\nsub/b.txt\n");
    run(&daemon, &desk, "find . '.*'").says("sub/deep/.c.txt\n");
    run(&daemon, &desk, "find a.txt").says("a.txt\n");
    // A link to a file lists itself, and has nothing in it.
    symlink("a.txt", daemon.home("tom").join("way")).unwrap();
    run(&daemon, &desk, "ls */*").says("sub/deep:\nsub/up:\na.txt\nevil\nsub\nway\nsub/b.txt\n");
    run(&daemon, &desk, "find none").fails(1, "404 none: ");
    run(&daemon, &desk, "du sub a.txt").says("             8 sub\n            10 a.txt\n");
    run(&daemon, &desk, "du -h").says("          34 B .\n");
}

#[test]
fn stat_chmod_and_touch() {
    let (daemon, desk) = with_files();
    run(&daemon, &desk, "stat --utc a.txt").says(
        "a.txt\n  type  file\n  size  10 bytes (10 B)\n  mode  600\n  time  2026-01-02 03:04\n",
    );
    let home = daemon.home("tom");
    run(&daemon, &desk, "chmod 640 *.txt sub").says("213 a.txt: mode 640\n213 sub: mode 640\n");
    let mode = |name: &str| fs::metadata(home.join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("a.txt"), mode("sub")), (0o640, 0o640));
    for bad in ["u+x", "1777", "8", "+7"] {
        run(&daemon, &desk, &format!("chmod {bad} a.txt")).fails(1, "no permissions");
    }
    let before = fs::metadata(home.join("evil")).unwrap().mtime();
    run(&daemon, &desk, "touch evil").says("213 evil: time set\n");
    assert!(fs::metadata(home.join("evil")).unwrap().mtime() > before);
    run(&daemon, &desk, "touch none").fails(1, "404 none: ");
}

/// A session at a terminal of somebody with this editor and this folder for what is temporary.
fn with_editor(daemon: &Daemon, desk: &Desk, editor: &str) -> Terminal {
    fs::create_dir_all(desk.path("tmp")).unwrap();
    let password = desk.home().join("password");
    let line = format!(
        "export PAGER=cat VISUAL='{editor}' TMPDIR='{}'\n\
         skiff --trust new --password-file '{}' tom@{}",
        desk.path("tmp").display(),
        password.display(),
        daemon.address()
    );
    let terminal = desk.shell(&line);
    terminal.prompt();
    terminal
}

#[track_caller]
fn left_over(desk: &Desk) -> usize {
    fs::read_dir(desk.path("tmp")).unwrap().count()
}

#[test]
fn edit_puts_back_what_was_changed() {
    let (daemon, desk) = with_files();
    let file = daemon.home("tom").join("a.txt");
    let mut tom = with_editor(&daemon, &desk, "sed -i s/some/other/");
    let said = tom.ask("edit a.txt");
    assert!(said.starts_with("226 a.txt: 11 bytes"), "{said}");
    assert_eq!(fs::read(&file).unwrap(), b"other text\n");
    assert_eq!(tom.ask("edit a.txt"), "a.txt: not changed");
    assert!(tom.ask("edit none").starts_with("404 none: "));
    assert_eq!(left_over(&desk), 0);
    run(&daemon, &desk, "edit a.txt").fails(1, "an editor needs a terminal");
}

#[test]
fn edit_leaves_both_versions_where_the_server_s_changed_meanwhile() {
    let (daemon, desk) = with_files();
    let file = daemon.home("tom").join("a.txt");
    // Somebody else is faster.
    let editor = format!("echo theirs >\"{}\"; echo mine >", file.display());
    let mut tom = with_editor(&daemon, &desk, &editor);
    let said = tom.ask("edit a.txt");
    assert!(
        said.contains("changed at the server while you edited it"),
        "{said}"
    );
    assert!(said.contains("your version is kept in "), "{said}");
    assert_eq!(fs::read(&file).unwrap(), b"theirs\n");
    let kept = fs::read_dir(desk.path("tmp"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    assert_eq!(kept.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(fs::read(kept.path().join("a.txt")).unwrap(), b"mine\n");
}

#[test]
fn an_editor_that_fails_stores_nothing() {
    let (daemon, desk) = with_files();
    let mut tom = with_editor(&daemon, &desk, "echo lost; false");
    let said = tom.ask("edit a.txt");
    assert!(said.contains("nothing was stored"), "{said}");
    assert_eq!(
        fs::read(daemon.home("tom").join("a.txt")).unwrap(),
        b"some text\n"
    );
    assert_eq!(left_over(&desk), 0);
}

#[test]
fn output_goes_to_a_file_or_to_a_command() {
    let (daemon, desk) = with_files();
    run(
        &daemon,
        &desk,
        "ls -r > names; cat evil >copy; find > 'all of it'",
    )
    .says("");
    assert_eq!(desk.read("names"), b"sub\nevil\na.txt\n");
    assert_eq!(desk.read("copy"), EVIL);
    assert_eq!(desk.read("all of it").split(|&b| b == b'\n').count(), 8);
    run(&daemon, &desk, "ls | tr a-z A-Z; wc -l <names").says("A.TXT\nEVIL\nSUB\n3\n");
    run(&daemon, &desk, "cat a.txt | true").says("");
    run(&daemon, &desk, "cat a.txt | exit 3").fails(1, "exit 3: exit status: 3");
    run(&daemon, &desk, "ls > no/where").fails(1, "no/where: ");
    run(&daemon, &desk, "cat none | cat; pwd").fails(1, "404 none: ");
    // What is no output keeps its names.
    fs::write(desk.path("|"), "bar").unwrap();
    assert_eq!(run(&daemon, &desk, "put |; ls '|'").code, 0);
    // The terminal is back, in columns, and nothing of it was in the file.
    let mut tom = desk.log_in(daemon.address());
    assert_eq!(tom.ask("ls s* > names"), "");
    assert_eq!(tom.ask("ls sub | sort"), "b.txt\ndeep\nup");
    assert_eq!(tom.ask("ls sub"), "b.txt  deep/  up@");
    assert_eq!(desk.read("names"), b"b.txt\ndeep\nup\n");
}

#[test]
fn more_shows_a_file_in_the_pager() {
    let (daemon, desk) = with_files();
    let mut tom = with_editor(&daemon, &desk, "true");
    assert_eq!(tom.ask("!test -t 1"), "");
    assert_eq!(
        tom.ask("more evil a.txt"),
        "line\n\\x1b[2Jgone\\xff\nsome text"
    );
    run(&daemon, &desk, "more a.txt").says("some text\n");
}
