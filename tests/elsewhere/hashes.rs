//! Hashes that other servers' programs make log in by FTP, and by the native protocol after that.

use super::{run, tool, users, write_users};
use crate::harness::{Daemon, Ftp};

const RIGHT: &str = "pass wörd";

fn log_in_first_by_ftp(hashes: &[(String, String)]) {
    let daemon = Daemon::with_ftp();
    let accounts: Vec<_> = hashes
        .iter()
        .map(|(name, hash)| format!("\"{name}\": (hash: \"{hash}\"),"))
        .collect();
    write_users(&daemon, &accounts.join("\n"));
    for (name, hash) in hashes {
        let too_early = daemon.peer().login(name, RIGHT);
        let unknown = daemon.peer().login("nobody", RIGHT);
        assert_eq!(
            too_early.line, unknown.line,
            "that there is an account is told"
        );
        daemon.wait_log(&format!("{name} has the hash of another server"));
        let (_, code) = Ftp::try_login(daemon.ftp_address(), name, "pass word");
        assert_eq!(code, 530, "{name}");
        assert!(users(&daemon).contains(hash.as_str()));
        let (mut session, code) = Ftp::try_login(daemon.ftp_address(), name, RIGHT);
        assert_eq!(code, 230, "{name}: {hash}");
        assert!(!users(&daemon).contains(hash.as_str()), "{name}");
        let mut native = daemon.login_as(name, RIGHT);
        native.put("", "file", b"12345");
        assert_eq!(session.ask("SIZE file"), 550, "in type A");
        assert_eq!(session.ask("TYPE I"), 200, "the change has ended it");
        assert_eq!(session.ask("SIZE file"), 213);
    }
}

#[test]
fn recorded_hashes_log_in() {
    let named = |(name, hash): (&str, &str)| (name.to_owned(), hash.to_owned());
    log_in_first_by_ftp(
        &[
            (
                "yes",
                "$y$j75$l4r6u3M06fOoPPf0AbmPJ/$kShBH5R59UE0.0UvNXcZbjNodsOgb9JOmA1ASm3ujZ/",
            ),
            (
                "bea",
                "$2y$05$b1R5ZnIjn6kfzLVLoj2oe.8BRspsTTatfG9FzwGugorPFaewn81Gm",
            ),
            ("apr", "$apr1$3GQ3MZI0$nvzpbqsVs3DabE05DAWbe0"),
            (
                "shaun",
                "$5$ol/ufUbAQlshz/yz$Yy/AWiHpC1jZjbXtxYD8h.dyxth5mV18Jko988CnwC4",
            ),
        ]
        .map(named),
    );
}

/// mkpasswd is in Debian's package whois, htpasswd in apache2-utils.
#[test]
fn hashes_of_mkpasswd_and_htpasswd_log_in() {
    let mut hashes = Vec::new();
    if let Some(mkpasswd) = tool("mkpasswd") {
        for method in [
            "yescrypt",
            "bcrypt",
            "sha512crypt",
            "sha256crypt",
            "md5crypt",
            "scrypt",
        ] {
            let hash = run(&mkpasswd, &["-m", method, "-s"], &format!("{RIGHT}\n"));
            hashes.push((method.to_owned(), hash.trim().to_owned()));
        }
    }
    if let Some(htpasswd) = tool("htpasswd") {
        let line = run(&htpasswd, &["-niB", "web"], RIGHT);
        let (name, hash) = line.trim().split_once(':').unwrap();
        hashes.push((name.to_owned(), hash.to_owned()));
    }
    log_in_first_by_ftp(&hashes);
}
