//! What a script is told by the exit code: each of them provoked.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;

use rustix::net::{AddressFamily, SocketType};

use super::desk::Desk;
use super::line::Line;
use crate::harness::Daemon;

#[test]
fn zero_all_was_done() {
    let daemon = Daemon::demo();
    let desk = Desk::new();
    desk.batch(daemon.address(), &["-c", "pwd"], "")
        .says("257 /\n");
    desk.batch(daemon.address(), &["-c", "pwd; quit; delete none"], "")
        .says("257 /\n");
}

#[test]
fn one_a_command_failed() {
    let daemon = Daemon::demo();
    let desk = Desk::new();
    for (command, complaint) in [
        ("get none", "404 none: "),
        ("put none", "none: "),
        ("cd ..", "403 ..: "),
        ("frob", "frob: no such command"),
        ("st", "st: ambiguous"),
        ("mkdir", "mkdir: usage: mkdir [-p] DIR..."),
        ("ls -x", "ls: -x: no such option"),
        ("!exit 7", "7"),
        ("put 'a", "a ' has no end"),
    ] {
        desk.batch(daemon.address(), &["-c", command], "")
            .fails(1, complaint);
    }
}

#[test]
fn two_the_command_line_or_a_file_of_ours_is_wrong() {
    let desk = Desk::new();
    desk.write("odd.ron", b"(sevrer: \"a\")");
    for (words, complaint) in [
        (&["--frob"][..], "--frob"),
        (&["a", "b"], "b: not understood"),
        (&["-c", "ls", "-f", "x", "a"], "-c and -f: give one of them"),
        (&["--config", "none.ron"], "none.ron"),
        (&["--config", "odd.ron"], "sevrer"),
    ] {
        let ran = desk.run(words, "");
        ran.fails(2, complaint);
    }
}

#[test]
fn two_nobody_can_be_asked_for_what_is_missing() {
    let daemon = Daemon::demo();
    let desk = Desk::new();
    let server = daemon.address().to_string();
    let ran = desk.run(&["--trust", "new", &server], "");
    ran.fails(2, "no user");
    let target = format!("tom@{server}");
    let ran = desk.run(&["--trust", "new", &target], "");
    ran.fails(2, "no password");
    let file = ["--trust", "new", "--password-file", "none", &*target];
    desk.run(&file, "").fails(2, "none");
    desk.batch(daemon.address(), &["-f", "none"], "")
        .fails(2, "none: ");
}

#[test]
fn three_nobody_is_there() {
    // A port that is bound and never listens refuses, and nobody else can have it meanwhile.
    let port = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    rustix::net::bind(&port, &SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let server = SocketAddr::try_from(rustix::net::getsockname(&port).unwrap()).unwrap();
    let ran = Desk::new().batch(server, &["-c", "pwd"], "");
    ran.fails(3, &format!("skiff: {server}: no connection: "));
}

#[test]
fn three_the_connection_is_lost() {
    let mut daemon = Daemon::demo();
    let desk = Desk::new();
    let mut child = desk.begin(daemon.address(), &["--retry", "1"]);
    let mut input = child.stdin.take().unwrap();
    writeln!(input, "pwd").unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap());
    said.read_line(&mut String::new()).unwrap();
    daemon.kill9();
    writeln!(input, "-pwd\npwd").unwrap();
    drop(input);
    let mut complained = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut complained)
        .unwrap();
    assert!(
        complained.contains("the connection was lost"),
        "{complained}"
    );
    assert!(complained.contains("(try 1 of 1, "), "{complained}");
    assert_eq!(child.wait().unwrap().code(), Some(3));
}

#[test]
fn four_the_login_was_refused() {
    let daemon = Daemon::demo();
    let desk = Desk::new();
    let target = format!("tom@{}", daemon.address());
    let words = ["--trust", "new", "--password-stdin", "-c", "pwd", &target];
    let ran = desk.run(&words, "124\n");
    ran.fails(4, "skiff: 530 wrong user or password");
    assert_eq!(ran.said, "");
}

#[test]
fn five_the_certificate_is_not_trusted() {
    let (daemon, other) = (Daemon::demo(), Daemon::demo());
    let (desk, line) = (Desk::new(), Line::to(daemon.address()));
    let target = format!("tom@{}", line.address());
    let words = ["--password-stdin", "-c", "pwd", &*target];
    let ran = desk.run(&words, "123\n");
    ran.fails(5, "not met before");
    ran.fails(5, "say --trust new, or --trust sha256:");
    assert!(!desk.known_hosts().exists());

    desk.batch(line.address(), &["-c", "pwd"], "")
        .says("257 /\n");
    line.lead_to(other.address());
    desk.batch(line.address(), &["-c", "pwd"], "")
        .fails(5, "the certificate has changed!");
    let wanted = fingerprint(&daemon);
    let named = ["--trust", &wanted, "--password-stdin", "-c", "pwd", &target];
    desk.run(&named, "123\n")
        .fails(5, "not the one that --trust names");
    line.lead_to(daemon.address());
    desk.run(&named, "123\n").says("257 /\n");
}

fn fingerprint(daemon: &Daemon) -> String {
    let logged = daemon.wait_log("certificate fingerprint ");
    logged.rsplit(' ').next().unwrap().to_owned()
}
