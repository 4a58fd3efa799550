//! The daemon's numbers over HTTP: what is told, to whom, and within which bounds.

mod bounds;
mod dashboard;
mod http;
mod numbers;
mod page;

use std::fs;
use std::os::unix::fs::FileTypeExt;

use rustix::process::Signal;

use self::http::{Door, Response};
use crate::harness::{Daemon, Ftp, Tail, md5, until, write_settings};

const TCP: &str = "metrics: (listen: \"127.0.0.1:0\"),";

#[test]
fn nothing_is_served_where_nothing_is_said() {
    let daemon = Daemon::demo();
    daemon.login("tom");
    assert!(!daemon.log().contains("serving metrics"));
}

#[test]
fn three_paths_and_two_methods_are_answered() {
    let daemon = Daemon::with(TCP);
    let door = Door::of(&daemon);
    let health = door.get("/healthz");
    assert_eq!((health.status, health.body.as_str()), (200, "ok\n"));
    let metrics = door.get("/metrics");
    assert_eq!(metrics.status, 200);
    assert_eq!(
        metrics.header("content-type"),
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    );
    assert!(metrics.body.ends_with("\n# EOF\n"), "{}", metrics.body);
    let looked = door.ask("HEAD /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!((looked.status, looked.body.as_str()), (200, ""));
    assert_eq!(looked.header("content-length"), "3");
    for (request, status) in [
        ("POST /metrics HTTP/1.1\r\nContent-Length: 1\r\n\r\nx", 405),
        ("DELETE / HTTP/1.1\r\n\r\n", 405),
        ("GET /nothing HTTP/1.1\r\n\r\n", 404),
        ("GET /metrics HTTP/1.1\r\nHost: evil.example\r\n\r\n", 403),
        ("SSH-2.0-x\r\n\r\n", 400),
    ] {
        let refused = door.ask(request);
        assert_eq!(refused.status, status, "{request}");
        assert_eq!(refused.header("connection"), "close");
    }
    assert_eq!(
        door.ask("PUT / HTTP/1.1\r\n\r\n").header("allow"),
        "GET, HEAD"
    );
}

/// What a balancer asks before it sends somebody.
#[test]
fn health_is_unwell_while_transfers_finish() {
    let mut daemon = Daemon::with(TCP);
    let door = Door::of(&daemon);
    let mut tom = daemon.login("tom");
    tom.ask("STOR size=10 file", 150);
    tom.frame(b"01234");
    daemon.signal(Signal::TERM);
    let told = until("health that is unwell", || {
        let told = door.get("/healthz");
        (told.status != 200).then_some(told)
    });
    assert_eq!((told.status, told.body.as_str()), (503, "stopping\n"));
    assert_eq!(door.get("/metrics").status, 200);
    tom.frame(b"56789");
    tom.tail(Tail::End);
    tom.send(&format!("225 md5={}", md5(b"0123456789")));
    tom.expect(226);
    drop(tom);
    daemon.ends_well();
}

/// The socket is made before the walls are raised, and its folder stays out of reach after that.
#[test]
fn a_unix_socket_works_within_the_walls_and_again_after_a_crash() {
    let mut daemon = Daemon::configured(
        "walls: Best, ftp: (listen: []), metrics: (listen: \"unix:metrics.sock\"),",
    );
    let path = daemon.folder().join("metrics.sock");
    let ask = |daemon: &Daemon| {
        daemon.wait_log("serving metrics on unix:");
        let told: Response = Door::Unix(path.clone()).get("/metrics");
        assert_eq!(told.status, 200);
        assert!(told.number("process_open_fds") > 5);
    };
    ask(&daemon);
    daemon.kill9();
    assert!(fs::symlink_metadata(&path).unwrap().file_type().is_socket());
    daemon.start();
    ask(&daemon);
}

#[test]
fn another_address_needs_a_restart() {
    let daemon = Daemon::configured(TCP);
    write_settings(daemon.folder(), "native: (listen: [\"127.0.0.1:0\"]),");
    let said = String::from_utf8(daemon.reload().stdout).unwrap();
    assert!(
        said.contains("changed, but needs a restart of skiffd: metrics"),
        "{said}"
    );
    assert_eq!(Door::of(&daemon).get("/healthz").status, 200);
}
