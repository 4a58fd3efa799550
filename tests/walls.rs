//! Whom the daemon runs as and what it may still do: root given up, Landlock, seccomp, no core dumps.

mod owners;

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown, symlink};
use std::path::Path;
use std::process::{Command, Output};

use rustix::process::{Signal, geteuid};
use tempfile::TempDir;

use crate::harness::{
    Daemon, FailingCalls, Ftp, PASSWORD, binary, skiffd, skiffd_user, write_settings,
};

/// Nobody, on every Linux.
const NOBODY: u32 = 65534;

const RUN_AS_NOBODY: &str = "run_as: (user: \"65534\", group: \"65534\"),";

/// Starts what follows as nobody, with no capabilities.
const SETPRIV: &[&str] = &[
    "setpriv",
    "--reuid=65534",
    "--regid=65534",
    "--clear-groups",
];

const LISTEN: &str = "native: (listen: [\"127.0.0.1:0\"]), \
                      ftp: (listen: [\"127.0.0.1:0\"], tls: Optional), \
                      log: (access: \"logs/access.log\"),";

/// A server of nobody's, with the user tom.
fn server(keys: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_settings(folder.path(), &format!("{LISTEN} {keys}"));
    for name in ["homes", "logs"] {
        fs::create_dir(folder.path().join(name)).unwrap();
    }
    add_user(folder.path(), "tom", &[]);
    give(folder.path());
    folder
}

fn add_user(folder: &Path, name: &str, more: &[&str]) {
    let words = [&["add", name, "--password-stdin"], more].concat();
    let input = format!("{PASSWORD}\n");
    let output = skiffd_user(&folder.join("server.ron"), &words, &input);
    assert!(output.status.success(), "{output:?}");
}

/// Makes nobody the owner of `path` and all below it.
fn give(path: &Path) {
    lchown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    if path.is_dir() && !path.is_symlink() {
        for entry in fs::read_dir(path).unwrap() {
            give(&entry.unwrap().path());
        }
    }
}

/// Serves both dialects, takes up the settings anew, and opens its log again.
fn everything_works(daemon: &Daemon) {
    store_and_fetch(daemon, "before");
    let (log, old) = ("logs/access.log", "logs/access.log.1");
    let at = |name: &str| daemon.folder().join(name);
    fs::rename(at(log), at(old)).unwrap();
    daemon.signal(Signal::HUP);
    daemon.wait_log("reloaded ");
    store_and_fetch(daemon, "after");
    crate::harness::until("the new log", || at(log).exists().then_some(()));
    // Whoever may not open a file changes its mode by its name in /proc/self/fd.
    let mut ftp = Ftp::login(daemon.ftp_address(), "tom");
    for mode in ["000", "640"] {
        assert_eq!(ftp.ask(&format!("SITE CHMOD {mode} before.native")), 200);
    }
    assert_eq!(daemon.login("tom").get("before.native"), b"12345");
    let stored = daemon.home("tom").join("after.native").metadata().unwrap();
    assert_eq!((stored.uid(), stored.mode() & 0o7777), (NOBODY, 0o600));
    is_steered(daemon);
}

/// Root and the daemon's own user see and steer it.
fn is_steered(daemon: &Daemon) {
    let settings = daemon.settings();
    let _tom = daemon.login("tom");
    for command in ["who", "bans", "quota", "stats"] {
        for before in [&[][..], SETPRIV] {
            let skiffd = binary("skiffd");
            let words = [skiffd.to_str().unwrap(), command, "--config"];
            let words = [before, &words, &[settings.to_str().unwrap()]].concat();
            let output = Command::new(words[0]).args(&words[1..]).output().unwrap();
            assert!(output.status.success(), "{words:?}: {output:?}");
        }
    }
    let kicked = daemon.operator(&["kick", "--user", "tom"]);
    assert!(kicked.status.success(), "{kicked:?}");
}

fn store_and_fetch(daemon: &Daemon, name: &str) {
    let mut tom = daemon.login("tom");
    tom.put("", &format!("{name}.native"), b"12345");
    assert_eq!(tom.get(&format!("{name}.native")), b"12345");
    let mut ftp = Ftp::login(daemon.ftp_address(), "tom");
    assert_eq!(ftp.upload(&format!("STOR {name}.ftp"), b"67890"), 226);
    let (code, listing) = ftp.listing("NLST");
    assert!(
        code == 226 && listing.contains(&format!("{name}.ftp")),
        "{listing}"
    );
    assert_eq!(tom.get(&format!("{name}.ftp")), b"67890");
}

