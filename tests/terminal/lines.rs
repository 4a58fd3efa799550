//! Command lines: aliases, the history that all prompts share, and the pager.

use std::fs;
use std::net::SocketAddr;

use super::desk::Desk;
use super::liar::serve_session;
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
    with_less_at(desk, daemon.address(), words)
}

fn with_less_at(desk: &Desk, address: SocketAddr, words: &[&str]) -> Terminal {
    let skiff = binary("skiff");
    let password = desk.home().join("password");
    let target = format!("tom@{address}");
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

/// The first screen of less.
fn in_less(tom: &Terminal) {
    tom.wait("less's mark below", |shown| {
        let last = shown.lines().last()?;
        last.starts_with(':').then_some(())
    });
}

#[test]
fn ctrl_c_in_the_pager_is_the_pagers_and_leaving_it_is_no_failure() {
    let daemon = Daemon::demo();
    let mut peer = daemon.login("tom");
    for n in 0..60 {
        peer.put("", &format!("f{n:02}"), &noise(n, 10));
    }
    let long = "a line of a long file\n".repeat(200_000);
    peer.put("", "long", long.as_bytes());
    let desk = Desk::new();
    let mut tom = with_less(&desk, &daemon, &[]);
    // All was written to it, or the pipe is full.
    for command in ["ls -1", "cat long", "more long"] {
        tom.enter(&format!("{command}; pwd"));
        in_less(&tom);
        for _ in 0..3 {
            tom.press("C-c");
        }
        // It is there still, and takes its keys.
        tom.press("G");
        tom.press("g");
        in_less(&tom);
        tom.press("q");
        tom.prompt();
        let shown = tom.screen();
        assert!(shown.contains("257 /"), "{command}: {shown}");
        for word in ["stopped", "roken", "connect"] {
            assert!(!shown.contains(word), "{command}: {shown}");
        }
    }
    // Behind it a press counts again.
    peer.put("", "slow", &noise(1, 30_000_000));
    let mut tom = with_less(&desk, &daemon, &["--limit-rate", "1MB"]);
    tom.enter("ls -1");
    in_less(&tom);
    tom.press("C-c");
    tom.press("q");
    tom.prompt();
    tom.start_command("get slow");
    tom.press("C-c");
    tom.wait_for("stopped");
    tom.prompt();
    assert_eq!(tom.ask("pwd"), "257 /");
}

#[test]
fn leaving_the_pager_ends_a_listing_that_does_not_come() {
    let server = serve_session(|mut liar| {
        liar.hears("DF");
        liar.says("213 limit=7 entries_limit=7 counting=1 quota");
        liar.answers("STAT .", "213 type=dir size=0 mtime=20260102030405 /");
        liar.hears("LIST .");
        let facts = "size=1;modify=20260102030405;mode=0644;";
        let mut lines: Vec<_> = (0..60)
            .map(|n| format!("type=file;{facts} f{n:02}"))
            .collect();
        lines.push(format!("type=dir;{facts} z"));
        let lines: Vec<_> = lines.iter().map(String::as_str).collect();
        liar.lists(&lines, "226 hidden=0 done");
        liar.hears("LIST z");
        liar.says("150 here it comes");
        liar.stops();
        liar.answers("PWD", "257 /");
        liar.hears("220");
    });
    let desk = Desk::new();
    let daemon = server.address;
    let mut tom = with_less_at(&desk, daemon, &["--tls", "off"]);
    tom.enter("find");
    in_less(&tom);
    tom.press("q");
    tom.prompt();
    let shown = tom.screen();
    assert!(!shown.contains("stopped"), "{shown}");
    assert_eq!(tom.ask("pwd"), "257 /");
    tom.enter("bye");
    server.end();
}
