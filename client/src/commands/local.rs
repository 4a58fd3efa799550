//! Implements the commands on this machine: lcd, lpwd, and `!`, the local shell.

use std::path::Path;
use std::process;

use super::spec::ParsedArgs;
use crate::net::command_error::{CommandError, CommandResult};
use crate::net::session::Session;
use crate::terminal::format::{IoCause, escape_path};
use crate::terminal::output::print_line;

/// `lcd`: changes the local directory, to the home without an argument.
pub(crate) fn lcd(session: &mut Session, args: &ParsedArgs) -> CommandResult {
    let home = std::env::home_dir();
    let to = match args.words.first() {
        Some(word) => word.as_local_path(),
        None => home
            .as_deref()
            .ok_or_else(|| CommandError::refused("lcd", "HOME is not set; name a directory"))?,
    };
    if session.jobs.running() > 0 {
        let why = "jobs run here; wait for them first";
        return Err(CommandError::refused("lcd", why));
    }
    std::env::set_current_dir(to).map_err(|error| local_error(to, &error))?;
    lpwd(session, args)
}

/// `lpwd`: prints the local directory.
pub(crate) fn lpwd(_: &mut Session, _: &ParsedArgs) -> CommandResult {
    let here = std::env::current_dir().map_err(|error| local_error(Path::new("."), &error))?;
    print_line(escape_path(&here));
    Ok(())
}

/// The row of `!` in the table, for help alone: the lexer sends its lines to [`run_local_shell`].
pub(crate) fn local_shell(_: &mut Session, _: &ParsedArgs) -> CommandResult {
    run_local_shell("")
}

/// Runs `line` in the local shell; an empty line starts an interactive shell.
pub(crate) fn run_local_shell(line: &str) -> CommandResult {
    let mut command = match line {
        "" => process::Command::new(std::env::var_os("SHELL").unwrap_or_else(|| "/bin/sh".into())),
        line => {
            let mut command = process::Command::new("/bin/sh");
            command.arg("-c").arg(line);
            command
        }
    };
    let status = command
        .status()
        .map_err(|error| CommandError::refused("!", IoCause(&error)))?;
    match status.success() {
        true => Ok(()),
        false => Err(CommandError::refused("!", status)),
    }
}

fn local_error(path: &Path, error: &std::io::Error) -> CommandError {
    CommandError::refused(escape_path(path), IoCause(error))
}
