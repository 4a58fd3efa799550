//! `skiffd who` and `top` in a terminal.

use std::io::Write;

use super::screen::Terminal;
use crate::harness::{Daemon, Ftp, binary};

fn begin(daemon: &Daemon, command: &str, columns: usize) -> Terminal {
    let (skiffd, settings) = (binary("skiffd"), daemon.settings());
    let words = [skiffd.to_str().unwrap(), command, "--config"];
    let words = [&words[..], &[settings.to_str().unwrap()]].concat();
    Terminal::start(&words, daemon.folder(), daemon.folder(), columns)
}

#[test]
fn top_draws_what_goes_on_until_ctrl_c() {
    let daemon = Daemon::with_ftp();
    let mut ftp = Ftp::login(daemon.ftp_address(), "tom");
    assert_eq!(ftp.ask("ALLO 1000"), 200);
    let mut lane = ftp.passive();
    assert_eq!(ftp.ask("STOR photo.jpg"), 150);
    let terminal = begin(&daemon, "top", 140);
    for (bytes, shown) in [(250, "250 B"), (250, "500 B")] {
        lane.write_all(&vec![0; bytes]).unwrap();
        let screen = terminal.wait_for(shown);
        assert!(screen.contains("/photo.jpg"), "{screen}");
    }
    let screen = terminal.wait_for(" 50 ");
    assert_eq!(screen.matches("SESSION").count(), 1, "{screen}");
    // Who leaves is not seen any more.
    drop((ftp, lane));
    terminal.wait("an empty table", |screen| {
        (screen.contains("SESSION") && !screen.contains("tom")).then_some(())
    });
    terminal.press("C-c");
    terminal.wait_for("exit code 130");
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    let daemon = Daemon::with_ftp();
    let mut tom = daemon.login("tom");
    let name = "n".repeat(200);
    tom.ask(&format!("STOR size=10 {name}-its-end"), 150);
    let terminal = begin(&daemon, "who", 140);
    let screen = terminal.wait_for("exit code 0");
    let mut lines = screen.lines();
    assert!(lines.next().unwrap().starts_with("SESSION"), "{screen}");
    let line = lines.next().unwrap();
    assert!(
        line.ends_with("n-its-end") && line.contains('…'),
        "{screen}"
    );
    assert_eq!(lines.next(), Some(""), "{screen}");
}
