//! An authenticator while one process takes the place of another: each has a helper of its own.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::authenticator::{WHO, code, helper_of, wait_end_of, write_script};
use crate::harness::{Daemon, Ftp, until, watched_keys};

/// The sockets that a process has open, and the files of the daemon's folder.
fn open_at(process: &str, folder: &Path) -> BTreeSet<PathBuf> {
    let entries = fs::read_dir(Path::new("/proc").join(process).join("fd")).unwrap();
    // One may be closed meanwhile.
    let targets = entries.filter_map(|entry| fs::read_link(entry.unwrap().path()).ok());
    let is_daemons = |target: &PathBuf| {
        target.to_string_lossy().starts_with("socket:") || target.starts_with(folder)
    };
    targets.filter(is_daemons).collect()
}

/// Of a helper that waits: no listening socket, no lock, nothing of another process.
#[track_caller]
fn has_only_its_socket(helper: &str, daemon: &Daemon) {
    let own = fs::read_link(format!("/proc/{helper}/fd/0")).unwrap();
    assert!(own.to_string_lossy().starts_with("socket:"), "{own:?}");
    until("a helper that waits", || {
        let open = open_at(helper, daemon.folder());
        (open == BTreeSet::from([own.clone()])).then_some(())
    });
}

#[test]
fn each_process_has_its_own_helper_until_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    let program = write_script(folder.path(), WHO);
    let run = program.to_str().unwrap();
    let mut daemon = Daemon::configured(&format!(
        "ftp: (listen: [\"127.0.0.1:0\"], tls: Optional), limits: (drain: \"60s\"), \
         authenticator: (run: [{run:?}]), {}",
        watched_keys()
    ));
    let asked = || {
        let text = fs::read_to_string(folder.path().join("asked")).unwrap_or_default();
        text.lines().count()
    };
    let mut ann = Ftp::login_as(daemon.ftp_address(), "ann", "geheim");
    let mut lane = ann.passive();
    assert_eq!(ann.ask("STOR file"), 150);
    lane.write_all(b"123").unwrap();
    let first = helper_of(&daemon);
    has_only_its_socket(&first, &daemon);

    let told = daemon.upgrade(&[]);
    assert!(told.status.success(), "{told:?}");
    let second = helper_of(&daemon);
    assert_ne!(first, second);
    has_only_its_socket(&second, &daemon);
    assert_eq!((code(&daemon, "bea", "geheim"), asked()), (230, 2));
    assert_eq!((code(&daemon, "bea", "geheim"), asked()), (230, 2));
    has_only_its_socket(&first, &daemon);

    lane.write_all(b"45").unwrap();
    drop(lane);
    assert_eq!(ann.heard(), 226);
    daemon.first_ends_well();
    wait_end_of(&first);
    // The new process has not asked about her.
    assert_eq!((code(&daemon, "ann", "geheim"), asked()), (230, 3));
    assert_eq!(fs::read(daemon.home("ann").join("file")).unwrap(), b"12345");
    daemon.stop();
    wait_end_of(&second);
}
