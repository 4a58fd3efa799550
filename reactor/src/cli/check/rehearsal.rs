//! Tries the daemon's own start in a process of its own, which gives up root as the daemon does.

use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use skiff_conf::Server;

use super::report::Report;
use crate::cli::failure::{Failure, tell};
use crate::daemon::rehearsal::rehearse;

/// The option that makes `check` do this only.
pub(crate) const REHEARSE: &str = "--rehearse";

/// The program that runs, wherever its file is now.
const OWN_PROGRAM: &str = "/proc/self/exe";

/// Prints a line for each reason that would keep the daemon from starting.
pub(crate) fn run(file: &Path) -> Result<(), Failure> {
    let config = Server::load(file)?;
    for error in rehearse(&config) {
        let line = error.to_string().replace(char::is_control, " ");
        tell(line)?;
    }
    Ok(())
}

/// Reports what a start would die of.
pub(super) fn examine(config: &Server, report: &mut Report<'_>) {
    match start(&config.file) {
        Ok(lines) if lines.is_empty() => report.ok("start", "the daemon would start"),
        Ok(lines) => lines.iter().for_each(|line| report.no_start(line)),
        Err(error) => report.no_start(&format!("it cannot be tried: {error}")),
    }
}

fn start(file: &Path) -> io::Result<Vec<String>> {
    let mut trial = Command::new(OWN_PROGRAM);
    trial.args(["check", REHEARSE, "--config"]).arg(file);
    let done = trial.stdin(Stdio::null()).output()?;
    let lines = |bytes: &[u8]| -> Vec<String> {
        let text = String::from_utf8_lossy(bytes);
        text.lines().map(str::to_owned).collect()
    };
    match done.status.success() {
        true => Ok(lines(&done.stdout)),
        false => Ok(lines(&done.stderr)),
    }
}
