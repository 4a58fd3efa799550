//! Servers that lie, stall, or have no end, and what is no skiff server at all.

use std::fs;
use std::net::SocketAddr;
use std::sync::mpsc::channel;

use super::desk::{Desk, Ran, finish};
use super::liar::{serve, serve_impostor, serve_session};
use crate::harness::Daemon;

const FILE: &str = "type=file;size=1;modify=20260102030405;mode=0644;";
const DIRECTORY: &str = "type=dir;size=0;modify=20260102030405;mode=0755;";

/// What a client may take in memory, whatever a server sends.
const MEMORY_MAX: u64 = 50_000_000;

#[test]
fn a_listing_that_hides_something_makes_get_r_fail_and_say_so() {
    let server = serve_session(|mut liar| {
        liar.answers("STAT d", &format!("213 {} /d", tokens(DIRECTORY)));
        liar.hears("LIST d");
        liar.lists(&[], "226 hidden=3 done");
        liar.hears("220");
    });
    let desk = Desk::new();
    let ran = run(&desk, server.address, "get -r d");
    ran.fails(
        1,
        "d: 3 entries that the server could not list, not fetched",
    );
    ran.fails(1, "; 1 failed");
    server.end();
}

#[test]
fn names_that_lead_out_of_the_folder_make_get_r_fail_and_are_not_written() {
    let server = serve_session(|mut liar| {
        liar.answers("STAT d", &format!("213 {} /d", tokens(DIRECTORY)));
        liar.hears("LIST d");
        let names = ["../up", "a/b", "/etc/passwd", "..", ""];
        let lines = names.map(|name| format!("{FILE} {name}"));
        liar.lists(&lines.each_ref().map(String::as_str), "226 hidden=0 done");
        liar.hears("220");
    });
    let desk = Desk::new();
    let ran = run(&desk, server.address, "get -r d");
    ran.fails(1, "; 5 failed");
    ran.fails(1, "../up: ");
    let names: Vec<_> = fs::read_dir(desk.path("d")).unwrap().collect();
    assert!(names.is_empty(), "{names:?}");
    assert!(!desk.path("up").exists());
    server.end();
}

#[test]
fn a_listing_without_an_end_is_given_up_with_the_memory_flat() {
    for (command, length) in [("get -r d", 240), ("get -r d", 1), ("put -r d", 240)] {
        let (heard, stopped) = channel();
        let (go, may_go_on) = channel::<()>();
        let server = serve_session(move |mut liar| {
            liar.answers("STAT d", &format!("213 {} /d", tokens(DIRECTORY)));
            liar.hears("LIST d");
            liar.says("150 here it comes");
            let long = "x".repeat(length);
            let lines: String = (0..1000).map(|n| format!("{FILE} {n}{long}\r\n")).collect();
            liar.sends_until_heard(lines.as_bytes());
            heard.send(()).unwrap();
            may_go_on.recv().unwrap();
            liar.stops();
            liar.hears("220");
        });
        let desk = Desk::new();
        fs::create_dir(desk.path("d")).unwrap();
        let child = desk.begin(server.address, &["--tls", "off", "-c", command]);
        stopped.recv().unwrap();
        let memory = most_memory(child.id());
        assert!(memory < MEMORY_MAX, "{memory} bytes");
        go.send(()).unwrap();
        let told = "d: its listing has no end, or more entries than are taken here";
        finish(child, "").fails(1, told);
        server.end();
    }
}

#[test]
fn a_tree_without_an_end_is_given_up_at_a_depth_that_is_told() {
    let server = serve_session(|mut liar| {
        liar.answers_all(|liar, line| match line {
            _ if line.starts_with("STAT ") => {
                liar.says(&format!("213 {} /d", tokens(DIRECTORY)));
            }
            _ => liar.lists(&[&format!("{DIRECTORY} d")], "226 hidden=0 done"),
        });
    });
    let desk = Desk::new();
    let ran = run(&desk, server.address, "get -r d");
    ran.fails(1, "deeper than 64, not fetched");
    server.end();
}

#[test]
fn work_without_an_end_meets_a_deadline() {
    let server = serve_session(|mut liar| {
        liar.hears("HASH algo=md5 a");
        liar.says_for_ever("111 done=7 of=7 hashing");
    });
    let desk = Desk::new();
    desk.write("quick.ron", b"(timeout: \"200ms\")");
    let server_and_settings = ["--config", "quick.ron", "-c", "-hash a; hash b"];
    let ran = run_with(&desk, server.address, &server_and_settings);
    ran.fails(3, "the server says that it works and gets no further");
    server.end();
}

