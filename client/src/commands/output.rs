//! Runs a command whose output goes to a file (`ls > names`), to a command of the local shell
//! (`ls | sort`), or to the pager.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};

use super::lexer::Word;
use crate::net::command_error::{CommandError, CommandResult};
use crate::terminal::format::{escape_name, escape_path};
use crate::terminal::redirect::Redirection;

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
                let file = file.map_err(|error| CommandError::refused(escape_path(path), error))?;
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
    let failed = |error: io::Error| CommandError::refused(&shown, error);
    let mut child = Command::new("/bin/sh")
        .args(["-c", line])
        .stdin(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let done = match child.stdin.take() {
        Some(input) => {
            // The end of the redirection is the end of the child's input.
            let _redirected = Redirection::to(File::from(OwnedFd::from(input)));
            command()
        }
        None => Ok(()),
    };
    let status = child.wait().map_err(failed)?;
    done?;
    match status.success() {
        true => Ok(()),
        false => Err(CommandError::refused(shown, status)),
    }
}

/// Runs `command` with its output going to the pager of PAGER, or less(1).
pub(crate) fn to_pager(command: impl FnOnce() -> CommandResult) -> CommandResult {
    let pager = std::env::var("PAGER").ok();
    let pager = pager.filter(|pager| !pager.trim().is_empty());
    pipe_to(&pager.unwrap_or_else(|| "less".into()), command)
}
