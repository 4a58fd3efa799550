//! `skiffd check`: reports what is wrong with a server and what its operator should know.

mod address;
mod certificate;
mod disk;
mod files;
mod folders;
mod ftp;
mod homes;
mod hooks;
mod mounts;
pub(crate) mod rehearsal;
mod report;
mod walls;

use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use rustix::process::{Resource, getrlimit};
use skiff_conf::Server;

use self::report::{Report, Start};
use crate::cli::failure::Failure;
use crate::cli::user;

/// A password check that takes longer is worth a note.
const SLOW_PASSWORD: Duration = Duration::from_secs(1);

/// Open files besides those of sessions: listeners, logs, homes, workers.
const OWN_FILES: u64 = 256;

/// Prints one line for each thing examined. Fails only if the settings cannot be parsed.
pub(crate) fn run(path: &Path) -> Result<ExitCode, Failure> {
    let config = Server::load(path)?;
    let mut out = io::stdout().lock();
    let mut report = Report::new(&mut out);
    examine(&config, &mut report);
    rehearsal::examine(&config, &mut report);
    Ok(match (report.start, report.wrong.is_empty()) {
        (Start::Fails, _) => ExitCode::from(2),
        (Start::Succeeds, false) => ExitCode::FAILURE,
        (Start::Succeeds, true) => ExitCode::SUCCESS,
    })
}

fn examine(config: &Server, report: &mut Report<'_>) {
    report.ok(
        "settings",
        &format!("{} is understood", config.file.display()),
    );
    address::examine(config, report);
    ftp::examine(&config.ftp, report);
    certificate::examine(config, report);
    let users = files::examine(config, report);
    folders::examine(config, users.as_ref(), report);
    hooks::examine(config, users.as_ref(), report);
    mounts::examine(config, users.as_ref(), report);
    disk::examine(config, users.as_ref(), report);
    walls::examine(config, report);
    examine_descriptors(config, report);
    examine_passwords(config, report);
    for advice in config.advice(users.as_ref()) {
        report.advise(advice.key, &advice.text);
    }
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
    let derived = user::verifier("correct horse", rounds);
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
