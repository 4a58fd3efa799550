//! Whom the socket serves, how many, and how long it waits for them.

use std::fs::{Permissions, set_permissions};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;

use rustix::process::{Uid, geteuid};
use rustix::thread::set_thread_res_uid;

use super::{Panel, refused, socket_path};
use crate::harness::{Daemon, until};

/// Nobody, on every Linux.
const NOBODY: u32 = 65534;

#[test]
fn its_mode_lets_only_the_owner_in() {
    let daemon = Daemon::demo();
    let mode = |path: &std::path::Path| path.metadata().unwrap().mode() & 0o777;
    assert_eq!(mode(&socket_path(&daemon)), 0o600);
    assert_eq!(mode(&daemon.folder().join("state")), 0o700);
}

/// However the files' modes may be: the kernel tells who connects.
#[test]
fn another_uid_is_refused() {
    if !geteuid().is_root() {
        eprintln!("only root can be somebody else");
        return;
    }
    let daemon = Daemon::demo();
    for (path, mode) in [("", 0o711), ("state", 0o711), ("state/control", 0o666)] {
        set_permissions(daemon.folder().join(path), Permissions::from_mode(mode)).unwrap();
    }
    let path = socket_path(&daemon);
    let heard = std::thread::spawn(move || {
        let nobody = Uid::from_raw(NOBODY);
        set_thread_res_uid(nobody, nobody, nobody).unwrap();
        let mut socket = UnixStream::connect(path).unwrap();
        // It may be closed already.
        let _ = writeln!(socket, r#"{{"do":"unban-all"}}"#);
        let mut heard = String::new();
        let _ = socket.read_to_string(&mut heard);
        heard
    });
    assert_eq!(
        heard.join().unwrap(),
        "{\"is\":\"failed\",\"why\":\"only root and the daemon's own user may do that\"}\n\
         {\"is\":\"done\"}\n"
    );
    daemon.wait_log("not uid 65534");
    assert!(!daemon.log().contains("the operator has ended"));
    Panel::open(&daemon).ask(r#"{"do":"who"}"#);
}

#[test]
fn a_client_may_ask_again_and_what_it_asks_wrongly_is_told() {
    let daemon = Daemon::demo();
    let mut panel = Panel::open(&daemon);
    for _ in 0..3 {
        assert_eq!(panel.ask(r#"{"do":"bans"}"#).len(), 1);
        let answer = panel.ask(r#"{"do":"dance"}"#);
        let why = answer[0]["why"].as_str().unwrap();
        assert!(why.contains("does not know this command"), "{why}");
    }
    let mut long = Panel::open(&daemon);
    long.0.get_mut().write_all(&[b' '; 5000]).unwrap();
    let mut heard = String::new();
    // The rest of the line is not read, so that the end may come as a reset.
    let _ = long.0.read_to_string(&mut heard);
    assert!(heard.contains("at most 4096 bytes"), "{heard}");
}

/// A panel that never reads, and others that only take places.
#[test]
fn who_reads_slowly_holds_nobody_up() {
    let daemon = Daemon::demo();
    let _sessions: Vec<_> = (0..20).map(|_| daemon.login("tom")).collect();
    let mut slow = UnixStream::connect(socket_path(&daemon)).unwrap();
    slow.set_nonblocking(true).unwrap();
    // It asks until neither end takes any more.
    until("a full socket", || {
        slow.write(&b"{\"do\":\"who\"}\n".repeat(300)).err()
    });
    let _others: Vec<_> = (0..7).map(|_| Panel::open(&daemon)).collect();
    daemon.login("jerry").ask("PWD", 257);
    let complaint = until("a full house", || {
        let output = daemon.operator(&["bans"]);
        (!output.status.success()).then_some(output.stderr)
    });
    let complaint = String::from_utf8(complaint).unwrap();
    assert!(
        complaint.contains("too many others are connected"),
        "{complaint}"
    );
    drop(_others);
    until("a place", || {
        daemon.operator(&["bans"]).status.success().then_some(())
    });
}

#[test]
fn without_a_daemon_that_is_said() {
    let mut daemon = Daemon::demo();
    daemon.stop();
    for words in [
        &["who"][..],
        &["top"],
        &["kick", "1"],
        &["bans"],
        &["unban", "--all"],
        &["quota"],
        &["stats"],
        &["drain"],
    ] {
        let complaint = refused(&daemon, words);
        assert!(
            complaint.starts_with("skiffd: no daemon runs"),
            "{complaint}"
        );
    }
}
