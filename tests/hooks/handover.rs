//! Hooks while one process takes the place of another.

use std::io::Write;

use super::{NOTE, folder_with, on};
use crate::harness::{Daemon, Ftp, until, watched_keys};

#[test]
fn uploads_of_both_processes_are_told() {
    let folder = folder_with(NOTE);
    let on = on(folder.path(), &["Upload"], "");
    let mut daemon = Daemon::configured(&format!(
        "ftp: (listen: [\"127.0.0.1:0\"], tls: Optional), limits: (drain: \"60s\"), {on} {}",
        watched_keys()
    ));
    let noted = |count| {
        until("what the hook notes", || {
            let noted = super::noted(folder.path());
            (noted.len() == count).then_some(noted)
        })
    };
    let mut old = Ftp::login(daemon.ftp_address(), "tom");
    let mut lane = old.passive();
    assert_eq!(old.ask("STOR old"), 150);
    lane.write_all(b"123").unwrap();
    let told = daemon.upgrade(&[]);
    assert!(told.status.success(), "{told:?}");
    let mut new = Ftp::login(daemon.ftp_address(), "sam");
    assert_eq!(new.upload("STOR new", b"1"), 226);
    assert_eq!(noted(1)[0].0, "/new");
    drop(lane);
    assert_eq!(old.heard(), 226);
    assert_eq!(noted(2)[1].0, "/old");
    daemon.first_ends_well();
    assert_eq!(new.upload("STOR later", b"1"), 226);
    assert_eq!(noted(3)[2].0, "/later");
}
