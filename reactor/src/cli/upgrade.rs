//! `skiffd upgrade`: starts this program in the place of the daemon that runs.
//!
//! It starts a process that the daemon hands its sockets to (`daemon/inheritance.rs`), and waits for
//! what comes of it: the daemon itself may not execute programs (`walls/`).

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command as Program, ExitCode, Stdio};

use pico_args::Arguments;
use rustix::fs::Mode;
use rustix::process::{Pid, umask};
use skiff_conf::Server;

use super::arguments::{take_config, take_path, take_rest, take_seconds};
use super::failure::{Failure, tell};
use crate::control::client::{ControlError, ask};
use crate::control::command::Command;
use crate::daemon;

/// The option that makes a process take the place of the daemon.
pub(super) const TAKE_OVER: &str = "--take-over";

/// What precedes the words of a process that serves, and of one that does not.
const SERVES: &str = "serves: ";
const FAILED: &str = "failed: ";

/// Programs that start a child of theirs anew when it ends, by the names that the kernel has, of 15
/// bytes at most: of OpenRC, runit, s6, daemontools and supervisor.
const SUPERVISORS: [&str; 5] = [
    "supervise-daemo",
    "runsv",
    "s6-supervise",
    "supervise",
    "supervisord",
];

#[derive(Debug, PartialEq)]
pub(super) struct Request {
    config: PathBuf,
    seconds: Option<u32>,
    /// Where the number of the new process is written.
    pid_file: Option<PathBuf>,
}

pub(super) fn parse(mut words: Arguments) -> Result<Request, Failure> {
    let request = Request {
        config: take_config(&mut words)?,
        seconds: take_seconds(&mut words, "--for")?,
        pid_file: take_path(&mut words, "--pid-file")?,
    };
    take_rest(words, 0)?;
    Ok(request)
}

/// Starts the new process, and tells what the old one says once the new one serves.
pub(super) fn run(request: &Request) -> Result<(), Failure> {
    let file = std::path::absolute(&request.config)
        .map_err(|error| Failure::at(&request.config, "found", &error))?;
    let not_done = |why: String| Failure::Failed(format!("not upgraded: {why}"));
    let config = Server::load(&file).map_err(|complaint| not_done(complaint.to_string()))?;
    let process = running(&config.state).map_err(|error| not_done(error.to_string()))?;
    may_be_replaced(process).map_err(not_done)?;
    let serves_on = |why: String| {
        let process = process.as_raw_nonzero();
        not_done(format!("{why}; process {process} serves on"))
    };
    let umask_before = umask_of(process);
    if let Some(mask) = umask_before {
        umask(mask);
    }
    let (number, said) = start(&file, request.seconds).map_err(serves_on)?;
    if let Some(path) = &request.pid_file {
        fs::write(path, format!("{number}\n"))
            .map_err(|error| Failure::at(path, "written", &error))?;
    }
    tell(format_args!("process {number} serves; {said}"))
}

/// Takes the place of the daemon, and says on standard output what comes of it.
pub(super) fn take_over(request: &Request) -> Result<ExitCode, Failure> {
    let mut serves = false;
    let config = Server::load(&request.config).map_err(Failure::from);
    let ended = config.and_then(|config| {
        let replaced = daemon::replace(config, request.seconds, |said| {
            serves = true;
            // Whoever asked may be gone.
            let _ = tell(format_args!("{SERVES}{said}"));
        });
        replaced.map_err(|error| Failure::Failed(error.to_string()))
    });
    match ended {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(failure) if serves => Err(failure),
        Err(failure) => {
            let why = failure.to_string().replace(char::is_control, " ");
            tell(format_args!("{FAILED}{why}"))?;
            Ok(ExitCode::from(failure.status()))
        }
    }
}

fn running(state: &Path) -> Result<Pid, ControlError> {
    ask(state, &Command::Addresses {}, |_| Ok(()))
}

