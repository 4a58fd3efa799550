//! The prompt: where one is, what one can say, and how a line is edited.

use super::desk::Desk;
use super::screen::Terminal;
use crate::harness::{Daemon, noise, until};

#[test]
fn the_prompt_says_where_one_is() {
    let daemon = Daemon::demo();
    let desk = Desk::new();
    let mut tom = desk.log_in(daemon.address());
    assert_eq!(tom.prompt(), "tom@127.0.0.1:/>");
    assert_eq!(tom.ask("mkdir docs"), "257 /docs");
    assert_eq!(tom.ask("cd docs"), "250 /docs");
    assert_eq!(tom.prompt(), "tom@127.0.0.1:/docs>");
    assert_eq!(tom.ask("pwd"), "257 /docs");
    let refused = tom.ask("cd ../..");
    assert!(refused.starts_with("403 ../..: "), "{refused}");
    assert_eq!(tom.prompt(), "tom@127.0.0.1:/docs>");
    assert_eq!(tom.ask("cd"), "250 /");
    assert_eq!(tom.prompt(), "tom@127.0.0.1:/>");
}

#[test]
fn a_listing_longer_than_the_screen_is_whole_and_in_order() {
    let daemon = Daemon::demo();
    let mut peer = daemon.login("tom");
    for n in 0..200 {
        peer.put(
            "mtime=20260102030405 ",
            &format!("f{n:03}"),
            &noise(n, n as usize),
        );
    }
    peer.ask("MKD z", 257);
    let desk = Desk::new();
    let mut tom = desk.log_in(daemon.address());
    let shown = tom.ask("ls -l --utc");
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(lines.len(), 201, "{shown}");
    for (n, line) in lines[..200].iter().enumerate() {
        let wanted = format!("-rw------- {n:>14} 2026-01-02 03:04 f{n:03}");
        assert_eq!(*line, wanted);
    }
    assert!(lines[200].starts_with("drwx") && lines[200].ends_with(" z/"));
}

#[test]
fn commands_may_be_shortened_while_they_mean_one() {
    let daemon = Daemon::demo();
    let desk = Desk::new();
    let mut tom = desk.log_in(daemon.address());
    assert_eq!(tom.ask("pw"), "257 /");
    assert_eq!(tom.ask("mkd a"), "257 /a");
    assert_eq!(tom.ask("ren a b"), "250 renamed");
    assert_eq!(tom.ask("li"), "b/");
    assert_eq!(
        tom.ask("st"),
        "st: ambiguous, it could be: stat status stages"
    );
    assert_eq!(tom.ask("frob"), "frob: no such command; help lists them");
    let meant = "mkdri: no such command; did you mean mkdir?";
    assert_eq!(tom.ask("mkdri a"), meant);
    assert_eq!(tom.ask("help mkdri"), meant);
}

#[test]
fn help_says_what_there_is() {
    let daemon = Daemon::demo();
    let desk = Desk::new();
    let mut tom = desk.log_in(daemon.address());
    let all = tom.ask("help");
    for verb in [
        "cd", "ls", "pwd", "get", "put", "lcd", "lpwd", "ldir", "rename", "delete", "mkdir", "!",
        "system", "status", "help", "quit",
    ] {
        let begins = |line: &str| line.starts_with(verb);
        assert!(all.lines().any(begins), "no {verb} in {all}");
    }
    let one = tom.ask("help ren");
    assert!(one.starts_with("usage: rename FROM... TO\n  "), "{one}");
    assert!(one.ends_with("also: mv"), "{one}");
    assert!(tom.ask("help frob").starts_with("frob: no such command"));
}

