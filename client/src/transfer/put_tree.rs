//! Uploads a directory tree (`put -r`): makes directories as it meets them, and compares files that
//! exist at the server.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use skiff_sessions::path::PathArg;
use skiff_sessions::wire::command::{Command, Replace, Turn};
use skiff_sessions::wire::native::causes::Cause;
use skiff_sessions::wire::reply::{Facts, Kind};

use super::file::{FileUpload, upload_file};
use super::local_walk::{LocalKind, LocalSum, local_kind, local_names};
use super::policy::{Overwrite, Resume, TransferPolicy};
use super::tree::{Level, SMALL_FILE_MAX, join_remote};
use super::tree_summary::TreeSummary;
use crate::net::changes;
use crate::net::command_error::{CommandError, CommandResult};
use crate::net::listing::Listed;
use crate::net::session::Session;
use crate::terminal::format::{IoCause, escape_path};

/// What is known of a directory at the server before it is listed.
enum RemoteState {
    Unknown,
    /// The listing of its parent does not have it.
    Absent,
}

/// The entries of a directory at the server, by name.
type RemoteEntries = HashMap<Vec<u8>, Facts>;

/// Uploads directory `from` as `to`. Symbolic links to directories are not followed, so every walk
/// ends. A file that fails is counted in `summary`; an error ends the walk. Files at the server that
/// differ are replaced where `overwrite` says so; nobody is asked.
pub(crate) fn upload_tree(
    session: &mut Session,
    from: &Path,
    to: PathArg,
    overwrite: Overwrite,
    summary: &mut TreeSummary,
) -> CommandResult {
    let policy = TransferPolicy {
        resume: Resume::Always,
        overwrite,
    };
    let _sum = LocalSum::begin(from, summary.found());
    let mut pending = vec![(
        Level {
            from: from.to_owned(),
            to,
            depth: 0,
        },
        RemoteState::Unknown,
    )];
    while let Some((level, remote_state)) = pending.pop() {
        let remote_entries = match remote_state {
            RemoteState::Absent => make_directory(session, &level.to),
            RemoteState::Unknown => list_or_make_directory(session, &level.to),
        };
        let remote_entries = match remote_entries {
            Ok(remote_entries) => remote_entries,
            Err(CommandError::Refused(why)) => {
                summary.add_failure(why);
                continue;
            }
            Err(other) => return Err(other),
        };
        for name in names_to_send(&level.from, summary) {
            let path = level.from.join(&name);
            let Ok(to) = join_remote(Some(&level.to), name.as_bytes()) else {
                summary.add_failure(format_args!(
                    "{}: a name like this cannot be sent",
                    escape_path(&path)
                ));
                continue;
            };
            let facts = remote_entries.get(name.as_bytes());
            match local_kind(&path) {
                LocalKind::LinkToDirectory => {
                    let why = "a link to a directory, not followed";
                    summary.add_skipped(escape_path(&path), why);
                }
                LocalKind::Directory => {
                    let remote_state = match facts {
                        Some(_) => RemoteState::Unknown,
                        None => RemoteState::Absent,
                    };
                    let level = Level {
                        from: path,
                        to,
                        depth: level.depth + 1,
                    };
                    pending.push((level, remote_state));
                }
                LocalKind::File => upload_one(session, &path, to, facts, policy, summary)?,
            }
        }
    }
    Ok(())
}

/// Returns the names in a folder; one that cannot be read is counted in `summary`.
fn names_to_send(folder: &Path, summary: &mut TreeSummary) -> Vec<OsString> {
    local_names(folder).unwrap_or_else(|error| {
        let folder = escape_path(folder);
        summary.add_failure(format_args!("{folder}: {}", IoCause(&error)));
        Vec::new()
    })
}

/// Uploads one file; `remote` are the facts of what has the name at the server.
fn upload_one(
    session: &mut Session,
    from: &Path,
    to: PathArg,
    remote: Option<&Facts>,
    policy: TransferPolicy,
    summary: &mut TreeSummary,
) -> CommandResult {
    // If this fails then opening the file fails as well, with the message.
    let size = fs::metadata(from).map_or(0, |found| found.len());
    let is_small = size <= SMALL_FILE_MAX;
    let straight = remote.is_none() && is_small;
    let remote = match remote {
        // The upload replaces what the link leads to.
        Some(facts) if facts.kind == Kind::Link => {
            session.request(Command::Facts(to.clone()))?.facts
        }
        other => other.copied(),
    };
    // Where the sizes are equal the digests are compared first.
    let replace = match (remote, policy.overwrite) {
        (Some(facts), _) if facts.kind != Kind::File || facts.size == size => Replace::Never,
        (None, _) => Replace::Never,
        (Some(_), Overwrite::Always) => Replace::Yes,
        (Some(_), Overwrite::Ask | Overwrite::Never) => {
            summary.add_left(escape_path(from));
            summary.end_file(size);
            return Ok(());
        }
    };
    let turn = match straight {
        true => Turn::Skipped,
        false => Turn::Negotiate,
    };
    let sent = upload_file(
        session,
        FileUpload {
            from,
            to,
            policy,
            replace,
            turn,
            place: summary.place(),
        },
    );
    summary.add(sent)?;
    summary.end_file(size);
    Ok(())
}

/// Makes a directory at the server; it has no entries.
fn make_directory(session: &mut Session, path: &PathArg) -> Result<RemoteEntries, CommandError> {
    changes::make_directory(session, path)?.or_refused(path.as_bytes())?;
    Ok(RemoteEntries::new())
}

/// Lists a directory at the server, or makes it where it does not exist.
fn list_or_make_directory(
    session: &mut Session,
    path: &PathArg,
) -> Result<RemoteEntries, CommandError> {
    if session.request(Command::Facts(path.clone()))?.why == Some(Cause::NotFound) {
        return make_directory(session, path);
    }
    let mut remote_entries = RemoteEntries::new();
    let list = Command::list(Some(path.clone()));
    session.list_to_keep(path.as_bytes(), list, |part| match part {
        Listed::Entry(name, facts) => {
            remote_entries.insert(name.to_vec(), *facts);
        }
        Listed::Anew => remote_entries.clear(),
    })?;
    Ok(remote_entries)
}
