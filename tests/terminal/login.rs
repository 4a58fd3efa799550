//! Who the server is, who the person is: fingerprints, names, passwords at a terminal.

use std::fs;

use super::desk::Desk;
use super::line::Line;
use super::screen::Terminal;
use crate::harness::{Daemon, PASSWORD};

const SECRET: &str = "Sesam, offne dich";

/// Bodies of TLS records: the longest that ends a client's handshake, and the shortest login.
const FINISHED_MAX: usize = 80;

#[test]
fn a_stranger_is_asked_for_trust_name_and_password() {
    let daemon = Daemon::demo();
    daemon.user(&["add", "ann", "--password-stdin"], &format!("{SECRET}\n"));
    let logged = daemon.wait_log("certificate fingerprint ");
    let (_, fingerprint) = logged.rsplit_once(' ').unwrap();
    let (desk, server) = (Desk::new(), daemon.address().to_string());

    let mut terminal = desk.sit(&[&server]);
    let shown = terminal.wait_for("trust it, and remember it? (y/n)");
    assert!(shown.contains(&format!("{server} was not met before")));
    assert!(shown.contains(&format!("sha256:{fingerprint}")));
    terminal.enter("perhaps");
    terminal.wait_for("trust it, and remember it? (y/n)");
    terminal.enter("y");
    give_name_and_password(&mut terminal);

    let mut again = desk.sit(&[&server]);
    give_name_and_password(&mut again);
    assert!(!again.screen().contains("trust"), "{}", again.screen());
    let known = fs::read_to_string(desk.known_hosts()).unwrap();
    assert_eq!(known, format!("{server} sha256:{fingerprint}\n"));
}

#[test]
fn a_certificate_that_is_declined_is_not_remembered() {
    let daemon = Daemon::demo();
    let (desk, line) = (Desk::new(), Line::to(daemon.address()));
    let mut terminal = desk.sit(&[&format!("tom@{}", line.address())]);
    terminal.wait_for("trust it, and remember it? (y/n)");
    terminal.enter("n");
    terminal.wait_for("its certificate was not trusted");
    assert_eq!(terminal.exit_code(), 5);
    assert!(!desk.known_hosts().exists());
    assert_no_login(&line);
}

#[test]
fn a_changed_certificate_stops_the_login_before_any_proof() {
    let (daemon, other) = (Daemon::demo(), Daemon::demo());
    let (desk, line) = (Desk::new(), Line::to(daemon.address()));
    let target = format!("tom@{}", line.address());
    let mut terminal = desk.sit(&[&target]);
    terminal.wait_for("(y/n)");
    terminal.enter("y");
    terminal.wait_for("password:");
    terminal.enter_secretly(PASSWORD);
    terminal.answer();
    terminal.enter("bye");
    assert_eq!(terminal.exit_code(), 0);
    line.overheard();

    line.lead_to(other.address());
    let warned = desk.sit(&[&target]);
    warned.wait_for("nothing was sent");
    assert_eq!(warned.exit_code(), 5);
    let shown = warned.screen();
    let known = desk.known_hosts();
    let words: Vec<&str> = shown.split_whitespace().collect();
    let place = format!("delete line 1 of {}", known.display());
    assert!(shown.contains("the certificate has changed!"), "{shown}");
    assert!(words.join(" ").contains(&place), "{shown}");
    assert!(!shown.contains("password"), "{shown}");
    assert_eq!(shown.matches("sha256:").count(), 2, "{shown}");
    assert_no_login(&line);

    line.lead_to(daemon.address());
    let trusted = desk.sit(&[&target]);
    trusted.wait_for("password:");
}

#[test]
fn a_wrong_password_may_be_mistyped_twice() {
    let daemon = Daemon::demo();
    let desk = Desk::new();
    let target = format!("tom@{}", daemon.address());
    let mut terminal = desk.sit(&["--trust", "new", &target]);
    for _ in 0..2 {
        mistype(&mut terminal);
    }
    terminal.wait_for("password:");
    terminal.enter_secretly(PASSWORD);
    terminal.answer();

    let mut refused = desk.sit(&[&target]);
    for _ in 0..3 {
        mistype(&mut refused);
    }
    assert_eq!(refused.exit_code(), 4);
}

#[test]
fn passwd_asks_for_the_old_password_and_twice_for_the_new_one() {
    let daemon = Daemon::demo();
    let desk = Desk::new();
    let mut tom = desk.log_in(daemon.address());
    let changed = |tom: &mut Terminal, typed: [&str; 3]| {
        tom.enter("passwd");
        for (prompt, secret) in ["old password:", "new password:", "again:"]
            .iter()
            .zip(typed)
        {
            tom.wait_for(prompt);
            tom.enter_secretly(secret);
        }
        tom.answer()
    };
    let said = changed(&mut tom, ["124", SECRET, SECRET]);
    assert_eq!(
        said,
        "403 the old password is wrong, or was changed since this login"
    );
    let said = changed(&mut tom, [PASSWORD, SECRET, PASSWORD]);
    assert_eq!(
        said,
        "passwd: the two are not the same; nothing was changed"
    );
    let said = changed(&mut tom, [PASSWORD, "", ""]);
    assert_eq!(said, "new password: the password is empty");
    let said = changed(&mut tom, ["", SECRET, SECRET]);
    assert_eq!(said, "old password: the password is empty");
    daemon.login("tom");
    assert_eq!(
        changed(&mut tom, [PASSWORD, SECRET, SECRET]),
        "250 password changed"
    );
    daemon.login_as("tom", SECRET);
    // The same session has learnt what it has set.
    assert_eq!(
        changed(&mut tom, [SECRET, PASSWORD, PASSWORD]),
        "250 password changed"
    );
    daemon.login("tom");
    let shown = tom.screen();
    assert!(!shown.contains("Sesam"), "{shown}");
    daemon.user(&["set", "tom", "--passwd", "off"], "");
    let said = changed(&mut tom, [PASSWORD, SECRET, SECRET]);
    assert_eq!(
        said,
        "403 the password of this account is changed by the server's operator"
    );
}

/// Another certificate's server gets to see the end of the handshake and nothing behind it.
#[track_caller]
fn assert_no_login(line: &Line) {
    let said = line.overheard();
    let records = application_records(&said);
    assert!(!records.is_empty(), "no handshake: {said:?}");
    assert!(
        records.iter().all(|&length| length <= FINISHED_MAX),
        "records of {records:?} bytes"
    );
}

/// How long the bodies of the encrypted records are (RFC 8446, section 5.1).
fn application_records(mut said: &[u8]) -> Vec<usize> {
    let mut lengths = Vec::new();
    while let [kind, _, _, high, low, rest @ ..] = said {
        let length = usize::from(*high) << 8 | usize::from(*low);
        if *kind == 23 {
            lengths.push(length);
        }
        said = &rest[length.min(rest.len())..];
    }
    lengths
}

#[track_caller]
fn give_name_and_password(terminal: &mut Terminal) {
    terminal.wait_for("name:");
    terminal.enter("ann");
    terminal.wait_for("password:");
    terminal.enter_secretly(SECRET);
    assert!(terminal.answer().starts_with("ann at 127.0.0.1:"));
    assert_eq!(terminal.prompt(), "ann@127.0.0.1:/>");
    let shown = terminal.screen();
    assert!(!shown.contains("Sesam"), "{shown}");
}

#[track_caller]
fn mistype(terminal: &mut Terminal) {
    terminal.wait_for("password:");
    terminal.enter_secretly("124");
    terminal.wait_for("530 wrong user or password");
}
