//! Runs a command whose output goes to a file (`ls > names`), to a command of the local shell
//! (`ls | sort`), or to the pager.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use super::lexer::Word;
use crate::net::command_error::{CommandError, CommandResult};
use crate::terminal::format::{IoCause, escape_name, escape_path};
use crate::terminal::redirect::{Redirection, has_no_reader, pager, pager_command};

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
    let mut child = pager_command(line).spawn().map_err(failed)?;
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
        // Who has seen enough (head(1), a pager) may leave.
        Err(CommandError::Local(_)) if has_left => {}
        done => done?,
    }
    match status.success() {
        true => Ok(()),
        false => Err(CommandError::refused(shown, status)),
    }
}

/// Runs `command` with its output going to the pager, if there is one.
pub(crate) fn to_pager(command: impl FnOnce() -> CommandResult) -> CommandResult {
    match pager() {
        Some(line) => pipe_to(&line, command),
        None => command(),
    }
}
