//! TLS and listeners as operators set them up, tried with openssl, curl and haproxy.

mod certificates;
mod clients;
mod policies;
mod proxies;

use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::harness::Daemon;

/// Where a daemon serves FTP; several addresses in the order of the settings.
fn ftp_addresses(daemon: &Daemon) -> Vec<SocketAddr> {
    addresses(daemon, "serving ftp on [")
}

fn addresses(daemon: &Daemon, before: &str) -> Vec<SocketAddr> {
    let line = daemon.wait_log(before);
    let from = line.find('[').unwrap() + 1;
    let listed = line[from..].trim_end_matches(']').split(", ");
    listed.map(|address| address.parse().unwrap()).collect()
}

/// All that a program says, with `input` at its standard input; its status does not matter.
#[track_caller]
fn said_by(program: &str, arguments: &[&str], input: &str) -> String {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    // One that has said all it wants to may be gone.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let all = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&all).into_owned()
}

/// Runs openssl(1), which must succeed.
#[track_caller]
fn openssl(folder: &Path, arguments: &[&str]) {
    let output = Command::new("openssl")
        .current_dir(folder)
        .args(arguments)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {told}");
}

/// Makes `NAME.pem` and `NAME.key`, a certificate that signs itself for the host `name`.
#[track_caller]
fn self_signed(folder: &Path, file: &str, kind: &[&str], name: &str) {
    let (pem, key) = (format!("{file}.pem"), format!("{file}.key"));
    let subject = format!("/CN={name}");
    let names = format!("subjectAltName=DNS:{name}");
    let own = [
        "req", "-x509", "-nodes", "-days", "99", "-out", &pem, "-keyout", &key,
    ];
    let about = ["-subj", &subject, "-addext", &names];
    openssl(folder, &[&own, kind, &about].concat());
}

const RSA: &[&str] = &["-newkey", "rsa:2048"];
const ECDSA: &[&str] = &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
