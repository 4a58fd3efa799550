//! SIGHUP: the settings are taken up anew, and no session notices.

use rustix::process::Signal;

use crate::harness::{Daemon, Tail, md5, write_settings};

#[test]
fn a_reload_takes_up_what_was_changed() {
    let daemon = Daemon::with("limits: (sessions_per_user: 2),");
    let mut one = daemon.login("tom");
    let two = daemon.login("tom");
    assert_eq!(
        daemon.peer().login("tom", "123").code,
        421,
        "a third session"
    );
    one.ask("STOR size=5 file", 150);
    one.frame(b"123");
    write_settings(daemon.folder(), "limits: (sessions_per_user: 3),");
    reload(&daemon);
    daemon.login("tom");
    one.frame(b"45");
    one.tail(Tail::End);
    one.ask(&format!("225 md5={}", md5(b"12345")), 226);
    two.hang_up();
}

#[test]
fn a_reload_takes_up_quotas() {
    let daemon = Daemon::demo();
    assert_eq!(
        daemon.login("sam").ask("DF", 213).number("limit"),
        400_000_000
    );
    let keys = r#"quota: (default: "5MB", entries: 77, users: {"jerry": "6MB"}),"#;
    write_settings(daemon.folder(), keys);
    reload(&daemon);
    let df = daemon.login("sam").df();
    assert_eq!(df.number("limit"), 5_000_000);
    assert_eq!(df.number("entries_limit"), 77);
    assert_eq!(
        daemon.login("jerry").ask("DF", 213).number("limit"),
        6_000_000
    );
}

#[test]
fn a_reload_of_broken_settings_changes_nothing() {
    let daemon = Daemon::demo();
    let mut tom = daemon.login("tom");
    std::fs::write(daemon.settings(), "(\n quota: (default: \"8 apples\"),\n)").unwrap();
    daemon.signal(Signal::HUP);
    let said = daemon.wait_log("not reloaded");
    assert!(
        said.contains("server.ron:2:") && said.contains("8 apples"),
        "{said}"
    );
    tom.ask("PWD", 257);
    daemon.login("jerry");
}

fn reload(daemon: &Daemon) {
    daemon.signal(Signal::HUP);
    daemon.wait_log("reloaded ");
}