#[test]
fn status_says_user_home_quota_use_and_versions() {
    let daemon = Daemon::demo();
    daemon.login("tom").put("", "file", &noise(1, 12_345));
    let desk = Desk::new();
    let mut tom = desk.log_in(daemon.address());
    let shown = tom.ask("status");
    for (key, value) in [
        ("user", "tom"),
        ("server", &*daemon.address().to_string()),
        ("home", "/"),
        ("quota", "800 MB (800000000 bytes)"),
        ("used", "12 kB (12345 bytes; 0 B in unfinished uploads)"),
        ("reserved", "0 B for uploads under way"),
        ("free", "800 MB (799987655 bytes) for a new upload"),
        ("versions", "server skiffd/0.1.0, client skiff/0.1.0"),
    ] {
        let row =
            |line: &str| line.split_whitespace().any(|word| word == key) && line.contains(value);
        assert!(shown.lines().any(row), "no {key} {value} in {shown}");
    }
    let system = tom.ask("system");
    assert!(system.starts_with("215 Linux"), "{system}");
}

#[test]
fn the_local_shell_is_one_mark_away() {
    let daemon = Daemon::demo();
    let desk = Desk::new();
    let mut tom = desk.log_in(daemon.address());
    assert_eq!(tom.ask("!echo hi"), "hi");
    assert_eq!(tom.ask("! printf 'a;b\\n'"), "a;b");
    tom.ask("!mkdir new");
    assert!(desk.path("new").is_dir());
    let failed = tom.ask("!exit 3");
    assert!(failed.contains('3'), "{failed}");
    assert_eq!(tom.ask("pwd"), "257 /");
}

#[test]
fn ctrl_c_at_the_prompt_clears_the_line() {
    let daemon = Daemon::demo();
    let desk = Desk::new();
    let mut tom = desk.log_in(daemon.address());
    tom.type_in("mkdir unwanted");
    tom.wait_for("> mkdir unwanted");
    tom.press("C-c");
    assert_eq!(tom.prompt(), "tom@127.0.0.1:/>");
    assert_eq!(tom.ask("ls"), "");
    assert_eq!(tom.ask("pwd"), "257 /");
}

#[test]
fn history_is_an_arrow_away_and_outlives_the_session() {
    let daemon = Daemon::demo();
    let desk = Desk::new();
    let mut tom = desk.log_in(daemon.address());
    tom.ask("mkdir first");
    tom.ask("pwd");
    tom.press("Up");
    tom.press("Up");
    tom.confirm("> mkdir first");
    let refused = tom.answer();
    assert!(refused.starts_with("550 first: "), "{refused}");
    tom.enter("bye");
    assert_eq!(tom.exit_code(), 0);

    let mut again = desk.log_in(daemon.address());
    for _ in 0..3 {
        again.press("Up");
    }
    again.confirm("> pwd");
    assert_eq!(again.answer(), "257 /");
}

#[test]
fn tab_completes_commands_and_names_on_both_sides() {
    let daemon = Daemon::demo();
    daemon.login("tom").put("", "two words.txt", b"2");
    let desk = Desk::new();
    desk.write("local file", b"1");
    let mut tom = desk.log_in(daemon.address());
    for (typed, completed) in [
        ("sys", "> system"),
        ("get tw", "> get two\\ words.txt"),
        ("put lo", "> put local\\ file"),
    ] {
        tom.type_in(typed);
        tom.press("Tab");
        tom.confirm(completed);
        let said = tom.answer();
        assert!(said.starts_with('2'), "{completed}: {said}");
    }
    assert_eq!(desk.read("two words.txt"), b"2");
    assert_eq!(
        std::fs::read(daemon.home("tom").join("local file")).unwrap(),
        b"1"
    );
}

#[test]
fn leaving_says_goodbye() {
    let daemon = Daemon::demo();
    let desk = Desk::new();
    for word in ["bye", "quit", "exit"] {
        let mut tom = desk.log_in(daemon.address());
        tom.enter(word);
        tom.wait_for("221 ");
        assert_eq!(tom.exit_code(), 0, "{word}");
    }
    let tom = desk.log_in(daemon.address());
    tom.press("C-d");
    tom.wait_for("221 ");
    assert_eq!(tom.exit_code(), 0);
}

