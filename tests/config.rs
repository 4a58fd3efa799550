//! The operator's side: settings, `check`, `init`, `user`, and what a running daemon sees of them.

mod accounts;
mod activation;
mod bans;
mod check;
mod folders;
mod lab;
mod log;
mod names;
mod passwords;
mod ports;
mod rates;
mod reload;
mod rights;
mod sessions;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Output;

use tempfile::TempDir;

use crate::harness::{Daemon, skiffd, skiffd_user, write_settings};

/// What stands in a `server.ron`, and what must be said of it: place, key and remedy.
const BROKEN: &[(&str, &str, &[&str])] = &[
    ("(\n homez: \"x\",\n)", ":2:", &["\"homez\"", "\"homes\""]),
    (
        "(\n quota: (defualt: \"1MB\"),\n)",
        ":2:",
        &["\"defualt\"", "quota", "\"default\""],
    ),
    (
        "(\n\n quota: (default: \"8 apples\"),\n)",
        ":3:",
        &["quota.default", "8 apples", "\"800MB\""],
    ),
    (
        "(\n quota: (users: {\"tom\": \"1.5GB\"}),\n)",
        ":2:",
        &["quota.users", "1.5GB", "\"800MB\""],
    ),
    (
        "(\n quota: (users: {\"..\": \"1GB\"}),\n)",
        ":2:",
        &["quota.users", "\"..\""],
    ),
    (
        "(\n native: (listen: [\"127.0.0.1\"]),\n)",
        ":2:",
        &["native.listen", "127.0.0.1", "\"0.0.0.0:8001\""],
    ),
    (
        "(\n native: (listen: []),\n)",
        ":2:",
        &["native.listen", "no address", "\"0.0.0.0:8001\""],
    ),
    (
        "(\n native: (tls: Maybe),\n)",
        ":2:",
        &["native.tls", "On", "Off"],
    ),
    (
        "(\n ftp: (tls: On),\n)",
        ":2:",
        &["ftp.tls", "Require", "Optional", "Off"],
    ),
    (
        "(\n ftp: (passive_ports: \"50099-50000\"),\n)",
        ":2:",
        &["ftp.passive_ports", "50099-50000", "lower one first"],
    ),
    (
        "(\n native: (listen: [\"127.0.0.1:2121\"]),\n ftp: (tls: Optional, listen: [\"0.0.0.0:2121\"]),\n)",
        ":3:",
        &[
            "ftp.listen",
            "0.0.0.0:2121",
            "native.listen",
            "127.0.0.1:2121",
        ],
    ),
    (
        "(\n limits: (idle: \"soon\"),\n)",
        ":2:",
        &["limits.idle", "soon", "\"10min\""],
    ),
    (
        "(\n limits: (sessions: 0),\n)",
        ":2:",
        &["limits.sessions", "0", "1 or more"],
    ),
    (
        "(\n durability: Always,\n)",
        ":2:",
        &["durability", "Always", "Fsync", "None"],
    ),
    (
        "(\n file_mode: \"999\",\n)",
        ":2:",
        &["file_mode", "999", "\"0644\""],
    ),
    (
        "(\n scram_iterations: 9999,\n)",
        ":2:",
        &["scram_iterations", "9999", "10000"],
    ),
    ("(\n homes: 7,\n)", ":2:", &["homes"]),
    ("(\n homes: \"a\",\n homes: \"b\",\n)", ":3:", &["homes"]),
    ("(\n homes: \"a\"\n state: \"b\",\n)", ":3:", &[","]),
    ("", ":1:", &["("]),
];

#[test]
fn broken_settings_are_told_in_one_line() {
    for (text, place, parts) in BROKEN {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("server.ron");
        std::fs::write(&file, text).unwrap();
        let config = file.to_str().unwrap();
        for words in [&["--config", config][..], &["check", "--config", config]] {
            let output = skiffd(words, "");
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(2), "{text:?}: {said}");
            assert_eq!(said.lines().count(), 1, "{text:?}: {said}");
            assert_eq!(output.stdout, b"", "{text:?}");
            let at = format!("{config}{place}");
            assert!(said.contains(&at), "{text:?}: no {at} in {said}");
            for part in *parts {
                assert!(said.contains(part), "{text:?}: no {part:?} in {said}");
            }
        }
        let left = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(left, 1, "{text:?}: something was made");
    }
}

#[test]
fn settings_that_are_not_there_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("missing.ron");
    let output = skiffd(&["--config", file.to_str().unwrap()], "");
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), said.lines().count()), (Some(2), 1));
    assert!(said.contains(file.to_str().unwrap()), "{said}");
}

#[test]
fn a_command_line_that_makes_no_sense_is_told_in_one_line() {
    for words in [
        &["serve"][..],
        &[],
        &["--config"],
        &["user", "promote", "--config", "x"],
        &["--demo", "a", "b"],
    ] {
        let output = skiffd(words, "");
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{words:?}: {said}");
        assert_eq!(said.lines().count(), 1, "{words:?}: {said}");
    }
}

