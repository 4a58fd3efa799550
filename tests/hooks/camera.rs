//! A camera whose pictures a hook moves on, across the end of the daemon in the middle.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use super::with;
use crate::harness::{Daemon, Ftp, noise, until};

/// Bytes of a picture; the quota holds a hundred of them.
const PICTURE: usize = 50_000;
const PICTURES: usize = 300;
/// The number of the first picture behind the kill: more than come before.
const FIRST: usize = 1_000_000;

/// What an upload of each name was answered, as far as it was.
type Answers = Arc<Mutex<Vec<(String, u16)>>>;

/// Uploads pictures until the daemon is gone, which ends the thread badly.
fn camera(daemon: &Daemon, names: Range<usize>, answers: &Answers) -> JoinHandle<()> {
    let (server, answers) = (daemon.ftp_address(), Arc::clone(answers));
    std::thread::spawn(move || {
        let mut camera = Ftp::login(server, "sam");
        for n in names {
            let code = camera.upload(&format!("STOR picture{n}.jpg"), &noise(n as u64, PICTURE));
            let mut answers = answers.lock().unwrap();
            answers.push((format!("/picture{n}.jpg"), code));
        }
    })
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
    let answers = Answers::default();
    let first = camera(&daemon, 0..FIRST, &answers);
    until("half of the pictures", || {
        (answers.lock().unwrap().len() >= PICTURES / 2).then_some(())
    });
    daemon.kill9();
    assert!(first.join().is_err(), "it was to be killed in the middle");
    daemon.start();
    let rest = camera(&daemon, FIRST..FIRST + PICTURES / 2, &answers);
    rest.join().unwrap();
    let answers = answers.lock().unwrap();
    assert!(answers.iter().all(|(_, code)| *code == 226), "{answers:?}");
    let acknowledged: BTreeSet<_> = answers.iter().map(|(path, _)| path.clone()).collect();
    let seen = || {
        let seen = std::fs::read_to_string(daemon.folder().join("seen")).unwrap_or_default();
        seen.lines().map(str::to_owned).collect::<BTreeSet<_>>()
    };
    until("the hook of every picture", || {
        acknowledged.is_subset(&seen()).then_some(())
    });
}