#[test]
fn a_server_that_goes_away_leaves_the_prompt() {
    let mut daemon = Daemon::demo();
    let desk = Desk::new();
    let server = daemon.address();
    let mut tom = desk.sit_known(&["--retry", "1", &format!("tom@{server}")]);
    tom.prompt();
    daemon.kill9();
    let said = tom.ask("pwd");
    let lost =
        format!("{server}: the connection was lost; connecting again in 0.5 s (try 1 of 1, ");
    assert!(said.starts_with(&lost), "{said}");
    let given_up = "the connection was lost; and it was not connected again: no connection: ";
    assert!(said.contains(given_up), "{said}");
    let said = tom.ask("mkdir a");
    assert!(
        said.contains("not connected any more (the connection was lost"),
        "{said}"
    );
    assert_eq!(tom.prompt(), "(not connected) tom@127.0.0.1:/>");
    // What is on this machine can still be done.
    assert_eq!(
        tom.ask("lpwd"),
        desk.path("").display().to_string().trim_end_matches('/')
    );
    tom.enter("bye");
    assert_eq!(tom.exit_code(), 0);
}

/// Types the beginning of a line, presses Tab, and returns the line.
#[track_caller]
fn complete(tom: &mut Terminal, typed: &str, completed: &str) {
    tom.type_in(typed);
    until("what was typed", || {
        let lines = tom.lines();
        lines.last()?.contains(typed.trim_end()).then_some(())
    });
    tom.press("Tab");
    until(&format!("{typed:?} to become {completed:?}"), || {
        let lines = tom.lines();
        lines.last()?.ends_with(completed.trim_end()).then_some(())
    });
    // The editor itself says where the cursor is: behind the blank, if there is one.
    tom.type_in("^");
    let end = format!("{completed}^");
    until(&format!("{end:?}"), || {
        tom.lines().last()?.ends_with(&end).then_some(())
    });
    tom.press("C-c");
    tom.prompt();
}

#[test]
fn words_are_completed_in_quotes_behind_other_commands_and_of_every_kind() {
    let daemon = Daemon::demo();
    let mut peer = daemon.login("tom");
    peer.ask("MKD two words", 257);
    peer.put("", "two words/it's here.txt", b"1");
    peer.put("", "remote only", b"2");
    peer.put("", "com mon 1", b"5");
    peer.put("", "com mon 2", b"6");
    let desk = Desk::new();
    let folder = desk.home().join(".config/skiff");
    std::fs::create_dir_all(&folder).unwrap();
    let settings = "(hosts: {\"storage\": (server: \"a\")}, aliases: {\"grab\": \"cd .; get -f\"})";
    std::fs::write(folder.join("client.ron"), settings).unwrap();
    std::fs::write(desk.home().join("at home"), b"3").unwrap();
    desk.write("local \"file\"", b"4");
    let mut tom = desk.log_in(daemon.address());
    for (typed, completed) in [
        ("mkd", "mkdir "),
        ("gra", "grab "),
        ("ls; -rena", "ls; -rename "),
        ("get rem", "get remote\\ only "),
        ("get \"rem", "get \"remote only\" "),
        ("get 'rem", "get 'remote only' "),
        ("get tw", "get two\\ words/"),
        ("get \"tw", "get \"two words/"),
        ("get \"two words/i", "get \"two words/it's here.txt\" "),
        ("get 'two words/i", "get two\\ words/it\\'s\\ here.txt "),
        ("pwd; grab rem", "pwd; grab remote\\ only "),
        ("put lo", "put local\\ \\\"file\\\" "),
        ("put \"lo", "put \"local \\\"file\\\"\" "),
        ("put ~/at", "put ~/at\\ home "),
        ("cat ~/rem", "cat ~/remote\\ only "),
        ("ls > lo", "ls > local\\ \\\"file\\\" "),
        ("!cat lo", "!cat local\\ \\\"file\\\" "),
        ("sync :tw", "sync :two\\ words/"),
        ("sync --de", "sync --delete "),
        ("ls --u", "ls --utc "),
        ("open st", "open storage "),
        ("open 127", "open 127.0.0.1 "),
        ("help reco", "help reconnect "),
    ] {
        complete(&mut tom, typed, completed);
    }
    // What several have in common is inserted as a name, too.
    complete(&mut tom, "get com", "get com\\ mon\\ ");
    complete(&mut tom, "get \"com", "get \"com mon ");
}
