//! Accounts that come from elsewhere: hashes of other servers, files of users, programs that say who
//! a user is.

mod authenticator;
mod directories;
mod hashes;
mod import;
mod upgrade;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::harness::Daemon;

/// A program of the system, or one of those that `tests/run` lays below `target/tools`, which no
/// package may install beside each other; `None`, with the reason on standard error, where neither
/// has it.
fn tool(name: &str) -> Option<PathBuf> {
    let tools = crate::harness::binary("skiffd");
    let target = tools.parent().and_then(Path::parent);
    let own = target.map(|target| target.join("tools/usr"));
    let folders = ["/usr/bin", "/usr/sbin", "/usr/local/bin"].map(PathBuf::from);
    let own = own
        .iter()
        .flat_map(|usr| ["bin", "sbin"].map(|sub| usr.join(sub)));
    let found = folders
        .into_iter()
        .chain(own)
        .map(|folder| folder.join(name));
    let found = found.into_iter().find(|path| path.exists());
    if found.is_none() {
        eprintln!("skipped: {name} is not installed");
    }
    found
}

/// Runs a program that must not fail; what it is asked it reads from `input`.
fn run(program: &Path, words: &[&str], input: &str) -> String {
    let mut child = Command::new(program)
        .args(words)
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), input.as_bytes()).unwrap();
    let Output {
        status,
        stdout,
        stderr,
    } = child.wait_with_output().unwrap();
    let (said, complaint) = (
        String::from_utf8(stdout).unwrap(),
        String::from_utf8_lossy(&stderr),
    );
    assert!(status.success(), "{program:?} {words:?}: {said}{complaint}");
    said
}

/// Writes accounts by hand, in the form of `users.ron`, before those that are there.
fn write_users(daemon: &Daemon, accounts: &str) {
    let path = daemon.folder().join("users.ron");
    let text = std::fs::read_to_string(&path).unwrap();
    let text = text.replacen("users: {", &format!("users: {{\n{accounts}"), 1);
    std::fs::write(&path, text).unwrap();
}

fn users(daemon: &Daemon) -> String {
    std::fs::read_to_string(daemon.folder().join("users.ron")).unwrap()
}
