//! What the program tells of itself: completions in real shells, the manual page, and help.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

use super::desk::Desk;
use super::screen::Terminal;
use crate::harness::{Daemon, binary, until};

/// A desk with a host in its settings and the completions of a shell in a file.
fn desk(shell: &str) -> Desk {
    let desk = Desk::new();
    let folder = desk.home().join(".config/skiff");
    fs::create_dir_all(&folder).unwrap();
    fs::write(
        folder.join("client.ron"),
        "(hosts: {\"storage\": (server: \"a\")})",
    )
    .unwrap();
    let ran = desk.run(&["completions", shell], "");
    assert_eq!(ran.code, 0, "{}", ran.complained);
    desk.write("completions", ran.said.as_bytes());
    desk.write("here.ron", b"()");
    desk
}

/// A shell at whose prompt `skiff` is the program under test.
fn start(desk: &Desk, shell: &[&str]) -> Terminal {
    let binary = binary("skiff");
    let folder = binary.parent().unwrap();
    let path = format!("PATH={}:{}", folder.display(), env::var("PATH").unwrap());
    let words = [&["env", &*path, "PS1=$ ", "TERM=xterm"], shell].concat();
    Terminal::start(&words, &desk.path("."), &desk.home(), 100)
}

/// Types the beginning of a line, presses Tab, sees the line, and takes it back.
#[track_caller]
fn complete(terminal: &Terminal, typed: &str, completed: &str) {
    terminal.type_in(typed);
    let has = |text: &str| {
        until(&format!("{text:?}"), || {
            terminal.lines().last()?.contains(text).then_some(())
        });
    };
    has(typed);
    terminal.press("Tab");
    has(completed);
    // Ctrl-C leaves the line on the screen, and begins another one.
    terminal.press("C-c");
    until("another prompt", || {
        let lines = terminal.lines();
        (!lines.last()?.contains("skiff")).then_some(())
    });
}

const COMPLETED: [(&str, &str); 8] = [
    ("skiff --limi", "skiff --limit-rate"),
    ("skiff --tls of", "skiff --tls off"),
    ("skiff --config her", "skiff --config here.ron"),
    ("skiff compl", "skiff completions"),
    ("skiff completions z", "skiff completions zsh"),
    ("skiff stora", "skiff storage"),
    ("skiff -q sync --check", "skiff -q sync --checksum"),
    ("skiff get stora", "skiff get storage:"),
];

/// Starts the shell, has it read the completions, and uses them.
fn complete_all(name: &str, shell: &[&str], setup: &str) {
    let desk = desk(name);
    let mut terminal = start(&desk, shell);
    until("the shell's prompt", || {
        (!terminal.lines().is_empty()).then_some(())
    });
    terminal.enter(setup);
    terminal.wait_for("ready");
    for (typed, completed) in COMPLETED {
        complete(&terminal, typed, completed);
    }
}

#[test]
fn bash_completes() {
    let setup = "source completions && echo 're''ady'";
    complete_all("bash", &["bash", "--norc", "--noprofile", "-i"], setup);
}

#[test]
fn zsh_completes() {
    let setup = "autoload -Uz compinit && compinit -D && source ./completions && echo 're''ady'";
    complete_all("zsh", &["zsh", "-f", "-i"], setup);
}

/// As zsh itself loads it: from a folder of functions.
#[test]
fn zsh_loads_the_completions_from_a_folder() {
    let desk = desk("zsh");
    fs::create_dir(desk.path("functions")).unwrap();
    fs::copy(desk.path("completions"), desk.path("functions/_skiff")).unwrap();
    let mut terminal = start(&desk, &["zsh", "-f", "-i"]);
    until("the shell's prompt", || {
        (!terminal.lines().is_empty()).then_some(())
    });
    terminal.enter(
        "fpath=($PWD/functions $fpath); autoload -Uz compinit && compinit -D && echo 're''ady'",
    );
    terminal.wait_for("ready");
    complete(&terminal, "skiff --limi", "skiff --limit-rate");
    complete(&terminal, "skiff stora", "skiff storage");
}

#[test]
fn fish_completes() {
    let setup = "set -g fish_autosuggestion_enabled 0; source completions; and echo 're''ady'";
    complete_all("fish", &["fish", "--no-config", "-i"], setup);
}

#[test]
fn the_manual_page_is_read_without_a_warning() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../client/skiff.1");
    let mut man = Command::new("man");
    man.args(["--warnings", "-l"]).arg(page);
    man.env("LC_ALL", "C.UTF-8")
        .env("MANWIDTH", "80")
        .env("MANPAGER", "cat");
    let output = man.output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && told.is_empty(), "{told}");
    let shown = String::from_utf8(output.stdout).unwrap();
    for section in [
        "NAME",
        "OPTIONS",
        "COMMANDS",
        "QUOTING",
        "TRUST",
        "EXIT STATUS",
        "FILES",
    ] {
        assert!(shown.lines().any(|line| line == section), "{section}");
    }
    assert!(
        shown.lines().all(|line| line.chars().count() <= 80),
        "{shown}"
    );
    let printed = Desk::new().run(&["man"], "").said;
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("../client/skiff.1");
    assert_eq!(printed, fs::read_to_string(kept).unwrap());
}

#[test]
fn help_fits_a_screen_of_twenty_four_lines_and_explains_topics() {
    let desk = Desk::new();
    let usage = desk.run(&["--help"], "").said;
    assert!(usage.lines().count() <= 24, "{usage}");
    assert!(
        usage.lines().all(|line| line.chars().count() <= 80),
        "{usage}"
    );
    for (topic, words) in [
        ("quoting", "words are parted by blanks"),
        ("resume", ".skiff-part"),
        ("scripts", "--json"),
        ("trust", "fingerprint"),
        ("options", "--limit-rate RATE"),
        ("hosts", "list the hosts of the settings"),
    ] {
        let ran = desk.run(&["help", topic], "");
        assert!(ran.said.contains(words), "{topic}: {}", ran.said);
    }
    let daemon = Daemon::demo();
    for topic in ["quoting", "resume", "scripts", "trust", "options"] {
        let typed = desk.batch(daemon.address(), &["-c", &format!("help {topic}")], "");
        assert_eq!(typed.said, desk.run(&["help", topic], "").said);
    }
    // A command and a topic of one name are told together.
    let sync = desk.run(&["help", "sync"], "").said;
    assert!(
        sync.contains("usage: sync ") && sync.contains("in one direction"),
        "{sync}"
    );
    desk.run(&["help", "frob"], "")
        .fails(1, "frob: no such command");
    desk.run(&["completions", "tcsh"], "")
        .fails(2, "tcsh: no shell that is known here");
}
