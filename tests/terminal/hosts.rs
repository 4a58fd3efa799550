//! Servers that the settings give names: what `skiff nas` knows of them.

use std::fs;
use std::net::SocketAddr;

use super::desk::{Desk, Ran, finish};
use crate::harness::Daemon;

/// A desk whose settings have these fields for the host `nas`.
fn desk(server: SocketAddr, fields: &str) -> Desk {
    let desk = Desk::new();
    let folder = desk.home().join(".config/skiff");
    fs::create_dir_all(&folder).unwrap();
    let password = desk.home().join("password");
    let text = format!(
        "(user: \"jerry\", hosts: {{\"nas\": (server: \"{server}\", user: \"tom\", \
         password_file: \"{}\", {fields})}})",
        password.display()
    );
    fs::write(folder.join("client.ron"), text).unwrap();
    desk
}

fn run(desk: &Desk, words: &[&str]) -> Ran {
    finish(desk.command(words).spawn().unwrap(), "")
}

fn fingerprint(daemon: &Daemon) -> String {
    let logged = daemon.wait_log("certificate fingerprint ");
    logged.rsplit(' ').next().unwrap().to_owned()
}

#[test]
fn a_host_is_all_that_has_to_be_said() {
    let daemon = Daemon::demo();
    let mut peer = daemon.login("tom");
    peer.ask("MKD photos", 257);
    peer.put("", "photos/a", b"first");
    let pin = fingerprint(&daemon);
    let fields = format!("fingerprint: \"{pin}\", directory: \"photos\"");
    let desk = desk(daemon.address(), &fields);

    run(&desk, &["nas", "-c", "pwd"]).says("257 /photos\n");
    run(&desk, &["ls", "nas:"]).says("a\n");
    run(&desk, &["ls", "nas:/"]).says("photos\n");
    run(&desk, &["get", "nas:a", "-"]).says("first");
    desk.write("b", b"second");
    let ran = run(&desk, &["put", "nas:", "b"]);
    assert_eq!(ran.code, 0, "{}", ran.complained);
    assert_eq!(peer.get("photos/b"), b"second");
    // A pinned certificate is not asked about, nor remembered.
    assert!(!desk.known_hosts().exists());
    // Its password is no other user's, and no other's is its own.
    run(&desk, &["sam@nas", "-c", "pwd"]).fails(2, "what is there belongs to tom at 127.0.0.1:");
    let plain = daemon.address().to_string();
    run(&desk, &["--trust", "new", "-u", "tom", &plain, "-c", "pwd"]).fails(2, "no password");
}

#[test]
fn a_host_with_another_certificate_gets_nothing() {
    let (daemon, other) = (Daemon::demo(), Daemon::demo());
    let pin = fingerprint(&other);
    let desk = desk(daemon.address(), &format!("fingerprint: \"{pin}\""));
    for trust in [&[][..], &["--trust", "new"]] {
        let ran = run(&desk, &[trust, &["nas", "-c", "pwd"]].concat());
        ran.fails(5, "the certificate has changed!");
        ran.fails(
            5,
            &format!("it is            sha256:{}", fingerprint(&daemon)),
        );
        assert!(
            ran.complained
                .contains("make it the fingerprint of the host \"nas\"")
        );
    }
    assert!(!desk.known_hosts().exists());
    // Who names the right one himself goes in.
    let is = fingerprint(&daemon);
    run(&desk, &["--trust", &is, "nas", "-c", "pwd"]).says("257 /\n");
}

#[test]
fn open_takes_a_host_and_the_prompt_begins_in_its_directories() {
    let (daemon, other) = (Daemon::demo(), Daemon::demo());
    daemon.login("tom").ask("MKD photos", 257);
    let pin = fingerprint(&daemon);
    let fields =
        format!("fingerprint: \"{pin}\", directory: \"/photos\", local_directory: \"~/pictures\"");
    let desk = desk(daemon.address(), &fields);
    let pictures = desk.home().join("pictures");
    fs::create_dir(&pictures).unwrap();

    let mut tom = desk.sit(&["nas"]);
    assert_eq!(tom.prompt(), "tom@127.0.0.1:/photos>");
    assert_eq!(tom.ask("lpwd"), pictures.display().to_string());

    let mut jerry = desk.log_in(other.address());
    let said = jerry.ask("open nas");
    assert!(said.ends_with(": logged in as tom, in /photos"), "{said}");
    assert_eq!(jerry.ask("lpwd"), pictures.display().to_string());
    // Anew at the same one, though another directory is the present one.
    jerry.ask("cd /; lcd");
    let said = jerry.ask("open");
    assert!(said.ends_with(": logged in as tom, in /photos"), "{said}");
    assert_eq!(jerry.prompt(), "tom@127.0.0.1:/photos>");
}

#[test]
fn hosts_lists_them() {
    let daemon = Daemon::demo();
    let server = daemon.address();
    let desk = desk(server, "directory: \"/photos\"");
    run(&desk, &["hosts"]).says(&format!("nas  tom@{server} /photos\n"));
    let ran = run(&Desk::new(), &["hosts"]);
    ran.says("");
    assert!(
        ran.complained.starts_with("no hosts; give them names"),
        "{}",
        ran.complained
    );
}

#[test]
fn a_directory_that_is_not_there_ends_the_login() {
    let daemon = Daemon::demo();
    let pin = fingerprint(&daemon);
    let fields = format!("fingerprint: \"{pin}\", directory: \"gone\"");
    let desk = desk(daemon.address(), &fields);
    let ran = run(&desk, &["nas", "-c", "pwd"]);
    ran.fails(2, "directory gone: 550 no such");
    assert_eq!(ran.said, "");
}

#[test]
fn a_host_does_not_hide_a_command() {
    let desk = Desk::new();
    desk.write("odd.ron", b"(hosts: {\"get\": (server: \"a\")})");
    desk.run(&["--config", "odd.ron", "hosts"], "")
        .fails(2, "odd.ron: hosts[\"get\"]: is the name of a command");
}
