//! SIGHUP and `skiffd reload`: the settings are taken up anew, and no session notices. Other signals.

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Output;

use rustix::process::Signal;

use crate::harness::{Daemon, PATIENCE, Tail, md5, until, write_settings};

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
    let daemon = Daemon::configured("");
    let mut tom = daemon.login("tom");
    let text = "(\n quota: (default: \"8 apples\"),\n)";
    std::fs::write(daemon.settings(), text).unwrap();
    daemon.signal(Signal::HUP);
    let said = daemon.wait_log("not reloaded");
    assert!(
        said.contains("server.ron:2:") && said.contains("8 apples"),
        "{said}"
    );
    let told = refused(&daemon.reload());
    assert!(
        told.contains("not reloaded: ") && told.contains("8 apples"),
        "{told}"
    );
    tom.ask("PWD", 257);
    daemon.login("jerry");
}

/// What the daemon alone can find out comes back to who asked it.
#[test]
fn the_command_waits_for_the_result() {
    let mut daemon = Daemon::configured("");
    let settings = |keys: &str| {
        let keys = format!("native: (listen: [\"127.0.0.1:0\"]), {keys}");
        write_settings(daemon.folder(), &keys);
    };
    settings("limits: (sessions_per_user: 1),");
    let done = daemon.reload();
    assert!(done.status.success(), "{done:?}");
    let said = String::from_utf8(done.stdout).unwrap();
    assert!(said.starts_with("reloaded "), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    let _one = daemon.login("tom");
    assert_eq!(daemon.peer().login("tom", "123").code, 421, "it is in use");
    for (keys, part) in [
        ("tls: (certificate: \"no.pem\", key: \"no.pem\"),", "no.pem"),
        ("log: (access: \"no/access.log\"),", "no/access.log"),
        ("users: \"others.ron\",", "others.ron"),
    ] {
        settings(keys);
        let told = refused(&daemon.reload());
        assert!(told.starts_with("skiffd: not reloaded: "), "{told}");
        assert!(told.contains(part), "{told}");
        daemon.wait_log(&format!("not reloaded: {}", &told[22..].trim_end()));
    }
    assert_eq!(daemon.peer().login("tom", "123").code, 421, "still in use");
    settings("");
    daemon.stop();
    assert!(refused(&daemon.reload()).contains("no daemon runs"));
}

#[test]
fn what_needs_a_restart_is_named_in_one_line_and_stays_as_it_was() {
    let daemon = Daemon::configured("");
    let keys = "native: (listen: [\"127.0.0.1:1\"]), homes: \"elsewhere\", durability: None, \
                limits: (sessions_per_user: 2),";
    write_settings(daemon.folder(), keys);
    daemon.signal(Signal::HUP);
    let told = "changed, but needs a restart of skiffd: native.listen, homes, durability";
    let line = daemon.wait_log("needs a restart");
    assert!(line.ends_with(told), "{line}");
    assert_eq!(daemon.log().matches("needs a restart").count(), 1);
    // Also a second time: it is still so.
    let said = String::from_utf8(daemon.reload().stdout).unwrap();
    assert!(said.contains(told), "{said}");
    daemon.login("tom").put("", "file", b"12345");
    assert!(daemon.home("tom").join("file").exists());
}

#[test]
fn an_expired_certificate_is_warned_of() {
    let folder = tempfile::tempdir().unwrap();
    let pems = ["c.pem", "k.pem"].map(|name| folder.path().join(name));
    certify([&pems[0], &pems[1]], 2020);
    let key = format!(
        "tls: (certificate: {:?}, key: {:?}),",
        pems[0].to_str().unwrap(),
        pems[1].to_str().unwrap()
    );
    let daemon = Daemon::configured(&key);
    daemon.wait_log("the certificate expired on 2020-01-01");
    let said = String::from_utf8(daemon.reload().stdout).unwrap();
    assert!(said.contains("the certificate expired on"), "{said}");
    certify([&pems[0], &pems[1]], 4000);
    let said = String::from_utf8(daemon.reload().stdout).unwrap();
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[test]
fn sigusr1_opens_the_logs_again_and_no_signal_of_nobody_ends_the_daemon() {
    let mut daemon = Daemon::configured("log: (access: \"access.log\", xferlog: \"xferlog\"),");
    let at = |name: &str| daemon.folder().join(name);
    daemon.login("tom");
    for name in ["access.log", "xferlog"] {
        std::fs::rename(at(name), at(&format!("{name}.1"))).unwrap();
    }
    for signal in [Signal::USR2, Signal::ALARM, Signal::USR1] {
        daemon.signal(signal);
    }
    let is_there = || (at("access.log").exists() && at("xferlog").exists()).then_some(());
    until("the new logs", is_there);
    daemon.login("jerry");
    until("what comes later", || {
        let text = std::fs::read_to_string(at("access.log")).unwrap();
        text.contains("jerry PASS 230").then_some(())
    });
    assert!(!daemon.log().contains("reloaded"), "{}", daemon.log());
    daemon.stop();
}

#[test]
fn the_service_manager_is_told_what_became_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let heard = || {
        let mut buffer = [0; 4096];
        let length = manager.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    };
    let variable = format!("NOTIFY_SOCKET={}", path.display()).leak();
    let before: &'static [&'static str] = vec!["env", variable].leak();
    let mut daemon = Daemon::configured_behind("", before);
    let ready = heard();
    let status = format!("READY=1\nSTATUS=serving on {}", daemon.address());
    assert_eq!(ready, status);
    assert!(daemon.reload().status.success());
    let begun = heard();
    let (state, time) = begun.split_once("\nMONOTONIC_USEC=").unwrap();
    assert_eq!(state, "RELOADING=1");
    assert!(time.parse::<u64>().is_ok(), "{begun}");
    assert!(heard().starts_with("READY=1\nSTATUS=reloaded /"));
    std::fs::write(daemon.settings(), "(homez: \"x\")").unwrap();
    daemon.signal(Signal::HUP);
    assert!(heard().starts_with("RELOADING=1\n"));
    let refused = heard();
    assert!(
        refused.starts_with("READY=1\nSTATUS=not reloaded: ") && refused.contains("homez"),
        "{refused}"
    );
    daemon.stop();
    assert!(heard().starts_with("STOPPING=1\nSTATUS=stopping: "));
}

