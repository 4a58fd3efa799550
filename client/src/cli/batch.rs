//! Runs commands without a prompt: those of `-c`, of a file, or of standard input.

use std::io::{self, BufRead};
use std::path::Path;

use super::error::ProgramError;
use super::login;
use super::settings::Settings;
use crate::commands::dispatch;
use crate::commands::jobs;
use crate::commands::lexer::{self, OnFailure};
use crate::net::command_error::{CommandError, CommandResult};
use crate::net::jobs::JobWait;
use crate::net::link::LinkError;
use crate::net::session::Session;
use crate::terminal::format::escape_path;
use crate::terminal::input::StandardInput;
use crate::terminal::output::{begin_place, print_error};

/// The longest line of commands, in bytes; the rest is taken for the next line.
const LINE_MAX: u64 = 64 * 1024;

/// Whether the caller reads more commands after this line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum NextStep {
    Continue,
    Leave,
}

/// Runs the commands of `-c`.
pub(crate) fn run_commands(
    session: &mut Session,
    settings: &Settings,
    lines: &[String],
) -> Result<(), ProgramError> {
    for line in lines.iter().flat_map(|given| given.lines()) {
        if run_line(session, settings, line)? == NextStep::Leave {
            break;
        }
    }
    Ok(())
}

/// Runs the commands in the file at `path`.
pub(crate) fn run_file(
    session: &mut Session,
    settings: &Settings,
    path: &Path,
) -> Result<(), ProgramError> {
    let to_io_error = |cause| ProgramError::Io {
        what: path.display().to_string(),
        cause,
    };
    let file = std::fs::File::open(path).map_err(to_io_error)?;
    let place = Some(escape_path(path));
    let lines = io::BufReader::new(file);
    run_lines(session, settings, lines, place.as_deref()).map_err(|error| error.map(to_io_error))?
}

/// Runs the commands on standard input.
pub(crate) fn run_stdin(session: &mut Session, settings: &Settings) -> Result<(), ProgramError> {
    let to_io_error = |cause| ProgramError::Io {
        what: "standard input".into(),
        cause,
    };
    let lines = io::BufReader::new(StandardInput::new(&session.interrupt));
    run_lines(session, settings, lines, None).map_err(|error| error.map(to_io_error))??;
    match session.interrupt.is_stopped() {
        true => Err(ProgramError::Interrupted),
        false => Ok(()),
    }
}

/// The commands could not be read.
struct ReadError(io::Error);

impl ReadError {
    fn map(self, to_io_error: impl FnOnce(io::Error) -> ProgramError) -> ProgramError {
        to_io_error(self.0)
    }
}

/// Runs `lines` until one fails, `quit`, or the end; the outer error is that of reading them. Errors
/// name the file, where there is one, and the line.
fn run_lines(
    session: &mut Session,
    settings: &Settings,
    mut lines: impl BufRead,
    file: Option<&str>,
) -> Result<Result<(), ProgramError>, ReadError> {
    let mut line = String::new();
    for number in 1_u64.. {
        line.clear();
        let mut bounded = io::Read::take(&mut lines, LINE_MAX);
        if bounded.read_line(&mut line).map_err(ReadError)? == 0 {
            begin_place(None);
            return Ok(Ok(()));
        }
        begin_place(file.map(|file| format!("{file}:{number}")));
        match run_line(session, settings, line.trim_end_matches(['\r', '\n'])) {
            Ok(NextStep::Continue) => {}
            Ok(NextStep::Leave) => return Ok(Ok(())),
            Err(error) => return Ok(Err(error)),
        }
    }
    Ok(Ok(()))
}

/// Runs the commands of one line. The first that fails ends the program, unless a `-` stands before
/// it.
fn run_line(
    session: &mut Session,
    settings: &Settings,
    line: &str,
) -> Result<NextStep, ProgramError> {
    let commands = lexer::parse_commands(line, &session.lines.aliases).map_err(|error| {
        print_error(error);
        ProgramError::CommandFailed
    })?;
    for typed in commands {
        session.retries.begin();
        let done = dispatch::run(session, &typed);
        match settle(session, settings, done)? {
            Settled::Left => return Ok(NextStep::Leave),
            Settled::Failed if typed.on_failure == OnFailure::Stop => {
                return Err(ProgramError::CommandFailed);
            }
            Settled::Done | Settled::Failed => {}
        }
    }
    Ok(NextStep::Continue)
}

/// Waits for what runs in the background, where the commands came to their end, else stops it.
pub(crate) fn end_jobs(
    session: &mut Session,
    done: Result<(), ProgramError>,
) -> Result<(), ProgramError> {
    let waits = matches!(done, Ok(()) | Err(ProgramError::CommandFailed));
    let interrupt = session.interrupt.clone();
    if waits && session.jobs.wait_for_all(&interrupt) == JobWait::Ended {
        return match jobs::tell_ended(session) {
            0 => done,
            _ => Err(ProgramError::CommandFailed),
        };
    }
    interrupt.begin_command();
    session.jobs.stop_all();
    session.jobs.wait_for_all(&interrupt);
    jobs::tell_ended(session);
    match done {
        Ok(()) => Err(ProgramError::Interrupted),
        failed => failed,
    }
}

/// What a command came to, as far as the commands behind it are concerned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Settled {
    Done,
    /// Its error was printed.
    Failed,
    /// It was `quit`.
    Left,
}

/// Prints the error of a command; logs in elsewhere where it was `open`.
///
/// # Errors
///
/// What ends the program whatever stands behind the command: a lost connection, Ctrl-C.
pub(super) fn settle(
    session: &mut Session,
    settings: &Settings,
    done: CommandResult,
) -> Result<Settled, ProgramError> {
    // Ctrl-C stops the whole batch, also behind a `-`, and where the command was done by then.
    let is_stopped = session.interrupt.is_stopped();
    match done {
        Ok(()) if is_stopped => Err(ProgramError::Interrupted),
        Ok(()) => Ok(Settled::Done),
        Err(CommandError::Quit) => Ok(Settled::Left),
        Err(CommandError::Open(target)) => {
            login::open_another(session, settings, target.as_deref())?;
            Ok(Settled::Done)
        }
        Err(CommandError::SessionEnded(cause @ LinkError::Interrupted)) => {
            print_error(cause);
            Err(ProgramError::Interrupted)
        }
        Err(CommandError::SessionEnded(cause)) => {
            Err(ProgramError::connection(&session.account.server, cause))
        }
        Err(CommandError::Refused(why) | CommandError::Local(why) | CommandError::NoRoom(why)) => {
            print_error(why);
            match is_stopped {
                true => Err(ProgramError::Interrupted),
                false => Ok(Settled::Failed),
            }
        }
        Err(CommandError::Stopped(why)) => {
            print_error(why);
            Err(ProgramError::Interrupted)
        }
    }
}
