//! Options that say how much is told, and how fast bytes go.

use std::time::{Duration, Instant};

use super::desk::Desk;
use crate::harness::{Daemon, PASSWORD, noise};

const NEW_PASSWORD: &str = "Sesam, offne dich";

#[test]
fn quiet_says_what_is_asked_for_and_what_fails_and_nothing_else() {
    let daemon = Daemon::demo();
    let desk = Desk::new();
    desk.write("file", &noise(1, 100_000));
    let commands =
        "put file; mkdir d; cd d; cd; mv file d; get d/file back; rm d/file; rmdir d; lcd .";
    let ran = desk.batch(daemon.address(), &["-q", "-c", commands], "");
    assert_eq!((ran.code, &*ran.said, &*ran.complained), (0, "", ""));
    let ran = desk.batch(
        daemon.address(),
        &["-q", "-c", "pwd; put file; ls; cat file | wc -c"],
        "",
    );
    assert_eq!((ran.code, &*ran.complained), (0, ""));
    assert_eq!(ran.said, "257 /\nfile\n100000\n");
    let ran = desk.batch(daemon.address(), &["--quiet", "-c", "get none"], "");
    ran.fails(1, "404 none: ");
    let ran = desk.batch(
        daemon.address(),
        &["--json", "-q", "-c", "mkdir d; get none"],
        "",
    );
    assert_eq!(ran.said.lines().count(), 1, "{}", ran.said);
}

#[test]
fn verbose_shows_the_dialogue_and_no_secret() {
    let daemon = Daemon::demo();
    let desk = Desk::new();
    let ran = desk.batch(daemon.address(), &["-v", "-c", "mkdir a; ls"], "");
    let told = &ran.complained;
    for line in [
        &format!("* connected to {}", daemon.address()),
        "> USER ****",
        "> PASS ****",
        "> MKD a",
        "< 257 /a",
        "> LIST",
        "> 220",
    ] {
        assert!(told.lines().any(|said| said == line), "no {line} in {told}");
    }
    assert_eq!(ran.said, "257 /a\na\n");
    assert_no_secret(told);

    let mut tom = desk.sit_known(&["-v", &format!("tom@{}", daemon.address())]);
    tom.prompt();
    tom.enter("passwd");
    for (prompt, secret) in [
        ("old password:", PASSWORD),
        ("new password:", NEW_PASSWORD),
        ("again:", NEW_PASSWORD),
    ] {
        tom.wait_for(prompt);
        tom.enter_secretly(secret);
    }
    let said = tom.answer();
    assert!(said.contains("> PASSWD ****\n< 250 "), "{said}");
    assert_no_secret(&tom.screen());
}

/// A proof, a nonce, a salt and a key have forty digits or twenty of base64 and more; the one thing
/// of that length that may be shown is the fingerprint of the certificate.
#[track_caller]
fn assert_no_secret(told: &str) {
    assert!(!told.contains("Sesam"), "{told}");
    assert!(!told.contains("cj1"), "{told}");
    for line in told.lines().filter(|line| !line.contains("certificate")) {
        let is_part = |c: char| c.is_ascii_alphanumeric() || "+/=".contains(c);
        let runs = line.split(|c| !is_part(c));
        let longest = runs.map(str::len).max().unwrap_or(0);
        assert!(longest < 40, "{line}");
        if let Some((_, value)) = line.split_once("scram=") {
            assert!(value.starts_with("****"), "{line}");
        }
    }
}

#[test]
fn errors_of_a_script_tell_its_file_and_line() {
    let daemon = Daemon::demo();
    let desk = Desk::new();
    desk.write(
        "backup.skiff",
        b"# makes a\n\nmkdir a\n-get none\npwd; delete gone\n",
    );
    let ran = desk.batch(daemon.address(), &["-f", "backup.skiff"], "");
    assert_eq!(ran.code, 1);
    let told: Vec<_> = ran.complained.lines().collect();
    assert!(
        told[0].starts_with("backup.skiff:4: 404 none: "),
        "{told:?}"
    );
    assert!(told[1].starts_with("backup.skiff:5: "), "{told:?}");
    assert!(told[1].contains("gone: "), "{told:?}");
    assert_eq!(told.len(), 2, "{told:?}");
    desk.write("odd.skiff", b"pwd\nput 'a\n");
    desk.batch(daemon.address(), &["-f", "odd.skiff"], "")
        .fails(1, "odd.skiff:2: a ' has no end");
    let ran = desk.batch(daemon.address(), &[], "get none\n");
    assert!(
        ran.complained.starts_with("404 none: "),
        "{}",
        ran.complained
    );
}

/// A lower bound alone: a slow machine is no failure.
#[test]
fn a_limit_holds_transfers_back_in_both_directions() {
    let daemon = Daemon::demo();
    let desk = Desk::new();
    let data = noise(7, 600_000);
    desk.write("file", &data);
    for commands in ["put file", "get file back", "put -r .", "get -r . tree"] {
        let begun = Instant::now();
        let ran = desk.batch(
            daemon.address(),
            &["--limit-rate=400kB", "-c", commands],
            "",
        );
        assert_eq!(ran.code, 0, "{commands}: {}", ran.complained);
        if !commands.contains("-r") {
            assert!(begun.elapsed() >= Duration::from_secs(1), "{commands}");
        }
    }
    assert_eq!(desk.read("back"), data);
    assert_eq!(daemon.login("tom").get("file"), data);
    let word = ["-4", "-c", "pwd"];
    desk.batch(daemon.address(), &word, "").says("257 /\n");
    desk.batch(daemon.address(), &["-6", "-c", "pwd"], "")
        .fails(3, "no IPv6 address, which -6 asks for");
}