#[test]
fn nothing_that_a_server_says_commands_the_terminal() {
    let odd = "\u{1b}]0;title\u{7}\u{1b}[2J\u{9b}31m\u{202e}x";
    let commands = [
        "pwd",
        "cd a",
        "ls",
        "ls a",
        "mkdir a",
        "delete a",
        "rename a b",
        "hash a",
        "hash -s a",
        "df",
        "status",
        "system",
        "stages",
        "stages -d a",
        "get a",
        "get -r a",
        "put file",
        "put -r tree",
    ];
    for code in [150, 200, 213, 220, 226, 250, 257, 350, 404, 421, 550, 551] {
        for command in commands {
            let server = serve_session(move |mut liar| {
                let odd = format!("{code} user={odd} server={odd} {odd}");
                liar.answers_all(move |liar, _| {
                    liar.says(&odd);
                    if code == 150 {
                        liar.sends(&super::liar::framed(format!("{FILE} {odd}\r\n").as_bytes()));
                        liar.sends(&[0; 4]);
                        liar.says(&odd.replacen("150", "550", 1));
                    }
                });
            });
            let desk = Desk::new();
            desk.write("file", b"content");
            fs::create_dir(desk.path("tree")).unwrap();
            desk.write("tree/file", b"content");
            let ran = run(&desk, server.address, command);
            let shown = ran.said + &ran.complained;
            let raw = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
            assert!(!shown.contains(raw), "{code} to {command}: {shown:?}");
            server.end();
        }
    }
}

#[test]
fn a_certificate_is_remembered_only_after_the_server_has_proven_itself() {
    let daemon = Daemon::demo();
    let desk = Desk::new();
    let target = format!("tom@{}", daemon.address());
    let words = ["--trust", "new", "--password-stdin", "-c", "pwd", &target];
    desk.run(&words, "124\n").fails(4, "530");
    assert!(!desk.known_hosts().exists());
    desk.run(&words, "123\n").says("257 /\n");
    assert!(desk.known_hosts().exists());
}

/// It has tom's name and its own certificate, and guesses the rest.
#[test]
fn nothing_is_remembered_of_a_server_that_does_not_prove_itself() {
    for last in [
        "230 welcome",
        "230 scram=dj15VkhYcVhiV1kyRWhiazF1SjZRYUJRNXgzUWwzalRuNXlQNHBTZ0tENVJrPQ== welcome",
        "230 scram= welcome",
        "257 /",
        "421 why=shutting-down bye",
    ] {
        let server = serve_impostor(last);
        let desk = Desk::new();
        let ran = desk.batch(server.address, &["-c", "pwd"], "");
        assert!(matches!(ran.code, 3 | 4), "{last}: {}", ran.complained);
        assert!(!desk.known_hosts().exists(), "{last}");
        server.end();
    }
}

#[test]
fn what_is_no_skiff_server_is_recognised_and_nobody_is_told_to_do_without_tls() {
    let of_ftp = "this is an FTP server; skiffd's own port is 8001 by default";
    let cases: [(&[u8], &str); 5] = [
        (b"220 welcome\r\n", of_ftp),
        (b"220-\x1b[2Jwelcome\r\n", of_ftp),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "this is an SSH server; "),
        (b"\x16\x03\x03\x00\x04\x99\x00\x00\x00", "TLS failed: "),
        (b"\x15\x03\x03\x00\x02\x02\x28", "TLS failed: "),
    ];
    for (greeting, told) in cases {
        let server = serve(move |mut liar| {
            liar.sends(greeting);
            liar.hears_the_end();
        });
        let desk = Desk::new();
        let ran = desk.batch(server.address, &["-c", "pwd"], "");
        ran.fails(3, told);
        ran.fails(3, "8001 by default");
        assert!(!ran.complained.contains("tls off"), "{}", ran.complained);
        assert!(!ran.complained.contains('\x1b'), "{}", ran.complained);
        server.end();
    }
    let server = serve(|mut liar| {
        liar.says("220 welcome");
        liar.hears_the_end();
    });
    run(&Desk::new(), server.address, "pwd").fails(3, of_ftp);
    server.end();
}

#[test]
fn ports_of_our_own_that_are_not_the_native_one() {
    let mut daemon = Daemon::with_ftp();
    let ftp = daemon.ftp_address();
    let ran = Desk::new().batch(ftp, &["-c", "pwd"], "");
    ran.fails(
        3,
        "this is an FTP server; skiffd's own port is 8001 by default",
    );
    daemon.stop();
    let daemon = Daemon::with("native: (tls: Off),");
    let ran = Desk::new().batch(daemon.address(), &["-c", "pwd"], "");
    ran.fails(3, "8001 by default");
    assert!(!ran.complained.contains("tls off"), "{}", ran.complained);
}

/// Runs one command at a server without TLS.
#[track_caller]
fn run(desk: &Desk, server: SocketAddr, command: &str) -> Ran {
    run_with(desk, server, &["-c", command])
}

#[track_caller]
fn run_with(desk: &Desk, server: SocketAddr, words: &[&str]) -> Ran {
    desk.batch(
        server,
        &[&["--tls", "off", "--retry", "0"], words].concat(),
        "",
    )
}

/// The tokens of STAT that a listing's facts are.
fn tokens(facts: &str) -> String {
    facts
        .trim_end_matches(';')
        .replace("modify", "mtime")
        .replace(';', " ")
}

/// The most that a process has had in memory (proc(5), VmHWM), in bytes.
#[track_caller]
fn most_memory(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.unwrap().trim().trim_end_matches(" kB");
    kilobytes.parse::<u64>().unwrap() * 1024
}
