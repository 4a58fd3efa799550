//! TLS demanded of some clients and not of others, by their networks and by where they connect.

use std::net::SocketAddr;
use std::path::Path;

use super::{ftp_addresses, said_by};
use crate::harness::{Daemon, write_settings};

const SETTINGS: &str = "ftp: (listen: [\"127.0.0.1:0\", \"127.0.0.2:0\"], tls_for: [
    (network: \"127.0.5.0/24\", tls: Off),
    (network: \"127.0.5.9\", tls: Require),
    (listen: \"127.0.0.2:0\", tls: Optional),
]),";

/// Uploads by curl(1) from this address; what it says at the end.
#[track_caller]
fn upload(server: SocketAddr, from: &str, more: &[&str], file: &Path) -> String {
    let url = format!("ftp://{server}/");
    let fixed = [
        "-sS",
        "--interface",
        from,
        "-u",
        "tom:123",
        "-T",
        file.to_str().unwrap(),
        &url,
        "-w",
        "code %{response_code}\n",
    ];
    said_by("curl", &[&fixed[..], more].concat(), "")
}

#[test]
fn a_network_goes_in_clear_and_another_may_not() {
    let daemon = Daemon::configured(SETTINGS);
    let [strict, lax] = ftp_addresses(&daemon)[..] else {
        panic!("two listeners");
    };
    let file = daemon.folder().join("picture");
    std::fs::write(&file, b"pixels").unwrap();
    let tls = &["--ssl-reqd", "-k"][..];
    let (stored, login_needs_tls) = ("code 226", "(67)");
    for (server, from, more, expected) in [
        (strict, "127.0.0.1", &[][..], login_needs_tls),
        (strict, "127.0.0.1", tls, stored),
        (strict, "127.0.5.1", &[], stored),
        (strict, "127.0.5.1", tls, "(64)"),
        (strict, "127.0.5.9", &[], login_needs_tls),
        (strict, "127.0.5.9", tls, stored),
        (lax, "127.0.0.1", &[], stored),
        (lax, "127.0.0.1", tls, stored),
        // The network is more than the listener.
        (lax, "127.0.5.9", &[], login_needs_tls),
    ] {
        let said = upload(server, from, more, &file);
        assert!(said.contains(expected), "{server} {from} {more:?}: {said}");
    }
    let told = daemon.wait_log("address=127.0.5.9 ");
    assert!(told.contains("connected: "), "{told}");
    daemon.wait_log("login needs tls: ");
}

#[test]
fn a_banner_greets_in_lines() {
    let keys = "ftp: (listen: [\"127.0.0.1:0\"], tls: Optional, \
                banner: \"welcome to files.example\\n230 is no code here\"),";
    let daemon = Daemon::configured(keys);
    let url = format!("ftp://{}/", ftp_addresses(&daemon)[0]);
    let said = said_by(
        "curl",
        &["-sSv", "-u", "tom:123", &url, "-w", "code %{response_code}"],
        "",
    );
    let heard: Vec<_> = said
        .lines()
        .filter(|line| line.starts_with("< 220"))
        .collect();
    let greeting = [
        "< 220-welcome to files.example",
        "< 220 230 is no code here",
    ];
    assert_eq!(heard, greeting);
    assert!(said.contains("code 226"), "{said}");
}

#[test]
fn changed_rules_hold_for_who_comes_then() {
    let daemon = Daemon::configured(SETTINGS);
    let server = ftp_addresses(&daemon)[0];
    let file = daemon.folder().join("picture");
    std::fs::write(&file, b"pixels").unwrap();
    let said = upload(server, "127.0.5.1", &[], &file);
    assert!(said.contains("code 226"), "{said}");
    let changed = SETTINGS.replace("tls: Off", "tls: Require");
    let keys = format!("native: (listen: [\"127.0.0.1:0\"]), {changed}");
    write_settings(daemon.folder(), &keys);
    assert!(daemon.reload().status.success());
    let said = upload(server, "127.0.5.1", &[], &file);
    assert!(said.contains("(67)"), "{said}");
}
