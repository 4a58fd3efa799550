//! Runs a command whose output goes to a file (`ls > names`), to a command of the local shell
//! (`ls | sort`), or to the pager.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use super::lexer::Word;
use crate::net::command_error::{CommandError, CommandResult};
use crate::terminal::format::{IoCause, escape_name, escape_path};
use crate::terminal::pager::{self, Pager, PagerState, shell_command};
use crate::terminal::redirect::{Redirection, has_no_reader};

/// Where the output of a command goes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Output {
    /// To standard output.
    Printed,
    /// To a file, which is made or replaced, as shells do.
    File(Word),
    /// To a command of the local shell.
    Shell(String),
}

impl Output {
    /// Runs `command` so that its output goes here.
    ///
    /// # Errors
    ///
    /// That of `command`; else that the file or the shell's command failed.
    pub(crate) fn of(&self, command: impl FnOnce() -> CommandResult) -> CommandResult {
        match self {
            Self::Printed => command(),
            Self::File(word) => {
                let path = word.as_local_path();
                let file = File::create(path);
                let file = file
                    .map_err(|error| CommandError::refused(escape_path(path), IoCause(&error)))?;
                let _redirected = Redirection::to(file);
                command()
            }
            Self::Shell(line) => pipe_to(line, command),
        }
    }
}

/// Runs `command` with its output going to the standard input of a command of the local shell, and
/// waits for both.
fn pipe_to(line: &str, command: impl FnOnce() -> CommandResult) -> CommandResult {
    let shown = escape_name(line.as_bytes());
    let failed = |error: io::Error| CommandError::refused(&shown, IoCause(&error));
    let mut child = shell_command(line).spawn().map_err(failed)?;
    let (done, reader) = match child.stdin.take().map(OwnedFd::from) {
        Some(input) => {
            let reader = input.try_clone().map_err(failed)?;
            let _redirected = Redirection::to(File::from(input));
            (command(), Some(reader))
        }
        None => (Ok(()), None),
    };
    let has_left = reader
        .as_ref()
        .is_some_and(|reader| has_no_reader(reader.as_fd()));
    // The last end of the pipe that is open here: its closing is the end of the child's input.
    drop(reader);
    let status = child.wait().map_err(failed)?;
    match done {
        // Who has seen enough (head(1)) may leave.
        Err(CommandError::Local(_)) if has_left => {}
        done => done?,
    }
    match status.success() {
        true => Ok(()),
        false => Err(CommandError::refused(shown, status)),
    }
}

/// What sh(1) ends with where it could not run a command.
const NOT_RUN: [Option<i32>; 2] = [Some(126), Some(127)];

/// Runs `command` with its output going to the pager, if there is one.
pub(crate) fn to_pager(command: impl FnOnce() -> CommandResult) -> CommandResult {
    let Some((pager, input)) = Pager::start() else {
        return command();
    };
    let redirected = Redirection::to(input);
    let done = unless_left(command());
    drop(redirected);
    let line = escape_name(pager.line().as_bytes());
    let status = pager
        .wait()
        .map_err(|error| CommandError::refused(&line, IoCause(&error)))?;
    match NOT_RUN.contains(&status.code()) {
        true => Err(CommandError::refused(line, status)),
        false => done,
    }
}

/// Who has seen enough leaves the pager, which is no failure of what goes through it.
pub(super) fn unless_left(done: CommandResult) -> CommandResult {
    match done {
        Err(CommandError::Local(_) | CommandError::Stopped(_))
            if pager::state() == PagerState::Left =>
        {
            Ok(())
        }
        done => done,
    }
}
