//! A camera whose pictures a hook moves on, across the end of the daemon in the middle.

use std::collections::BTreeSet;

use super::with;
use crate::harness::{Daemon, Ftp, noise, until};

/// Bytes of a picture; the quota holds a hundred of them.
const PICTURE: usize = 50_000;
const PICTURES: usize = 300;

/// Uploads until the daemon is gone; what was acknowledged.
fn upload(daemon: &Daemon, names: std::ops::Range<usize>, acknowledged: &mut BTreeSet<String>) {
    let mut camera = Ftp::login(daemon.ftp_address(), "sam");
    for n in names {
        let code = camera.upload(&format!("STOR picture{n}.jpg"), &noise(n as u64, PICTURE));
        assert_eq!(code, 226, "picture {n}");
        acknowledged.insert(format!("/picture{n}.jpg"));
    }
}

#[test]
fn every_picture_that_was_acknowledged_is_moved_on() {
    let script = r#"echo "$SKIFF_PATH" >> $at/seen
mkdir -p $at/moved
test -e "$SKIFF_FILE" && mv "$SKIFF_FILE" $at/moved/
exit 0"#;
    let mut daemon = with(script, &["Upload"], "users: [\"sam\"]");
    let quota = ["--quota", "5MB", "--ring", "on", "--access", "drop-box"];
    daemon.user(&[&["set", "sam"], &quota[..]].concat(), "");
    let mut acknowledged = BTreeSet::new();
    upload(&daemon, 0..PICTURES / 2, &mut acknowledged);
    daemon.kill9();
    daemon.start();
    upload(&daemon, PICTURES / 2..PICTURES, &mut acknowledged);
    assert_eq!(acknowledged.len(), PICTURES);
    let seen = || {
        let seen = std::fs::read_to_string(daemon.folder().join("seen")).unwrap_or_default();
        seen.lines().map(str::to_owned).collect::<BTreeSet<_>>()
    };
    until("the hook of every picture", || {
        acknowledged.is_subset(&seen()).then_some(())
    });
}
