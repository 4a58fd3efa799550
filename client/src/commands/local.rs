//! Implements the commands on this machine: lcd, lpwd, ldir, and `!`, the local shell.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process;

use skiff_sessions::wire::reply::{Facts, Kind};

use super::spec::ParsedArgs;
use crate::net::command_error::{CommandError, CommandResult};
use crate::net::session::Session;
use crate::terminal::format::{IoCause, escape_path, format_entry};
use crate::terminal::output::print_line;
use crate::transfer::local_file;

/// `lcd`: changes the local directory, to the home without an argument.
pub(crate) fn lcd(session: &mut Session, args: &ParsedArgs) -> CommandResult {
    let home = std::env::home_dir();
    let to = match args.words.first() {
        Some(word) => word.as_local_path(),
        None => home
            .as_deref()
            .ok_or_else(|| CommandError::refused("lcd", "HOME is not set; name a directory"))?,
    };
    std::env::set_current_dir(to).map_err(|error| local_error(to, &error))?;
    lpwd(session, args)
}

/// `lpwd`: prints the local directory.
pub(crate) fn lpwd(_: &mut Session, _: &ParsedArgs) -> CommandResult {
    let here = std::env::current_dir().map_err(|error| local_error(Path::new("."), &error))?;
    print_line(escape_path(&here));
    Ok(())
}

/// `ldir`: prints the entries of a local directory.
pub(crate) fn ldir(_: &mut Session, args: &ParsedArgs) -> CommandResult {
    let path = args
        .words
        .first()
        .map_or_else(|| Path::new("."), |word| word.as_local_path());
    let entries = match path.is_dir() {
        true => std::fs::read_dir(path).map_err(|error| local_error(path, &error))?,
        false => return print_entry(path, path.as_os_str().as_bytes()),
    };
    let mut names = Vec::new();
    for entry in entries {
        names.push(
            entry
                .map_err(|error| local_error(path, &error))?
                .file_name(),
        );
    }
    names.sort_unstable();
    for name in names {
        // The entry may have been deleted meanwhile.
        let _ = print_entry(&path.join(&name), name.as_bytes());
    }
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

/// Prints one line of a local listing.
fn print_entry(path: &Path, name: &[u8]) -> CommandResult {
    let found = std::fs::symlink_metadata(path).map_err(|error| local_error(path, &error))?;
    let kind = match found.file_type() {
        kind if kind.is_file() => Kind::File,
        kind if kind.is_dir() => Kind::Directory,
        kind if kind.is_symlink() => Kind::Link,
        _ => Kind::Other,
    };
    let mode = Some(std::os::unix::fs::MetadataExt::mode(&found));
    let facts = Facts {
        kind,
        size: found.len(),
        modified: local_file::modified_at(&found),
        mode,
    };
    print_line(format_entry(name, &facts));
    Ok(())
}

fn local_error(path: &Path, error: &std::io::Error) -> CommandError {
    CommandError::refused(escape_path(path), IoCause(error))
}