/// `init`, `user add`, `check`, `--config`: the way that `init` names.
#[test]
fn from_init_to_a_session() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("server");
    let output = skiffd(&["init", place.to_str().unwrap()], "");
    assert!(output.status.success(), "{output:?}");
    let settings = place.join("server.ron");
    let sample = std::fs::read_to_string(&settings).unwrap();
    let text = sample
        .replace(
            "//listen: [\"0.0.0.0:8001\", \"[::]:8001\"]",
            "listen: [\"127.0.0.1:0\"]",
        )
        .replace("//listen: [\"0.0.0.0:2121\", \"[::]:2121\"]", "listen: []")
        .replace("//scram_iterations: 600000", "scram_iterations: 10000");
    assert!(!text.contains("//listen: [\"0"), "{text}");
    std::fs::write(&settings, &text).unwrap();
    let mode = place
        .join("users.ron")
        .metadata()
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o7777, 0o600);

    let added = skiffd_user(&settings, &["add", "ann", "--password-stdin"], "geheim\n");
    assert!(added.status.success(), "{added:?}");
    let checked = skiffd(&["check", "--config", settings.to_str().unwrap()], "");
    let said = String::from_utf8(checked.stdout).unwrap();
    assert!(checked.status.success(), "{said}");
    assert!(
        !said.lines().any(|line| line.starts_with("wrong")),
        "{said}"
    );

    let again = skiffd(&["init", place.to_str().unwrap()], "");
    assert_eq!(again.status.code(), Some(1), "{again:?}");
    assert_eq!(std::fs::read_to_string(&settings).unwrap(), text);

    // The daemon is given a folder of its own to look after.
    let moved = tempfile::tempdir().unwrap();
    for name in ["server.ron", "users.ron", "homes", "state"] {
        std::fs::rename(place.join(name), moved.path().join(name)).unwrap();
    }
    let mut daemon = Daemon::serve(moved);
    let mut ann = daemon.login_as("ann", "geheim");
    ann.put("", "file", b"12345");
    assert_eq!(ann.ask("DF", 213).number("limit"), 400_000_000);
    drop(ann);
    daemon.stop();
}

#[test]
fn check_says_what_is_wrong() {
    let folder = new_server();
    let settings = folder.path().join("server.ron");
    let users = folder.path().join("users.ron");
    set_mode(&users, 0o644);
    std::fs::remove_dir(folder.path().join("homes")).unwrap();
    let output = skiffd(&["check", "--config", settings.to_str().unwrap()], "");
    let said = String::from_utf8(output.stdout).unwrap();
    // The daemon would not start with this store.
    assert_eq!(output.status.code(), Some(2), "{said}");
    let line = |head| {
        said.lines()
            .find(|line| line.starts_with(head))
            .unwrap_or_default()
    };
    assert!(line("wrong users:").contains("chmod 600"), "{said}");
    assert!(line("note  homes:").contains("is not there"), "{said}");
}

#[test]
fn a_taken_port_is_named_with_its_address() {
    let daemon = Daemon::demo();
    let folder = new_server();
    let keys = format!("native: (listen: [\"{}\"]),", daemon.address());
    write_settings(folder.path(), &keys);
    let settings = folder.path().join("server.ron");
    let output = skiffd(&["--config", settings.to_str().unwrap()], "");
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(&daemon.address().to_string()), "{said}");

    let native = daemon.address().to_string();
    let demo = folder.path().join("demo");
    let output = skiffd(&["--demo", demo.to_str().unwrap(), "--native", &native], "");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success(), "{said}");
    assert!(
        said.contains(&native) && said.contains("--native"),
        "{said}"
    );
}

#[test]
fn a_store_that_others_can_read_is_refused() {
    let daemon = Daemon::demo();
    set_mode(&daemon.folder().join("users.ron"), 0o644);
    // The running daemon goes on with what it has read.
    daemon.login("tom");
    let said = daemon.wait_log("chmod 600");
    assert!(said.contains("the accounts stay as they were"), "{said}");
    let output: Output = skiffd_user(&daemon.settings(), &["list"], "");
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("0644") && said.contains("chmod 600"),
        "{said}"
    );
    set_mode(&daemon.folder().join("users.ron"), 0o600);
    daemon.login("tom");
}

fn new_server() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().to_str().unwrap();
    let output = skiffd(&["init", place], "");
    assert!(output.status.success(), "{output:?}");
    folder
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// Issue: two daemons on the same folders both ran; the quota was passed and a stage destroyed.
#[test]
fn a_second_daemon_is_told_which_process_has_the_folders() {
    let daemon = Daemon::demo();
    let first = format!("process {} works on it already", daemon.pid());
    let refused = |settings: &Path| {
        let output = skiffd(&["--config", settings.to_str().unwrap()], "");
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(told.contains(&first), "{told}");
        assert_eq!(told.lines().count(), 1, "{told}");
        told
    };
    let same = daemon.folder().join("second.ron");
    std::fs::write(
        &same,
        "(native: (listen: [\"127.0.0.1:0\"]), ftp: (listen: []))",
    )
    .unwrap();
    assert!(refused(&same).contains("/state: "));
    let settings = "(native: (listen: [\"127.0.0.1:0\"]), ftp: (listen: []), state: \"other\")";
    std::fs::write(&same, settings).unwrap();
    assert!(refused(&same).contains("/homes: "));
    daemon.login("tom").put("", "file", b"1");
}

#[test]
fn a_home_that_another_daemon_has_open_is_not_opened() {
    let (mut first, mut second) = (Daemon::demo(), Daemon::demo());
    let home = first.folder().join("shared");
    for daemon in [&first, &second] {
        let words = [
            "add",
            "ann",
            "--home",
            home.to_str().unwrap(),
            "--password-stdin",
        ];
        daemon.user(&words, "123\n");
    }
    // Its walls are those of its start, and the home lies elsewhere.
    second.stop();
    second.start();
    first.login("ann").put("", "file", b"12345");
    let told = second.peer().login("ann", crate::harness::PASSWORD);
    assert_eq!(told.code, 421, "{}", told.line);
    let line = second.wait_log("of ann cannot be opened");
    assert!(
        line.contains(&format!("process {} works on it", first.pid())),
        "{line}"
    );
    first.stop();
    assert_eq!(second.login("ann").get("file"), b"12345");
}
