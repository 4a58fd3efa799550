//! Command lines: aliases, the history that all prompts share, and the pager.

use std::fs;

use super::desk::Desk;
use super::screen::Terminal;
use crate::harness::{Daemon, binary, noise, until};

/// Settings in the usual place.
fn write_settings(desk: &Desk, text: &str) {
    let folder = desk.home().join(".config/skiff");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("client.ron"), text).unwrap();
}

#[test]
fn aliases_stand_for_commands_at_the_prompt_and_in_scripts() {
    let daemon = Daemon::demo();
    let desk = Desk::new();
    write_settings(&desk, "(aliases: {\"mk\": \"mkdir -p\", \"pwd\": \"pwd\"})");
    let said = "257 /a/b\n257 /\n";
    desk.batch(daemon.address(), &["-c", "mk a/b; pwd"], "")
        .says(said);
    desk.batch(daemon.address(), &[], "alias here pwd\n-here; alias\n")
        .says("257 /\nalias here 'pwd'\nalias mk 'mkdir -p'\nalias pwd 'pwd'\n");

    let mut tom = desk.log_in(daemon.address());
    assert_eq!(tom.ask("mk c; cd c"), "257 /c\n250 /c");
    assert_eq!(
        tom.ask("alias zz 'cd ..; pwd'; alias zz"),
        "alias zz 'cd ..; pwd'"
    );
    assert_eq!(tom.ask("zz"), "250 /\n257 /");
    // It means nothing from the next line on.
    assert_eq!(tom.ask("alias -d zz"), "");
    assert_eq!(tom.ask("zz"), "zz: no such command; help lists them");
    let odd = tom.ask("alias 'a b' ls");
    assert!(odd.starts_with("a b: no name for a command"), "{odd}");
    // They outlive a login elsewhere.
    tom.ask("alias here pwd; open");
    assert_eq!(tom.ask("here"), "257 /");
}

#[test]
fn two_prompts_share_the_history_and_keep_no_secret() {
    let daemon = Daemon::demo();
    let desk = Desk::new();
    let mut one = desk.log_in(daemon.address());
    let mut other = desk.log_in(daemon.address());
    one.ask("mkdir a");
    other.ask("mkdir b");
    one.ask(" mkdir hidden");
    one.ask("passwd 123 geheim");
    one.ask("open tom:geheim@nas");
    one.ask("mkdir c");
    let path = desk.home().join(".local/state/skiff/history");
    // Each line is there at once, not at the end.
    let kept = fs::read_to_string(&path).unwrap();
    assert_eq!(kept, "mkdir a\nmkdir b\nmkdir c\n");
    assert_eq!(one.ask("history"), "mkdir a\nmkdir c\nhistory");
    assert_eq!(one.ask("history 1"), "history 1");
    for terminal in [&mut one, &mut other] {
        terminal.enter("bye");
        assert_eq!(terminal.exit_code(), 0);
    }
    let kept = fs::read_to_string(&path).unwrap();
    assert_eq!(
        kept,
        "mkdir a\nmkdir b\nmkdir c\nhistory\nhistory 1\nbye\nbye\n"
    );
    let mut third = desk.log_in(daemon.address());
    third.press("Up");
    third.press("Up");
    third.confirm("bye");
    assert_eq!(third.exit_code(), 0);
}

/// A prompt of tom's whose pager is less(1).
fn with_less(desk: &Desk, daemon: &Daemon, words: &[&str]) -> Terminal {
    let skiff = binary("skiff");
    let password = desk.home().join("password");
    let target = format!("tom@{}", daemon.address());
    let begin = [
        "env",
        "PAGER=less",
        "LESS=FRX",
        skiff.to_str().unwrap(),
        "--trust",
        "new",
    ];
    let login = ["--password-file", password.to_str().unwrap(), &*target];
    let all = [&begin[..], &login, words].concat();
    let terminal = Terminal::start(&all, &desk.path("."), &desk.home(), 100);
    terminal.prompt();
    terminal
}

#[test]
fn what_is_longer_than_the_screen_goes_through_the_pager() {
    let daemon = Daemon::demo();
    let mut peer = daemon.login("tom");
    for n in 0..60 {
        peer.put("", &format!("f{n:02}"), &noise(n, 10));
    }
    let text: String = (0..100).map(|n| format!("line {n}\n")).collect();
    peer.put("", "text", text.as_bytes());
    peer.put("", "short", b"one\ntwo\n");
    let desk = Desk::new();
    let mut tom = with_less(&desk, &daemon, &[]);
    // What fits is printed as always.
    assert_eq!(tom.ask("cat short"), "one\ntwo");
    assert_eq!(tom.ask("ls").lines().count(), 4);
    for (command, first, last) in [
        ("ls -1", "f00", "text"),
        ("find . 'f*'", "f00", "f59"),
        ("cat text", "line 0", "line 99"),
        ("more text", "line 0", "line 99"),
    ] {
        tom.enter(command);
        let page = tom.wait("a page with less's mark below", |shown| {
            shown.lines().last().filter(|line| line.starts_with(':'))?;
            Some(shown.to_owned())
        });
        assert!(page.lines().any(|line| line == first), "{command}: {page}");
        assert!(!page.lines().any(|line| line == last), "{command}: {page}");
        tom.press("G");
        until("the last line", || {
            tom.lines().iter().any(|line| line == last).then_some(())
        });
        tom.press("q");
        tom.prompt();
    }
    // Who has seen enough leaves, and that is no failure.
    peer.put(
        "",
        "long",
        "a line of a long file\n".repeat(200_000).as_bytes(),
    );
    tom.enter("cat long");
    tom.wait_for("\n:");
    tom.press("q");
    tom.prompt();
    assert!(!tom.screen().contains("roken"), "{}", tom.screen());
    // A file or a command gets it all.
    assert_eq!(tom.ask("cat text > here; !wc -l < here"), "100");

    let mut plain = with_less(&desk, &daemon, &["--no-pager"]);
    assert_eq!(plain.ask("cat text").lines().count(), 100);
    write_settings(&desk, "(pager: Off)");
    let mut plain = with_less(&desk, &daemon, &[]);
    assert_eq!(plain.ask("cat text").lines().count(), 100);
}
