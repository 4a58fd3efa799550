//! Implements `edit`: fetches a file into a private folder, lets the user's editor change it there,
//! and puts it back, unless the one at the server changed meanwhile.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process;

use skiff_sessions::client::{CommandTiming, LocalCopy};
use skiff_sessions::digest::{Algorithm, Sum};
use skiff_sessions::path::PathArg;
use skiff_sessions::wire::command::{Command, Replace, Turn};

use super::spec::ParsedArgs;
use super::targets::remote_path;
use crate::net::command_error::{CommandError, CommandResult};
use crate::net::login::random_bytes;
use crate::net::session::Session;
use crate::terminal::format::{IoCause, escape_name, escape_path};
use crate::terminal::output::print_line;
use crate::terminal::progress::ProgressPlace;
use crate::transfer::destination::Destination;
use crate::transfer::file::{FileDownload, FileUpload, download_file, upload_file};
use crate::transfer::local_file::SyncPolicy;
use crate::transfer::policy::{Overwrite, Resume, TransferPolicy};

/// The largest file that is edited; its digest is made of the whole in memory.
const SIZE_MAX: u64 = 256 << 20;

/// What may be done unasked: nothing else has the names in the private folder, and what is put back
/// was compared.
const POLICY: TransferPolicy = TransferPolicy {
    resume: Resume::Always,
    overwrite: Overwrite::Always,
};

/// `edit`: changes a file at the server with the editor of VISUAL or EDITOR.
pub(crate) fn edit(session: &mut Session, args: &ParsedArgs) -> CommandResult {
    let [word] = &args.words[..] else {
        return Ok(());
    };
    if !session.asker.can_ask() {
        return Err(CommandError::refused("edit", "an editor needs a terminal"));
    }
    let path = remote_path(word)?;
    let shown = escape_name(word.as_bytes());
    let folder =
        private_folder().map_err(|error| CommandError::refused(&shown, IoCause(&error)))?;
    let ended = edit_in(session, &path, &folder);
    // An edit that did not reach the server stays.
    let kept = |why: &str| format!("{why}; your version is kept in {}", escape_path(&folder));
    match ended {
        Ok(()) => {
            let _ = fs::remove_dir_all(&folder);
            Ok(())
        }
        Err(Ended::Before(error)) => {
            let _ = fs::remove_dir_all(&folder);
            Err(error)
        }
        Err(Ended::After(
            CommandError::Refused(why) | CommandError::Local(why) | CommandError::NoRoom(why),
        )) => Err(CommandError::Refused(kept(&why))),
        Err(Ended::After(CommandError::Stopped(why))) => Err(CommandError::Stopped(kept(&why))),
        Err(Ended::After(error)) => {
            print_line(kept("not stored"));
            Err(error)
        }
    }
}

/// Why a file was not edited.
enum Ended {
    /// Nothing was changed yet.
    Before(CommandError),
    /// There is a version here that the server has not.
    After(CommandError),
}

fn edit_in(session: &mut Session, path: &PathArg, folder: &Path) -> Result<(), Ended> {
    let shown = escape_name(path.as_bytes());
    let refused = |error: &io::Error| CommandError::refused(&shown, IoCause(error));
    let name = path.as_bytes().rsplit(|&b| b == b'/').next();
    let name = name.unwrap_or_default();
    let file = folder.join(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(name));
    fetch(session, path, &file).map_err(Ended::Before)?;
    let read = |when: fn(CommandError) -> Ended| {
        digest(&file, session.digest).map_err(|error| when(refused(&error)))
    };
    let before = read(Ended::Before)?;
    run_editor(&file).map_err(|error| Ended::Before(refused(&error)))?;
    let after = read(Ended::After)?;
    if before == after {
        print_line(format_args!("{shown}: not changed"));
        return Ok(());
    }
    put_back(session, path, &file, before).map_err(Ended::After)
}

/// Fetches the file under edit.
fn fetch(session: &mut Session, path: &PathArg, file: &Path) -> CommandResult {
    let shown = escape_name(path.as_bytes());
    let size = session
        .request_ok(path.as_bytes(), Command::Facts(path.clone()))?
        .facts
        .map_or(0, |facts| facts.size);
    if size > SIZE_MAX {
        return Err(CommandError::refused(
            shown,
            "too large to be edited; get it",
        ));
    }
    let destination = Destination::find(file);
    let order = FileDownload {
        path: path.clone(),
        to: file.to_owned(),
        destination: destination.map_err(|error| CommandError::refused(&shown, IoCause(&error)))?,
        local: LocalCopy::default(),
        turn: Turn::Negotiate,
        command: CommandTiming::Now,
        policy: POLICY,
        sync: SyncPolicy::AtEnd,
        place: ProgressPlace::Alone(session.progress_style),
    };
    download_file(session, order)?.into_line()?;
    Ok(())
}

/// Puts the edited file back if the server's is still the one that was fetched.
fn put_back(session: &mut Session, path: &PathArg, file: &Path, before: Sum) -> CommandResult {
    let command = Command::Hash {
        path: path.clone(),
        algorithm: before.algorithm(),
    };
    let now = session.request_ok(path.as_bytes(), command)?.sum;
    if now != Some(before) {
        return Err(CommandError::refused(
            escape_name(path.as_bytes()),
            "changed at the server while you edited it, and left as it is there",
        ));
    }
    let order = FileUpload {
        from: file,
        to: path.clone(),
        policy: POLICY,
        replace: Replace::Yes,
        turn: Turn::Negotiate,
        place: ProgressPlace::Alone(session.progress_style),
    };
    upload_file(session, order)?.print()
}

/// Makes a folder that nobody else may enter, with a name that nobody can foresee.
fn private_folder() -> io::Result<PathBuf> {
    let random = random_bytes::<8>().map_err(io::Error::other)?;
    let name = format!("skiff-edit-{:016x}", u64::from_be_bytes(random));
    let folder = std::env::temp_dir().join(name);
    // It fails where the name is taken, by a link as well.
    DirBuilder::new().mode(0o700).create(&folder)?;
    Ok(folder)
}

fn digest(file: &Path, algorithm: Algorithm) -> io::Result<Sum> {
    match fs::metadata(file)?.len() {
        0..=SIZE_MAX => Ok(algorithm.of(&fs::read(file)?)),
        _ => Err(io::Error::other("too large to be edited")),
    }
}

/// Runs the editor, which may have arguments of its own, as git(1) and others do.
fn run_editor(file: &Path) -> io::Result<()> {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let editor = set("VISUAL").or_else(|| set("EDITOR"));
    let editor = editor.unwrap_or_else(|| "vi".into());
    let status = process::Command::new("/bin/sh")
        .arg("-c")
        .arg(format!("{editor} \"$1\""))
        .arg("edit")
        .arg(file)
        .status()?;
    match status.success() {
        true => Ok(()),
        false => Err(io::Error::other(format!(
            "{editor}: {status}; nothing was stored"
        ))),
    }
}
