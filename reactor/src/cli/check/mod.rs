//! `skiffd check`: what is wrong with a server, and what its operator should know.

mod certificate;
mod disk;
mod files;
mod ftp;

use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use rustix::process::{Resource, getrlimit};
use skiff_conf::Server;

use crate::cli::Failure;
use crate::cli::user as admin;

/// More than a person notices when he logs in.
const SLOW_PASSWORD: Duration = Duration::from_secs(1);

/// Descriptors beside those of sessions: listeners, logs, homes, workers.
const OWN_FILES: u64 = 256;

/// Prints one line for each thing looked at. Fails only where the settings cannot be
/// understood.
pub(crate) fn run(path: &Path) -> Result<ExitCode, Failure> {
    let config = Server::load(path)?;
    let mut out = io::stdout().lock();
    let mut report = Report::new(&mut out);
    examine(&config, &mut report);
    match report.wrong.is_empty() {
        true => Ok(ExitCode::SUCCESS),
        false => Ok(ExitCode::FAILURE),
    }
}

fn examine(config: &Server, report: &mut Report<'_>) {
    report.ok(
        "settings",
        &format!("{} is understood", config.file.display()),
    );
    for &address in &config.native.listen {
        examine_address("native.listen", address, report);
    }
    ftp::examine(&config.ftp, report);
    certificate::examine(config, report);
    let users = files::examine(config, report);
    disk::examine(config, users.as_ref(), report);
    examine_descriptors(config, report);
    examine_passwords(config, report);
    for advice in config.advice(users.as_ref()) {
        report.advise(advice.key, &advice.text);
    }
}

/// What is found, told line by line as it is found: a dead network mount may stop the
/// next look.
pub(crate) struct Report<'a> {
    out: &'a mut dyn Write,
    /// The keys of what is wrong.
    wrong: Vec<&'static str>,
}

impl<'a> Report<'a> {
    fn new(out: &'a mut dyn Write) -> Self {
        Self {
            out,
            wrong: Vec::new(),
        }
    }

    fn ok(&mut self, key: &str, text: &str) {
        self.line("ok   ", key, text);
    }

    fn note(&mut self, key: &str, text: &str) {
        self.line("note ", key, text);
    }

    fn wrong(&mut self, key: &'static str, text: &str) {
        self.wrong.push(key);
        self.line("wrong", key, text);
    }

    /// What a wrong thing makes worth knowing as well waits until it is right.
    fn advise(&mut self, key: &'static str, text: &str) {
        if !self.wrong.contains(&key) {
            self.note(key, text);
        }
    }

    fn line(&mut self, verdict: &str, key: &str, text: &str) {
        // A reader who has seen enough is no error; the exit status tells the rest.
        let _ = writeln!(self.out, "{verdict} {key}: {text}");
    }
}

fn examine_address(key: &'static str, address: SocketAddr, report: &mut Report<'_>) {
    let Err(error) = TcpListener::bind(address) else {
        return report.ok(key, &format!("{address} is free"));
    };
    match (error.kind(), running_daemon()) {
        (io::ErrorKind::AddrInUse, Some(process)) => report.note(
            key,
            &format!("{address} is taken; right if by the skiffd that runs as process {process}"),
        ),
        (io::ErrorKind::AddrInUse, None) => {
            let text =
                format!("{address} is taken by another program; stop it, or choose another port");
            report.wrong(key, &text);
        }
        (io::ErrorKind::PermissionDenied, _) => report.wrong(
            key,
            &format!("{address}: a port under 1024 needs root or CAP_NET_BIND_SERVICE"),
        ),
        _ => report.wrong(key, &format!("{address}: {error}")),
    }
}

/// The process of another skiffd on this machine, as far as it can be seen.
fn running_daemon() -> Option<u32> {
    let own = std::process::id();
    std::fs::read_dir("/proc")
        .ok()?
        .flatten()
        .find_map(|entry| {
            let process: u32 = entry.file_name().to_str()?.parse().ok()?;
            let name = std::fs::read_to_string(entry.path().join("comm")).ok()?;
            (process != own && name.trim_end() == "skiffd").then_some(process)
        })
}

