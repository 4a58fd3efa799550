//! `check` says what the daemon would die of at its start, in the same words, and ends with 2.

use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use rustix::process::geteuid;
use tempfile::TempDir;

use super::{new_server, set_mode};
use crate::harness::{Daemon, FailingCalls, skiffd, write_settings};

/// A reason for which the daemon does not start.
struct Row {
    /// The variant of `StartError`.
    variant: &'static str,
    /// Spoils a new server in this folder; returns what must be held meanwhile.
    spoil: fn(&Path) -> Held,
    says: &'static str,
    system: System,
}

#[derive(Clone, Copy, PartialEq)]
enum System {
    Whole,
    /// These calls fail.
    Without(FailingCalls),
    /// The row needs root.
    Roots,
}

/// What makes it fail as long as it is there.
#[derive(Default)]
struct Held {
    _listener: Option<TcpListener>,
    _daemon: Option<Daemon>,
}

const NATIVE: &str = "native: (listen: [\"127.0.0.1:0\"]),";

/// Settings with these keys and nothing held.
fn settings(folder: &Path, keys: &str) -> Held {
    write_settings(folder, &format!("{NATIVE} {keys}"));
    Held::default()
}

const ROWS: &[Row] = &[
    Row {
        variant: "Listen",
        spoil: |folder| {
            let taken = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = taken.local_addr().unwrap();
            write_settings(folder, &format!("native: (listen: [\"{address}\"]),"));
            Held {
                _listener: Some(taken),
                // Another skiffd on this machine is no excuse.
                _daemon: Some(Daemon::demo()),
            }
        },
        says: "cannot be listened on",
        system: System::Whole,
    },
    Row {
        variant: "Metrics",
        spoil: |folder| {
            let taken = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = taken.local_addr().unwrap();
            settings(folder, &format!("metrics: (listen: \"{address}\"),"));
            Held {
                _listener: Some(taken),
                _daemon: None,
            }
        },
        says: "metrics: 127.0.0.1:",
        system: System::Whole,
    },
    Row {
        variant: "Metrics",
        spoil: |folder| settings(folder, "metrics: (listen: \"unix:no/metrics.sock\"),"),
        says: "metrics: unix:",
        system: System::Whole,
    },
    Row {
        variant: "Metrics",
        spoil: |folder| {
            fs::write(folder.join("precious"), "content").unwrap();
            settings(folder, "metrics: (listen: \"unix:precious\"),")
        },
        says: "File exists",
        system: System::Whole,
    },
    Row {
        variant: "Path",
        spoil: |folder| {
            fs::write(folder.join("state/secret"), [7; 32]).unwrap();
            set_mode(&folder.join("state/secret"), 0o644);
            settings(folder, "")
        },
        says: "others may read this secret",
        system: System::Whole,
    },
    Row {
        variant: "Path",
        spoil: |folder| {
            fs::remove_dir_all(folder.join("state")).unwrap();
            fs::write(folder.join("state"), "").unwrap();
            settings(folder, "")
        },
        says: "File exists",
        system: System::Whole,
    },
    Row {
        variant: "Group",
        spoil: |folder| settings(folder, "group: \"nobody-knows-it\","),
        says: "the group nobody-knows-it",
        system: System::Whole,
    },
    Row {
        variant: "RunAs",
        spoil: |folder| settings(folder, "run_as: (user: \"nobody-knows-it\"),"),
        says: "the user nobody-knows-it",
        system: System::Whole,
    },
    Row {
        variant: "NotTheirs",
        spoil: |folder| {
            let held = settings(folder, "run_as: (user: \"65534\", group: \"65534\"),");
            set_mode(folder, 0o755);
            set_mode(&folder.join("server.ron"), 0o600);
            held
        },
        says: "of run_as may not read it",
        system: System::Roots,
    },
    Row {
        variant: "Wall",
        spoil: |folder| settings(folder, "walls: Strict,"),
        says: "walls: Strict, but landlock",
        system: System::Without(FailingCalls {
            calls: &[("landlock_create_ruleset", "ENOSYS")],
            folders: &[],
        }),
    },
    Row {
        variant: "Tls",
        spoil: |folder| settings(folder, "tls: (certificate: \"no.pem\", key: \"no.pem\"),"),
        says: "no.pem: ",
        system: System::Whole,
    },
    Row {
        variant: "Lock",
        spoil: |folder| {
            let other = Daemon::demo();
            let homes = other.folder().join("homes");
            let held = settings(folder, &format!("homes: {homes:?},"));
            Held {
                _daemon: Some(other),
                ..held
            }
        },
        says: " works on it already",
        system: System::Whole,
    },
    Row {
        variant: "Accounts",
        spoil: |folder| {
            set_mode(&folder.join("users.ron"), 0o644);
            settings(folder, "")
        },
        says: "chmod 600",
        system: System::Whole,
    },
    Row {
        variant: "Log",
        spoil: |folder| settings(folder, "log: (access: \"no/access.log\"),"),
        says: "cannot open the log",
        system: System::Whole,
    },
    Row {
        variant: "Log",
        spoil: |folder| settings(folder, "log: (xferlog: \"state\"),"),
        says: "Is a directory",
        system: System::Whole,
    },
    Row {
        variant: "System",
        spoil: |folder| settings(folder, ""),
        says: "the system gives no poll",
        system: System::Without(FailingCalls {
            calls: &[("epoll_create1", "EMFILE")],
            folders: &[],
        }),
    },
];

