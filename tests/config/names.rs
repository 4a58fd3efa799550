//! Names of users with `@`, as those who log in by their mail address have.

use std::process::Command;

use crate::harness::{Daemon, Ftp, PASSWORD, binary};

const NAME: &str = "tom@example.org";

#[test]
fn a_mail_address_is_a_name_in_both_dialects_and_for_the_client() {
    let daemon = Daemon::with_ftp();
    daemon.user(&["add", NAME, "--password-stdin"], "123\n");
    daemon.login(NAME).put("", "file", b"12345");
    assert!(daemon.home(NAME).join("file").exists());
    Ftp::login(daemon.ftp_address(), NAME);
    let password = daemon.folder().join("password");
    std::fs::write(&password, PASSWORD).unwrap();
    super::set_mode(&password, 0o600);
    let target = format!("{NAME}@{}", daemon.address());
    let mut skiff = Command::new(binary("skiff"));
    skiff.env("HOME", daemon.folder()).args(["--trust", "new"]);
    skiff.arg("--password-file").arg(password);
    let done = skiff.args(["-c", "ls -1", &target]).output().unwrap();
    assert!(done.status.success(), "{done:?}");
    assert!(
        String::from_utf8_lossy(&done.stdout).contains("file"),
        "{done:?}"
    );
}
