//! Commands without a prompt: from -c, a file, or standard input.

use std::io::{self, BufRead};
use std::path::Path;

use super::error::Trouble;
use crate::commands::dispatch;
use crate::commands::lexer::{self, OnFailure};
use crate::net::command_error::CommandError;
use crate::net::known_hosts::host_and_port;
use crate::net::session::Session;
use crate::terminal::output::print_error;

/// The longest line of commands, in bytes.
const LINE_MAX: u64 = 64 * 1024;

/// Whether more commands are wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Next {
    GoOn,
    Leave,
}

/// The commands of `-c`.
pub(crate) fn run_given(session: &mut Session, lines: &[String]) -> Result<(), Trouble> {
    for line in lines.iter().flat_map(|given| given.lines()) {
        if run_line(session, line)? == Next::Leave {
            break;
        }
    }
    Ok(())
}

/// The commands in a file.
pub(crate) fn run_file(session: &mut Session, path: &Path) -> Result<(), Trouble> {
    let failed = |cause| Trouble::Own {
        what: path.display().to_string(),
        cause,
    };
    let file = std::fs::File::open(path).map_err(failed)?;
    run_all(session, io::BufReader::new(file)).map_err(|error| error.map(failed))?
}

/// The commands on standard input.
pub(crate) fn run_stdin(session: &mut Session) -> Result<(), Trouble> {
    let failed = |cause| Trouble::Own {
        what: "standard input".into(),
        cause,
    };
    run_all(session, io::stdin().lock()).map_err(|error| error.map(failed))?
}

struct Unreadable(io::Error);

impl Unreadable {
    fn map(self, failed: impl FnOnce(io::Error) -> Trouble) -> Trouble {
        failed(self.0)
    }
}

fn run_all(
    session: &mut Session,
    mut lines: impl BufRead,
) -> Result<Result<(), Trouble>, Unreadable> {
    let mut line = String::new();
    loop {
        line.clear();
        let mut bounded = io::Read::take(&mut lines, LINE_MAX);
        if bounded.read_line(&mut line).map_err(Unreadable)? == 0 {
            return Ok(Ok(()));
        }
        match run_line(session, line.trim_end_matches(['\r', '\n'])) {
            Ok(Next::GoOn) => {}
            Ok(Next::Leave) => return Ok(Ok(())),
            Err(trouble) => return Ok(Err(trouble)),
        }
    }
}

/// The first failure ends all, unless a `-` stood before the command.
fn run_line(session: &mut Session, line: &str) -> Result<Next, Trouble> {
    let commands = lexer::commands(line).map_err(|error| {
        print_error(error);
        Trouble::CommandFailed
    })?;
    for typed in commands {
        let failure = match dispatch::run(session, &typed) {
            Ok(()) => continue,
            Err(failure) => failure,
        };
        match failure {
            CommandError::Quit => return Ok(Next::Leave),
            CommandError::SessionEnded(cause) => {
                return Err(Trouble::Connection {
                    server: host_and_port(&session.server),
                    cause,
                });
            }
            CommandError::Refused(why) | CommandError::Local(why) => {
                print_error(why);
                if typed.on_failure == OnFailure::Stop {
                    return Err(Trouble::CommandFailed);
                }
            }
            // Who presses Ctrl-C does not want the rest either.
            CommandError::Stopped(why) => {
                print_error(why);
                return Err(Trouble::CommandFailed);
            }
        }
    }
    Ok(Next::GoOn)
}
