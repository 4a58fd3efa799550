//! What `skiffd` tells of itself: completions in real shells, manual pages, and where it looks for
//! its settings.

use std::env;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

use super::screen::Terminal;
use crate::harness::{PASSWORD, binary, skiffd, skiffd_user, until};

/// A new server with the user tom.
fn new_server() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().to_str().unwrap();
    assert!(skiffd(&["init", place], "").status.success());
    let settings = folder.path().join("server.ron");
    let added = skiffd_user(&settings, &["add", "tom", "--password-stdin"], PASSWORD);
    assert!(added.status.success(), "{added:?}");
    folder
}

/// `skiffd` with these words, whose environment names these settings.
fn run_with(settings: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(binary("skiffd"));
    command.args(words).env("SKIFFD_CONFIG", settings);
    command.output().unwrap()
}

#[test]
fn the_environment_names_the_settings_where_the_command_line_does_not() {
    let server = new_server();
    let (settings, other) = (
        server.path().join("server.ron"),
        server.path().join("no.ron"),
    );
    let listed = run_with(&settings, &["user", "list"]);
    let said = String::from_utf8_lossy(&listed.stdout);
    assert!(
        listed.status.success() && said.starts_with("tom "),
        "{listed:?}"
    );
    let given = settings.to_str().unwrap();
    let listed = run_with(&other, &["user", "list", "--config", given]);
    assert!(listed.status.success(), "{listed:?}");
    for words in [&["user", "list"][..], &["check"], &["reload"], &[]] {
        let refused = run_with(&other, words);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned()
            + &String::from_utf8_lossy(&refused.stdout);
        assert!(
            !refused.status.success() && said.contains("no.ron"),
            "{words:?}: {said}"
        );
    }
}

const COMPLETED: [(&str, &str); 9] = [
    ("skiffd che", "skiffd check"),
    ("skiffd --dem", "skiffd --demo"),
    ("skiffd --config serv", "skiffd --config server.ron"),
    ("skiffd user rec", "skiffd user recount"),
    ("skiffd user set to", "skiffd user set tom"),
    (
        "skiffd user set tom --pub",
        "skiffd user set tom --publish-on-lost-control",
    ),
    (
        "skiffd user add new --ftp of",
        "skiffd user add new --ftp off",
    ),
    ("skiffd --demo --nat", "skiffd --demo --native"),
    ("skiffd completions fi", "skiffd completions fish"),
];

/// Starts the shell with the completions in the file `completions`, and uses them.
fn complete_all(name: &str, shell: &[&str], setup: &str) {
    let server = new_server();
    let script = skiffd(&["completions", name], "");
    assert!(script.status.success(), "{script:?}");
    let folder = server.path();
    fs::write(folder.join("completions"), &script.stdout).unwrap();
    fs::create_dir(folder.join("functions")).unwrap();
    fs::write(folder.join("functions/_skiffd"), &script.stdout).unwrap();
    let program = binary("skiffd");
    let path = env::var("PATH").unwrap();
    let path = format!("PATH={}:{path}", program.parent().unwrap().display());
    let settings = format!("SKIFFD_CONFIG={}/server.ron", folder.display());
    let words = [&["env", &*path, &*settings, "PS1=$ ", "TERM=xterm"], shell].concat();
    let mut terminal = Terminal::start(&words, folder, folder, 120);
    until("the shell's prompt", || {
        (!terminal.lines().is_empty()).then_some(())
    });
    terminal.enter(setup);
    terminal.wait_for("ready");
    for (typed, completed) in COMPLETED {
        complete(&terminal, typed, completed);
    }
}

/// Types the beginning of a line, presses Tab, sees the line, and takes it back.
#[track_caller]
fn complete(terminal: &Terminal, typed: &str, completed: &str) {
    terminal.type_in(typed);
    for (text, key) in [(typed, "Tab"), (completed, "C-c")] {
        until(&format!("{text:?}"), || {
            terminal.lines().last()?.contains(text).then_some(())
        });
        terminal.press(key);
    }
    until("another prompt", || {
        let lines = terminal.lines();
        (!lines.last()?.contains("skiffd ")).then_some(())
    });
}

#[test]
fn bash_completes_the_daemon() {
    let setup = "source completions && echo 're''ady'";
    complete_all("bash", &["bash", "--norc", "--noprofile", "-i"], setup);
}

#[test]
fn zsh_completes_the_daemon() {
    let setup = "fpath=($PWD/functions $fpath); autoload -Uz compinit && compinit -D && \
                 echo 're''ady'";
    complete_all("zsh", &["zsh", "-f", "-i"], setup);
}

#[test]
fn fish_completes_the_daemon() {
    let setup = "set -g fish_autosuggestion_enabled 0; source completions; and echo 're''ady'";
    complete_all("fish", &["fish", "--no-config", "-i"], setup);
}

#[test]
fn the_daemons_manual_pages_are_read_without_a_warning() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../reactor");
    for (page, sections) in [
        (
            "skiffd.8",
            &["COMMANDS", "SIGNALS", "ENVIRONMENT", "EXIT STATUS"][..],
        ),
        ("skiffd.ron.5", &["DESCRIPTION", "SETTINGS"]),
    ] {
        let mut man = Command::new("man");
        man.args(["--warnings", "-l"]).arg(folder.join(page));
        man.env("LC_ALL", "C.UTF-8")
            .env("MANWIDTH", "80")
            .env("MANPAGER", "cat");
        let output = man.output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && told.is_empty(), "{page}: {told}");
        let shown = String::from_utf8(output.stdout).unwrap();
        for section in sections {
            assert!(
                shown.lines().any(|line| line == *section),
                "{page}: {section}"
            );
        }
    }
}
