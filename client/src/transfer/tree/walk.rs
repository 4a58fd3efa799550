//! Walks a directory tree at the server. Links are told, never followed, and a tree without an end
//! is given up.

use skiff_sessions::path::PathArg;
use skiff_sessions::wire::command::Command;
use skiff_sessions::wire::reply::{Facts, Kind};

use super::bounds::join_remote;
use crate::net::command_error::{CommandError, CommandResult};
use crate::net::listing::{Listed, is_single_name};
use crate::net::session::Session;
use crate::terminal::format::escape_name;

/// The most bytes of paths of directories that wait to be walked: a server whose directories hold
/// ever more directories has no end.
const PENDING_BYTES_MAX: usize = 16 << 20;

/// The most entries of a tree.
const ENTRIES_MAX: u64 = 10_000_000;

/// Calls `visit` for each entry below `root`: those of one directory in the order of their names,
/// and a directory before what is in it.
///
/// # Errors
///
/// `Refused` where something could not be listed, or the tree seems to have no end.
pub(crate) fn walk(
    session: &mut Session,
    root: PathArg,
    mut visit: impl FnMut(&PathArg, &Facts) -> CommandResult,
) -> CommandResult {
    let mut pending_bytes = 0;
    let mut entries = 0;
    let mut pending = vec![root];
    while let Some(folder) = pending.pop() {
        let listed = list(session, &folder)?;
        let behind = pending.len();
        for (name, facts) in listed {
            let path = join_remote(Some(&folder), &name)?;
            visit(&path, &facts)?;
            entries += 1;
            if facts.kind == Kind::Directory {
                pending_bytes += bytes(&path);
                pending.push(path);
            }
        }
        // The stack gives them back in the order of their names.
        pending[behind..].reverse();
        pending_bytes = pending_bytes.saturating_sub(bytes(&folder));
        if pending_bytes > PENDING_BYTES_MAX || entries > ENTRIES_MAX {
            return Err(CommandError::refused(
                escape_name(folder.as_bytes()),
                "more is there than is kept in mind here; name its parts",
            ));
        }
    }
    Ok(())
}

/// What a path takes in memory, about.
fn bytes(path: &PathArg) -> usize {
    path.as_bytes().len() + size_of::<PathArg>()
}

/// Lists a directory, sorted by name.
///
/// # Errors
///
/// `Refused` where entries are hidden, or a name would lead elsewhere.
pub(crate) fn list(
    session: &mut Session,
    folder: &PathArg,
) -> Result<Vec<(Vec<u8>, Facts)>, CommandError> {
    let mut entries = Vec::new();
    let command = Command::list(Some(folder.clone()));
    let ended = session.list_to_keep(folder.as_bytes(), command, |part| match part {
        Listed::Entry(name, facts) => entries.push((name.to_vec(), *facts)),
        Listed::Anew => entries.clear(),
    })?;
    let refused = |why: String| Err(CommandError::refused(escape_name(folder.as_bytes()), why));
    if let Some(hidden) = ended.hidden.filter(|&hidden| hidden > 0) {
        return refused(format!("the server could not list {hidden} of its entries"));
    }
    if let Some((odd, _)) = entries.iter().find(|(name, _)| !is_single_name(name)) {
        let odd = escape_name(odd);
        return refused(format!("the server lists a name that is none: {odd}"));
    }
    entries.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
    Ok(entries)
}
