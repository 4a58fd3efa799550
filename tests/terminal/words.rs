//! The words of the client: plain, of one form, and for the eyes that read them.

use super::desk::Desk;
use crate::harness::{Daemon, noise};

#[test]
fn the_first_line_says_where_one_is_and_how_to_go_on() {
    let daemon = Daemon::demo();
    daemon.login("tom").put("", "file", &noise(1, 12_345));
    let desk = Desk::new();
    let tom = desk.log_in(daemon.address());
    let lines = tom.lines();
    let address = daemon.address();
    let greeting = format!("tom at {address}, in /; 12 kB of 800 MB used; help lists the commands");
    assert!(lines.contains(&greeting), "{lines:?}");
    // Nobody reads it in a script.
    let ran = desk.batch(address, &["-c", "pwd"], "");
    ran.says("257 /\n");
    assert_eq!(ran.complained, "");
}

#[test]
fn a_digest_is_short_for_people_and_whole_for_programs() {
    let daemon = Daemon::demo();
    let desk = Desk::new();
    desk.write("file", b"hello");
    let server = format!("tom@{}", daemon.address());
    let whole = "(md5 5d41402abc4b2a76b9719d911017c592)";
    for (words, digest) in [
        (&["-c", "put -f file"][..], "(md5 5d41402a…)"),
        (&["-v", "-c", "put -f file"][..], whole),
    ] {
        let mut all = vec!["--digest", "md5"];
        all.extend(words);
        all.push(&server);
        let terminal = desk.sit_known(&all);
        assert_eq!(terminal.exit_code(), 0);
        let screen = terminal.screen();
        assert!(screen.contains(digest), "{screen}");
        std::fs::remove_file(daemon.home("tom").join("file")).unwrap();
    }
    let words = ["--digest", "md5", "-c", "put -f file"];
    let ran = desk.batch(daemon.address(), &words, "");
    assert!(ran.said.contains(whole), "{}", ran.said);
}

#[test]
fn what_fails_here_has_no_code_and_no_number() {
    let daemon = Daemon::demo();
    daemon.login("tom").put("", "file", b"1");
    let desk = Desk::new();
    for (command, told) in [
        ("lcd none", "none: no such file or directory"),
        ("ldir none", "none: no such file or directory"),
        ("put none", "none: no such file or directory"),
        ("put -r none", "none: no such file or directory"),
        (
            "get file none/file",
            "none/file.skiff-part: no such file or directory",
        ),
        ("put", "put: usage: put "),
        ("stages -d", "stages: usage: stages [-d PATH]"),
    ] {
        let ran = desk.batch(daemon.address(), &["-c", command], "");
        ran.fails(1, told);
        let complained = &ran.complained;
        assert!(!complained.contains("os error"), "{complained}");
        assert!(complained.starts_with(told), "{complained}");
    }
    for words in [
        &["-f", "none"][..],
        &["--config", "none"],
        &["--password-file", "none", "-c", "pwd"],
    ] {
        let ran = desk.batch(daemon.address(), words, "");
        assert_eq!(ran.code, 2, "{words:?}");
        assert!(!ran.complained.contains("os error"), "{}", ran.complained);
    }
}

#[test]
fn one_file_is_not_many() {
    let daemon = Daemon::demo();
    let desk = Desk::new();
    std::fs::create_dir(desk.path("d")).unwrap();
    desk.write("d/one", b"1");
    let ran = desk.batch(
        daemon.address(),
        &["-c", "put -r d; get -r d e; put -f d/one"],
        "",
    );
    let said: Vec<&str> = ran.said.lines().collect();
    assert!(
        said[0].starts_with("d: 1 file sent, 1 byte in "),
        "{said:?}"
    );
    assert!(
        said[1].starts_with("d: 1 file fetched, 1 byte in "),
        "{said:?}"
    );
    assert!(said[2].starts_with("226 one: 1 byte in "), "{said:?}");
}
