//! An authenticator while one process takes the place of another: each has a helper of its own.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::authenticator::{WHO, code, helper_of, write_script};
use crate::harness::{Daemon, Ftp, until, watched_keys};

/// What a helper has open besides its standard streams.
fn others_open(helper: &str) -> Vec<PathBuf> {
    let folder = Path::new("/proc").join(helper).join("fd");
    let open = |name: String| (name.clone(), fs::read_link(folder.join(name)).unwrap());
    let entries = fs::read_dir(&folder).unwrap();
    let all = entries.map(|entry| open(entry.unwrap().file_name().into_string().unwrap()));
    let others = all.filter(|(name, _)| !matches!(name.as_str(), "0" | "1" | "2"));
    others.map(|(_, target)| target).collect()
}

/// It waits at its standard input, and at another descriptor of that.
#[track_caller]
fn has_only_its_socket(helper: &str) {
    let own = fs::read_link(format!("/proc/{helper}/fd/0")).unwrap();
    assert!(own.to_string_lossy().starts_with("socket:"), "{own:?}");
    until("a helper at rest", || {
        (others_open(helper) == [own.clone()]).then_some(())
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
    has_only_its_socket(&first);

    let told = daemon.upgrade(&[]);
    assert!(told.status.success(), "{told:?}");
    let second = helper_of(&daemon);
    assert_ne!(first, second);
    has_only_its_socket(&second);
    assert_eq!((code(&daemon, "bea", "geheim"), asked()), (230, 2));
    assert_eq!((code(&daemon, "bea", "geheim"), asked()), (230, 2));
    has_only_its_socket(&first);

    lane.write_all(b"45").unwrap();
    drop(lane);
    assert_eq!(ann.heard(), 226);
    daemon.first_ends_well();
    until("the end of the first helper", || {
        (!Path::new("/proc").join(&first).exists()).then_some(())
    });
    // The new process has not asked about her.
    assert_eq!((code(&daemon, "ann", "geheim"), asked()), (230, 3));
    assert_eq!(fs::read(daemon.home("ann").join("file")).unwrap(), b"12345");
    daemon.stop();
    until("the end of the second helper", || {
        (!Path::new("/proc").join(&second).exists()).then_some(())
    });
}