/// Each row: the daemon ends with a line, and `check` says that line and ends with 2.
#[test]
fn check_is_the_daemons_own_start() {
    for row in ROWS {
        if row.system == System::Roots && !geteuid().is_root() {
            continue;
        }
        let folder = new_server();
        let _held = (row.spoil)(folder.path());
        let run = |words: &[&str]| run(&folder, row, words);
        let served = run(&["--config"]);
        let said = String::from_utf8(served.stderr).unwrap();
        assert!(!served.status.success(), "{}: {said}", row.variant);
        let line = said.lines().find(|line| line.starts_with("skiffd: "));
        let line = line.unwrap_or_default();
        assert!(line.contains(row.says), "{}: {said}", row.variant);
        let before = listing(folder.path());
        let checked = run(&["check", "--config"]);
        let told = String::from_utf8(checked.stdout).unwrap();
        assert_eq!(checked.status.code(), Some(2), "{}: {told}", row.variant);
        let wanted = format!("wrong start: {}", line.trim_start_matches("skiffd: "));
        let is_told = told.lines().any(|line| line == wanted);
        assert!(is_told, "{}: no {wanted:?} in\n{told}", row.variant);
        assert_eq!(
            listing(folder.path()),
            before,
            "{}: something was made",
            row.variant
        );
    }
}

/// Every variant of the daemon's `StartError` has a row above.
#[test]
fn every_reason_not_to_start_has_a_row() {
    let source = fs::read_to_string("../reactor/src/daemon.rs").unwrap();
    let (_, after) = source.split_once("pub(crate) enum StartError {\n").unwrap();
    let (body, _) = after.split_once("\n}\n").unwrap();
    let is_variant = |line: &&str| {
        line.strip_prefix("    ")
            .is_some_and(|rest| rest.starts_with(char::is_uppercase))
    };
    let end = |c: char| !c.is_alphanumeric();
    let variants = body.lines().filter(is_variant);
    let variants: Vec<_> = variants
        .map(|line| line.trim().split(end).next().unwrap())
        .collect();
    assert!(variants.len() > 5, "{variants:?}");
    for variant in variants {
        let has_row = ROWS.iter().any(|row| row.variant == variant);
        assert!(has_row, "{variant}: no row says that check tells it");
    }
}

#[test]
fn a_new_server_would_start_and_nothing_is_made() {
    let folder = new_server();
    settings(folder.path(), "log: (access: \"access.log\"),");
    fs::remove_dir_all(folder.path().join("state")).unwrap();
    let before = listing(folder.path());
    let checked = check(folder.path());
    let told = String::from_utf8(checked.stdout).unwrap();
    assert!(checked.status.success(), "{told}");
    assert!(
        told.contains("ok    start: the daemon would start"),
        "{told}"
    );
    assert_eq!(listing(folder.path()), before);
}

#[test]
fn a_daemon_that_runs_is_no_fault_and_a_stranger_at_its_new_port_is() {
    let daemon = Daemon::configured("");
    let address = daemon.address();
    let keys = |more: &str| {
        let keys = format!("native: (listen: [\"{address}\"{more}]),");
        write_settings(daemon.folder(), &keys);
        let checked = check(daemon.folder());
        let told = String::from_utf8(checked.stdout).unwrap();
        (checked.status.code(), told)
    };
    let (code, told) = keys("");
    assert_eq!(code, Some(0), "{told}");
    let own = format!("{address} is listened on by the skiffd that runs");
    assert!(told.contains(&own), "{told}");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().map(|at| (taken, at)).unwrap();
    let (code, told) = keys(&format!(", \"{}\"", taken.1));
    assert_eq!(code, Some(2), "{told}");
    let named = format!("wrong start: {} cannot be listened on", taken.1);
    assert!(told.contains(&named) && told.contains(&own), "{told}");
    daemon.login("tom");
}

/// A service manager starts it as the owner of the state folder, who reads less than root.
#[test]
#[ignore = "needs root"]
fn a_key_that_the_daemons_user_cannot_read_is_told_to_root() {
    use std::os::unix::fs::lchown;
    let folder = new_server();
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = folder.path().join("k.pem");
    fs::write(folder.path().join("c.pem"), made.cert.pem()).unwrap();
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let keys = "tls: (certificate: \"c.pem\", key: \"k.pem\"), log: (access: \"log/a\"),";
    settings(folder.path(), keys);
    fs::create_dir(folder.path().join("log")).unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    for name in ["state", "homes", "users.ron"] {
        lchown(folder.path().join(name), Some(65534), Some(65534)).unwrap();
    }
    fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
    let checked = check(folder.path());
    let told = String::from_utf8(checked.stdout).unwrap();
    assert_eq!(checked.status.code(), Some(2), "{told}");
    let starts: Vec<_> = told
        .lines()
        .filter(|line| line.starts_with("wrong start: "))
        .collect();
    assert_eq!(starts.len(), 2, "{told}");
    assert!(starts[0].contains("log/a: Permission denied"), "{told}");
    assert!(
        starts[1].contains("k.pem: ") && starts[1].contains("ermission"),
        "{told}"
    );
}

fn check(folder: &Path) -> Output {
    let file = folder.join("server.ron");
    skiffd(&["check", "--config", file.to_str().unwrap()], "")
}

fn run(folder: &TempDir, row: &Row, words: &[&str]) -> Output {
    let file = folder.path().join("server.ron");
    let mut command = match row.system {
        System::Without(failing) => failing.command(folder.path()),
        System::Whole | System::Roots => Command::new(crate::harness::binary("skiffd")),
    };
    command.args(words).arg(file).output().unwrap()
}

/// All names below `folder`.
fn listing(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        if entry.file_type().unwrap().is_dir() {
            names.extend(listing(&entry.path()));
        }
        names.push(entry.path());
    }
    names.sort();
    names
}