/// The values of `key` in the status of all threads (proc_pid_status(5)).
fn of_all_threads(daemon: &Daemon, key: &str) -> Vec<String> {
    let tasks = fs::read_dir(format!("/proc/{}/task", daemon.pid())).unwrap();
    let values = tasks.map(|task| {
        let status = fs::read_to_string(task.unwrap().path().join("status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(key));
        let words = line.unwrap().split_whitespace();
        words.collect::<Vec<_>>().join(" ")
    });
    let mut values: Vec<_> = values.collect();
    assert!(values.len() > 2, "the workers are threads: {values:?}");
    values.dedup();
    values
}

#[track_caller]
fn require_walls(daemon: &Daemon) {
    require_walls_but(daemon, "0000000000000000");
}

/// The walls, with these capabilities left.
#[track_caller]
fn require_walls_but(daemon: &Daemon, left: &str) {
    let nobody = [NOBODY; 4].map(|id| id.to_string()).join(" ");
    for (key, value) in [
        ("Uid:", nobody.as_str()),
        ("Gid:", nobody.as_str()),
        ("CapInh:", "0000000000000000"),
        ("CapPrm:", left),
        ("CapEff:", left),
        ("CapAmb:", "0000000000000000"),
        ("NoNewPrivs:", "1"),
        ("Seccomp:", "2"),
    ] {
        assert_eq!(of_all_threads(daemon, key), [value], "{key}");
    }
    let status = format!("/proc/{}/status", daemon.pid());
    // Whoever may not be dumped has its files in /proc owned by root (proc(5)).
    assert_eq!(fs::metadata(status).unwrap().uid(), 0);
    let said = daemon.wait_log("walls: no_new_privs, no core dumps");
    assert!(said.ends_with(", seccomp"), "{said}");
}

#[test]
#[ignore = "needs root"]
fn root_is_given_up_for_good_and_everything_works() {
    let daemon = Daemon::serve(server(RUN_AS_NOBODY));
    require_walls(&daemon);
    assert_eq!(of_all_threads(&daemon, "Groups:"), ["65534"]);
    everything_works(&daemon);
    let state = daemon.folder().join("state").metadata().unwrap();
    assert_eq!((state.uid(), state.mode() & 0o7777), (NOBODY, 0o700));
}

/// The state folder that only root can make, and a key that only root can read.
#[test]
#[ignore = "needs root"]
fn what_only_root_may_is_done_before() {
    let keys = format!("{RUN_AS_NOBODY} tls: (certificate: \"c.pem\", key: \"k.pem\"),");
    let folder = server(&keys);
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    fs::write(folder.path().join("c.pem"), made.cert.pem()).unwrap();
    let key = folder.path().join("k.pem");
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
    lchown(folder.path(), Some(0), Some(0)).unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    let daemon = Daemon::serve(folder);
    require_walls(&daemon);
    store_and_fetch(&daemon, "file");
    daemon.signal(Signal::HUP);
    let said = daemon.wait_log("not reloaded: ");
    assert!(
        said.contains("k.pem") && said.contains("restart skiffd"),
        "{said}"
    );
    store_and_fetch(&daemon, "file-2");
}

#[test]
#[ignore = "needs root"]
fn a_plain_user_has_the_same_walls() {
    for keys in ["walls: Strict,", RUN_AS_NOBODY] {
        let daemon = Daemon::serve_behind(server(keys), SETPRIV);
        require_walls(&daemon);
        everything_works(&daemon);
    }
}

#[test]
#[ignore = "needs root"]
fn a_process_that_takes_over_has_the_same_user_and_walls() {
    let upgraded = |output: Output| assert!(output.status.success(), "{output:?}");
    let mut daemon = Daemon::serve(server(RUN_AS_NOBODY));
    upgraded(daemon.upgrade(&[]));
    require_walls(&daemon);
    everything_works(&daemon);
    let mut daemon = Daemon::serve_behind(server("walls: Strict,"), SETPRIV);
    // Root would get into the place of a plain user.
    let before = daemon.pid();
    let told = daemon.upgrade(&[]);
    assert_eq!(told.status.code(), Some(1), "{told:?}");
    let told = String::from_utf8(told.stderr).unwrap();
    assert!(told.contains("would run as user 0; "), "{told}");
    assert_eq!(daemon.pid(), before);
    upgraded(daemon.upgrade_behind(SETPRIV, &[]));
    require_walls(&daemon);
    everything_works(&daemon);
}

#[test]
#[ignore = "needs root"]
fn who_cannot_be_that_user_is_told() {
    // One that starts after all would serve for ever.
    let start = |folder: &TempDir, before: &[&str]| {
        let mut command = Command::new("timeout");
        command.arg("60").args(before).arg(binary("skiffd"));
        let config = folder.path().join("server.ron");
        command.arg("--config").arg(config).output().unwrap()
    };
    let other = server("run_as: (user: \"65533\", group: \"65533\"),");
    let told = refused(&start(&other, SETPRIV));
    assert!(told.contains("cannot become 65533"), "{told}");
    let told = refused(&start(&server("run_as: (user: \"root\"),"), &[]));
    assert!(told.contains("root is root"), "{told}");
    let told = refused(&start(&server("run_as: (user: \"nobody-here\"),"), &[]));
    assert!(told.contains("nobody-here is not in /etc/passwd"), "{told}");
    let roots = server(RUN_AS_NOBODY);
    lchown(roots.path().join("users.ron"), Some(0), Some(0)).unwrap();
    let output = start(&roots, &[]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("of run_as may not read it"), "{told}");
}

/// What a start that would fail again said (exit status 2).
#[track_caller]
fn refused(output: &Output) -> String {
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{told}");
    told.into_owned()
}

/// A home elsewhere is reached if it was one at the start; a link that somebody with the daemon's
/// rights, or the operator, puts in a home's place leads nowhere new.
#[test]
fn homes_are_those_of_the_start() {
    let elsewhere = tempfile::tempdir().unwrap();
    let at = |name: &str| elsewhere.path().join(name);
    let folder = tempfile::tempdir().unwrap();
    write_settings(folder.path(), "native: (listen: [\"127.0.0.1:0\"]),");
    fs::create_dir(folder.path().join("homes")).unwrap();
    let home = |name: &str| at(name).to_str().unwrap().to_owned();
    add_user(folder.path(), "early", &["--home", &home("early")]);
    add_user(folder.path(), "linked", &[]);
    fs::create_dir(at("other")).unwrap();
    let mut daemon = Daemon::serve(folder);
    if !daemon.wait_log("walls: ").contains("landlock") {
        return;
    }
    daemon.login("early").put("", "file", b"12345");
    add_user(daemon.folder(), "late", &["--home", &home("late")]);
    fs::remove_dir(daemon.home("linked")).unwrap();
    symlink(at("other"), daemon.home("linked")).unwrap();
    for user in ["late", "linked"] {
        assert_eq!(daemon.peer().login(user, PASSWORD).code, 421);
        let said = daemon.wait_log(&format!("{user} cannot log in: the home "));
        assert!(said.contains("is reached after a restart"), "{said}");
    }
    assert_eq!(fs::read_dir(at("other")).unwrap().count(), 0);
    // Within the folder of the homes nothing needs one.
    add_user(daemon.folder(), "new", &[]);
    daemon.login("new").put("", "file", b"1");
    daemon.stop();
    daemon.start();
    for user in ["early", "late", "linked"] {
        daemon.login(user).put("", "file-2", b"67890");
    }
}

/// A kernel without Landlock, and one without filters of system calls.
#[test]
fn what_the_kernel_lacks_is_told_and_strict_insists() {
    const LACKING: [(&[(&str, &str)], &str); 3] = [
        (&[("landlock_create_ruleset", "ENOSYS")], "landlock"),
        (&[("landlock_create_ruleset", "EOPNOTSUPP")], "landlock"),
        (&[("seccomp", "EINVAL")], "seccomp"),
    ];
    for (calls, wall) in LACKING {
        let failing = FailingCalls {
            calls,
            folders: &[],
        };
        let daemon = Daemon::without(failing, "");
        let standing = daemon.wait_log("info skiffd::walls: walls: ");
        assert!(!standing.contains(wall), "{standing}");
        daemon.wait_log(&format!("warn skiffd::walls: walls: {wall} "));
        daemon.login("tom").put("", "file", b"12345");

        let folder = tempfile::tempdir().unwrap();
        write_settings(folder.path(), &format!("{LISTEN} walls: Strict,"));
        fs::create_dir(folder.path().join("logs")).unwrap();
        let mut strict = failing.command(folder.path());
        strict.arg("--config").arg(folder.path().join("server.ron"));
        let told = refused(&strict.output().unwrap());
        assert!(
            told.contains(&format!("walls: Strict, but {wall} ")),
            "{told}"
        );
    }
}

#[test]
fn without_walls_nothing_is_said_to_stand() {
    let daemon = Daemon::with("walls: Off,");
    let said = daemon.wait_log("walls: ");
    assert!(said.ends_with("walls: off"), "{said}");
    daemon.login("tom").put("", "file", b"12345");
    if geteuid().is_root() {
        assert_eq!(of_all_threads(&daemon, "Seccomp:"), ["0"]);
        assert_eq!(of_all_threads(&daemon, "NoNewPrivs:"), ["1"]);
    }
}

#[test]
fn check_says_what_would_stand() {
    let daemon = Daemon::demo();
    let stands = daemon.wait_log("walls: ").contains("seccomp");
    let settings = daemon.settings();
    let output = skiffd(&["check", "--config", settings.to_str().unwrap()], "");
    let told = String::from_utf8_lossy(&output.stdout);
    let line = told.lines().find(|line| line.starts_with("ok    walls: "));
    assert_eq!(line.unwrap().contains("seccomp"), stands, "{told}");
    let as_root = told.contains("note  run_as: None, so ");
    assert_eq!(as_root, geteuid().is_root(), "{told}");
}