/// Starts the new process; returns its number and what the old one says, or why it does not serve.
fn start(config: &Path, seconds: Option<u32>) -> Result<(u32, String), String> {
    // By its own path: the process has the program's name then.
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut new = Program::new(&program);
    new.arg("--config").arg(config).arg(TAKE_OVER);
    if let Some(seconds) = seconds {
        new.arg("--for").arg(format!("{seconds}s"));
    }
    new.current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    let started = new.spawn();
    let mut new = started.map_err(|error| format!("{}: {error}", program.display()))?;
    let mut line = String::new();
    if let Some(output) = new.stdout.take() {
        let read = BufReader::new(output).read_line(&mut line);
        read.map_err(|error| error.to_string())?;
    }
    match (line.strip_prefix(SERVES), line.strip_prefix(FAILED)) {
        (Some(said), _) => Ok((new.id(), said.trim_end().to_owned())),
        (None, Some(why)) => Err(why.trim_end().to_owned()),
        (None, None) => Err(match new.wait() {
            Ok(status) => format!("the new process ended without a word ({status})"),
            Err(error) => error.to_string(),
        }),
    }
}

/// Why the daemon must be replaced by whoever has started it.
fn may_be_replaced(daemon: Pid) -> Result<(), String> {
    if daemon == Pid::INIT {
        return Err(
            "the daemon is process 1, whose end is that of its container; start another container"
                .to_owned(),
        );
    }
    let number = daemon.as_raw_nonzero().to_string();
    if let Some(unit) = foreign_unit(&read_proc(&number, "cgroup"), &read_proc("self", "cgroup")) {
        return Err(format!(
            "systemd has started the daemon, within {unit}: use systemctl restart {unit}, with \
             skiffd.socket so that nobody is refused, or call this in an ExecReload= of the unit"
        ));
    }
    let parent = field(&read_proc(&number, "status"), "PPid:").to_owned();
    let name = read_proc(&parent, "comm");
    match SUPERVISORS.contains(&name.trim_end()) {
        true => Err(format!(
            "{} has started the daemon and would start another; have it restart this one",
            name.trim_end()
        )),
        false => Ok(()),
    }
}

/// What a file of a process says (proc(5)); nothing where it may not be read.
fn read_proc(process: &str, file: &str) -> String {
    let path = Path::new("/proc").join(process).join(file);
    fs::read_to_string(path).unwrap_or_default()
}

/// The value of a line of /proc/PID/status.
fn field<'a>(status: &'a str, name: &str) -> &'a str {
    let mut lines = status.lines();
    lines
        .find_map(|line| line.strip_prefix(name))
        .map_or("", str::trim)
}

/// The unit of systemd that the daemon runs in, if it is a service and this process is not in it, by
/// the control groups of both (cgroups(7)): systemd would not know a process outside, and what the
/// unit takes away from the daemon that process would have.
fn foreign_unit(daemon: &str, own: &str) -> Option<String> {
    let group = unified(daemon)?;
    let unit = group
        .rsplit('/')
        .next()
        .filter(|unit| unit.ends_with(".service"))?;
    (unified(own) != Some(group)).then(|| unit.to_owned())
}

/// The group of the unified hierarchy, or of systemd's own before that.
fn unified(groups: &str) -> Option<&str> {
    let mut lines = groups.lines();
    lines.find_map(|line| {
        let group = line.strip_prefix("0::");
        group.or_else(|| Some(line.split_once(":name=systemd:")?.1))
    })
}

/// The umask of the daemon: that of whoever asks may be another.
fn umask_of(daemon: Pid) -> Option<Mode> {
    let status = read_proc(&daemon.as_raw_nonzero().to_string(), "status");
    let mask = u32::from_str_radix(field(&status, "Umask:"), 8).ok()?;
    Some(Mode::from_raw_mode(mask))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_of_systemd_is_known_from_outside_only() {
        let service = "0::/system.slice/skiffd.service\n";
        let shell = "0::/user.slice/user-0.slice/session-1.scope\n";
        assert_eq!(
            foreign_unit(service, shell).as_deref(),
            Some("skiffd.service")
        );
        assert_eq!(foreign_unit(service, service), None);
        assert_eq!(foreign_unit(shell, service), None);
        assert_eq!(foreign_unit("", shell), None);
        let old = "2:cpu:/\n1:name=systemd:/system.slice/skiffd.service\n0::/\n";
        assert_eq!(foreign_unit(old, shell), Some("skiffd.service".to_owned()));
    }

    #[test]
    fn fields_of_a_process_are_found() {
        let status = "Name:\tskiffd\nUmask:\t0077\nPPid:\t12\n";
        assert_eq!(field(status, "PPid:"), "12");
        assert_eq!(field(status, "Umask:"), "0077");
        assert_eq!(field("", "PPid:"), "");
        let own = Pid::from_raw(std::process::id() as i32).unwrap();
        assert!(umask_of(own).is_some());
    }
}