fn examine_descriptors(config: &Server, report: &mut Report<'_>) {
    let sessions = config.limits.sessions;
    let wanted = u64::from(sessions) + OWN_FILES;
    match getrlimit(Resource::Nofile).maximum {
        Some(most) if most < wanted => report.note(
            "limits.sessions",
            &format!(
                "{sessions}, but at most {most} files can be open here; raise the limit \
                 (LimitNOFILE= under systemd) to {wanted} and more for transfers"
            ),
        ),
        Some(most) => report.ok(
            "limits.sessions",
            &format!("{sessions}; {most} files can be open"),
        ),
        None => report.ok(
            "limits.sessions",
            &format!("{sessions}; any number of files can be open"),
        ),
    }
}

fn examine_passwords(config: &Server, report: &mut Report<'_>) {
    let key = "scram_iterations";
    let rounds = config.scram_iterations;
    let start = Instant::now();
    let derived = admin::verifier("correct horse", rounds);
    let took = start.elapsed();
    let text = format!(
        "one password costs {:.3} s on this machine with {}",
        took.as_secs_f64(),
        rounds.get()
    );
    match derived {
        Err(failure) => report.wrong(key, &failure.to_string()),
        Ok(_) if took > SLOW_PASSWORD => report.note(key, &text),
        Ok(_) => report.ok(key, &text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::init;

    /// What `examine` says, and the keys of what is wrong.
    pub(super) fn reported(examine: impl FnOnce(&mut Report<'_>)) -> (String, Vec<&'static str>) {
        let mut out = Vec::new();
        let mut report = Report::new(&mut out);
        examine(&mut report);
        let wrong = report.wrong;
        (String::from_utf8(out).unwrap(), wrong)
    }

    /// A new server that listens on a free port of this machine.
    pub(super) fn server(folder: &Path) -> Server {
        init::run(folder).unwrap();
        let settings = "(native: (listen: [\"127.0.0.1:0\"]), ftp: (listen: []), \
                        scram_iterations: 10000)";
        std::fs::write(folder.join(init::SETTINGS), settings).unwrap();
        Server::load(&folder.join(init::SETTINGS)).unwrap()
    }

    #[test]
    fn nothing_is_wrong_with_a_new_server() {
        let folder = tempfile::tempdir().unwrap();
        let config = server(folder.path());
        let (text, wrong) = reported(|report| examine(&config, report));
        assert!(wrong.is_empty(), "{text}");
        for part in [
            "ok    native.listen: 127.0.0.1:0 is free",
            "ok    ftp: no address, so no FTP",
            "ok    state: ",
            "ok    scram_iterations: one password costs",
            "note  users: there is no user yet",
        ] {
            assert!(text.contains(part), "{part:?} in {text}");
        }
        let verdicts = ["ok    ", "note  ", "wrong "];
        let odd = text
            .lines()
            .find(|line| !verdicts.iter().any(|v| line.starts_with(v)));
        assert_eq!(odd, None);
    }

    #[test]
    fn a_taken_address_is_named() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let (text, _) = reported(|report| examine_address("native.listen", address, report));
        assert!(text.contains(&format!("{address} is taken")), "{text}");
    }

    #[test]
    fn an_address_of_another_machine_is_wrong() {
        // TEST-NET-1 (RFC 5737) is nobody's.
        let address = SocketAddr::from(([192, 0, 2, 1], 8001));
        let (text, wrong) = reported(|report| examine_address("native.listen", address, report));
        assert_eq!(wrong, ["native.listen"], "{text}");
    }

    #[test]
    fn advice_waits_for_what_is_wrong() {
        let (text, _) = reported(|report| {
            report.wrong("state", "is not there");
            report.advise("state", "is not there, or is no folder");
            report.advise("homes", "lie elsewhere");
        });
        assert_eq!(
            text,
            "wrong state: is not there\nnote  homes: lie elsewhere\n"
        );
    }

    #[test]
    fn too_few_descriptors_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = server(folder.path());
        config.limits.sessions = 1;
        let (few, _) = reported(|report| examine_descriptors(&config, report));
        assert!(few.starts_with("ok    limits.sessions: 1; "), "{few}");
        config.limits.sessions = u32::MAX;
        let (many, _) = reported(|report| examine_descriptors(&config, report));
        let unlimited = getrlimit(Resource::Nofile).maximum.is_none();
        assert!(many.starts_with("note ") || unlimited, "{many}");
    }
}
