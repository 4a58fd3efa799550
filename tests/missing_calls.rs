//! File systems and kernels that do not have every call: NFS, FUSE, FAT, an old Linux, a sandbox.
//! Each call that one of them refuses is made to fail, and everything is stored all the same.

use rustix::process::Signal;

use crate::harness::{Daemon, FailingCalls, noise, until};

/// Where names live that no rename can keep (NFS, FUSE), and no link either (FAT).
const CALLS: &[&[(&str, &str)]] = &[
    &[("renameat2", "EINVAL")],
    &[("renameat2", "ENOSYS"), ("linkat", "EPERM")],
    &[("renameat2", "EINVAL"), ("linkat", "EOPNOTSUPP")],
    &[("openat2", "ENOSYS")],
    &[("fallocate", "EOPNOTSUPP")],
    &[("copy_file_range", "EXDEV")],
    &[("copy_file_range", "ENOSYS")],
    &[("fsetxattr", "EOPNOTSUPP"), ("fgetxattr", "EOPNOTSUPP")],
    &[("fchmod", "EPERM")],
    &[("fchown", "EPERM")],
    &[("utimensat", "EPERM")],
    &[("flock", "ENOLCK")],
    &[("flock", "ENOSYS")],
    &[("preadv2", "EOPNOTSUPP"), ("splice", "EINVAL")],
    &[("fadvise64", "ENOSYS"), ("sync_file_range", "ENOSYS")],
];

/// A mode that the umask keeps from being given when a file is made.
const MODE: &str = "file_mode: \"0666\",";

const CLEAR: &str = "file_mode: \"0666\", native: (listen: [\"127.0.0.1:0\"], tls: Off),";

fn everything_works(daemon: &mut Daemon) {
    let mut tom = daemon.login("tom");
    let (old, new) = (noise(1, 300_000), noise(2, 200_000));
    tom.put("", "file", &old);
    tom.ask("STOR size=1 file", 550);
    tom.put("replace=1 ", "file", &new);
    assert_eq!(tom.get("file"), new);
    tom.ask("MKD folder", 257);
    tom.ask("RNFR file", 350);
    tom.ask("351 folder/file", 250);
    tom.ask("RNFR folder", 350);
    tom.ask("351 moved", 250);
    assert_eq!(tom.get("moved/file"), new);
    tom.put("mtime=20010909014640 ", "taken", &old);
    tom.ask("RNFR taken", 350);
    tom.ask("351 moved/file", 401);
    assert_eq!(tom.get("taken"), old);

    tom.leave_part("replace=1 ", "taken", &new, 100_000);
    daemon.kill9();
    daemon.start();
    let mut tom = daemon.login("tom");
    until("the count", || (tom.used() == 600_000).then_some(()));
    assert_eq!(tom.ask("DF", 213).number("staged"), 100_000);
    tom.ask("STAGES drop=1 taken", 250);
    assert_eq!(tom.get("taken"), old);
    let names: Vec<_> = tom.list("LIST").into_keys().collect();
    assert_eq!(names, ["moved", "taken"]);
    for name in ["taken", "moved/file", "moved"] {
        tom.ask(&format!("DELE {name}"), 250);
    }
    assert_eq!(tom.used(), 0);
    daemon.signal(Signal::TERM);
    let log = daemon.ends_well();
    assert!(!log.contains("will be counted"), "{log}");
}

fn is_not_missed(failing: FailingCalls) {
    eprintln!("{failing:?}");
    everything_works(&mut Daemon::without(failing, MODE));
    everything_works(&mut Daemon::without(failing, CLEAR));
}

#[test]
fn a_call_that_is_missing_is_not_missed() {
    for calls in CALLS {
        is_not_missed(FailingCalls {
            calls,
            folders: &[],
        });
    }
}

/// VirtualBox's shared folders sync files only.
#[test]
fn folders_that_cannot_be_synced_are_not_missed() {
    is_not_missed(FailingCalls {
        calls: &[("fsync", "EINVAL")],
        folders: &[
            "",
            "homes",
            "homes/tom",
            "homes/tom/folder",
            "homes/tom/moved",
            "state",
        ],
    });
}
