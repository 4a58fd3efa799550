//! Homes of users of the system: their files are theirs, and what is another's the daemon does not
//! touch for them, behind all its walls.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown};
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::{NOBODY, RUN_AS_NOBODY, SETPRIV, add_user, give, refused, require_walls_but, server};
use crate::harness::{Daemon, Ftp, binary};

const ANN: u32 = 54_321;
const BOB: u32 = 54_322;
const MEDIA: u32 = 54_400;
/// CAP_SETGID and CAP_SETUID.
const TO_BE_OTHERS: &str = "00000000000000c0";

/// A daemon of nobody's with the users ann and bob, whose files are theirs, tom, whose are the
/// daemon's, and a folder of its own user for all of them.
fn owned() -> TempDir {
    let keys = format!(
        "{RUN_AS_NOBODY} walls: Strict, file_owners: Accounts, \
         folders: {{\"media\": (path: \"media\", owner: \"{MEDIA}:{MEDIA}\")}},"
    );
    let folder = server(&keys);
    let media = folder.path().join("media");
    fs::create_dir(&media).unwrap();
    lchown(&media, Some(MEDIA), Some(MEDIA)).unwrap();
    for (name, uid) in [("ann", ANN), ("bob", BOB)] {
        add_user(folder.path(), name, &["--owner", &format!("{uid}:{uid}")]);
        assert_eq!(uid_of(&folder.path().join("homes").join(name)), uid);
    }
    folder
}

fn uid_of(path: &Path) -> u32 {
    path.symlink_metadata().unwrap().uid()
}

/// The owners of all that lies below a folder.
fn owners_below(folder: &Path, found: &mut Vec<u32>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        found.push(uid_of(&path));
        if path.is_dir() {
            owners_below(&path, found);
        }
    }
}

fn use_home(daemon: &Daemon, user: &str) {
    let mut native = daemon.login(user);
    native.put("", "native", b"12345");
    assert_eq!(native.get("native"), b"12345");
    let mut ftp = Ftp::login(daemon.ftp_address(), user);
    assert_eq!(ftp.ask("MKD dir"), 257);
    assert_eq!(ftp.upload("STOR dir/ftp", b"67890"), 226);
    assert_eq!(ftp.upload("APPE dir/ftp", b"abc"), 226);
    assert_eq!(ftp.ask("SITE CHMOD 640 dir/ftp"), 200);
    assert_eq!(ftp.ask("MFMT 20200101000000 dir/ftp"), 213);
    assert_eq!(ftp.ask("RNFR dir/ftp"), 350);
    assert_eq!(ftp.ask("RNTO dir/renamed"), 250);
    assert_eq!(native.get("dir/renamed"), b"67890abc");
    let (code, listing) = ftp.listing("NLST dir");
    assert!(code == 226 && listing.contains("renamed"), "{listing}");
    assert_eq!(ftp.upload("STOR media/of-all", user.as_bytes()), 226);
    assert_eq!(ftp.ask("DELE native"), 250);
}

#[test]
#[ignore = "needs root"]
fn what_is_stored_is_the_owners_and_all_else_works_as_ever() {
    let mut daemon = Daemon::serve(owned());
    require_walls_but(&daemon, TO_BE_OTHERS);
    for (user, uid) in [("ann", ANN), ("bob", BOB), ("tom", NOBODY)] {
        use_home(&daemon, user);
        let mut found = Vec::new();
        owners_below(&daemon.home(user), &mut found);
        assert!(found.len() >= 2, "{user}: {found:?}");
        found.dedup();
        assert_eq!(found, [uid], "{user}");
        let shared = daemon.folder().join("media/of-all");
        assert_eq!(uid_of(&shared), MEDIA);
        assert_eq!(fs::read(shared).unwrap(), user.as_bytes());
    }
    // Every thread has come back.
    require_walls_but(&daemon, TO_BE_OTHERS);
    let quota = daemon.operator(&["quota"]);
    assert!(quota.status.success(), "{quota:?}");
    let counted = daemon.operator(&["user", "recount", "ann"]);
    let counted = String::from_utf8(counted.stdout).unwrap();
    assert!(counted.contains("as the ledger says"), "{counted}");
    daemon.stop();
    daemon.start();
    assert_eq!(daemon.login("ann").get("dir/renamed"), b"67890abc");
}

#[test]
#[ignore = "needs root"]
fn what_is_anothers_is_read_and_changed_for_nobody() {
    let daemon = Daemon::serve(owned());
    let put = |path: &str, uid, mode| {
        let path = daemon.home("ann").join(path);
        fs::write(&path, "secret").unwrap();
        lchown(&path, Some(uid), Some(uid)).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
    };
    put("bobs", BOB, 0o600);
    put("roots", 0, 0o600);
    // What is the daemon's own is not ann's either.
    put("daemons", NOBODY, 0o600);
    put("open", BOB, 0o644);
    fs::create_dir(daemon.home("ann").join("closed")).unwrap();
    put("closed/file", BOB, 0o644);
    let closed = daemon.home("ann").join("closed");
    lchown(&closed, Some(BOB), Some(BOB)).unwrap();
    fs::set_permissions(&closed, Permissions::from_mode(0o700)).unwrap();
    let mut ftp = Ftp::login(daemon.ftp_address(), "ann");
    for name in ["bobs", "roots", "daemons"] {
        let _lane = ftp.passive();
        assert_eq!(ftp.ask(&format!("RETR {name}")), 550, "{name}");
        assert_eq!(ftp.upload(&format!("APPE {name}"), b"x"), 550, "{name}");
        assert_eq!(ftp.ask(&format!("SITE CHMOD 666 {name}")), 550, "{name}");
    }
    let _lane = ftp.passive();
    assert_eq!(ftp.ask("RETR closed/file"), 550);
    assert_eq!(ftp.ask("CWD closed"), 550);
    assert_eq!(daemon.login("ann").get("open"), b"secret");
}

#[test]
#[ignore = "needs root"]
fn who_may_not_be_others_is_told_at_the_start_and_by_the_check() {
    let folder = owned();
    give(folder.path());
    let config = folder.path().join("server.ron");
    let start = |words: &[&str]| {
        let mut command = Command::new("timeout");
        command.arg("60").args(SETPRIV).arg(binary("skiffd"));
        command
            .args(words)
            .arg("--config")
            .arg(&config)
            .output()
            .unwrap()
    };
    let told = refused(&start(&[]));
    assert!(told.contains("CAP_SETUID"), "{told}");
    let checked = start(&["check"]);
    let told = String::from_utf8_lossy(&checked.stdout);
    assert_eq!(checked.status.code(), Some(2), "{told}");
    assert!(told.contains("CAP_SETUID"), "{told}");
    assert!(told.contains("and not to its owner 54321:54321"), "{told}");
}