/// Its terminal is gone, and it has nothing to read again.
#[test]
fn a_demo_ends_with_its_terminal() {
    let mut daemon = Daemon::demo();
    let mut tom = daemon.login("tom");
    daemon.signal(Signal::HUP);
    tom.expect(421);
    daemon.ends_well();
}

#[test]
fn a_demo_that_is_told_to_ignore_its_terminal_stays() {
    let daemon = Daemon::demo().behind(&["nohup"]);
    let mut tom = daemon.login("tom");
    daemon.signal(Signal::HUP);
    tom.ask("PWD", 257);
    assert!(daemon.reload().status.success());
    tom.ask("PWD", 257);
    daemon.login("jerry");
}

/// Writes a certificate that is valid until the beginning of `year`, and its key.
fn certify([certificate, key]: [&Path; 2], year: i32) {
    let mut wanted = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
    wanted.not_before = rcgen::date_time_ymd(2019, 1, 1);
    wanted.not_after = rcgen::date_time_ymd(year, 1, 1);
    let pair = rcgen::KeyPair::generate().unwrap();
    let pem = wanted.self_signed(&pair).unwrap().pem();
    std::fs::write(certificate, pem).unwrap();
    std::fs::write(key, pair.serialize_pem()).unwrap();
}

fn refused(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn reload(daemon: &Daemon) {
    let done = daemon.reload();
    assert!(done.status.success(), "{done:?}");
}
