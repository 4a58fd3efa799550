//! Deletes a directory tree at the server: counts it first, then deletes from its leaves up. Links
//! are deleted, never followed.

use skiff_sessions::path::PathArg;
use skiff_sessions::wire::reply::Kind;

use super::bounds::join_remote;
use super::requests::delete_all;
use super::walk::{list, walk};
use crate::net::changes;
use crate::net::command_error::{CommandError, CommandResult};
use crate::net::session::Session;
use crate::terminal::format::escape_name;
use crate::terminal::output::print_error;

/// The most bytes of paths of directories that are kept: a server whose directories hold ever more
/// directories has no end.
const PATHS_MAX: usize = 16 << 20;

/// What stands under some names at the server.
#[derive(Default)]
pub(crate) struct Doomed {
    /// Files and links that were named.
    named: Vec<PathArg>,
    /// Directories, each behind the one that it is in.
    directories: Vec<PathArg>,
    /// What else is in the directories.
    inside: u64,
    path_bytes: usize,
}

/// What was deleted, and how much of it failed.
#[derive(Default)]
pub(crate) struct Deleted {
    pub(crate) files: u64,
    pub(crate) directories: u64,
    pub(crate) failed: u64,
}

impl Doomed {
    /// Adds a file, or a link wherever it leads.
    pub(crate) fn add_file(&mut self, path: PathArg) -> CommandResult {
        self.count_path(&path)?;
        self.named.push(path);
        Ok(())
    }

    /// Adds a directory and all that is in it.
    pub(crate) fn add_directory(&mut self, session: &mut Session, path: PathArg) -> CommandResult {
        self.count_path(&path)?;
        self.directories.push(path.clone());
        walk(session, path, |path, facts| {
            if facts.kind == Kind::Directory {
                self.count_path(path)?;
                self.directories.push(path.clone());
            } else {
                self.inside += 1;
            }
            Ok(())
        })
    }

    /// Files and links.
    pub(crate) fn files(&self) -> u64 {
        self.named.len() as u64 + self.inside
    }

    pub(crate) fn directories(&self) -> u64 {
        self.directories.len() as u64
    }

    fn count_path(&mut self, path: &PathArg) -> CommandResult {
        self.path_bytes += path.as_bytes().len() + size_of::<PathArg>();
        match self.path_bytes <= PATHS_MAX {
            true => Ok(()),
            false => Err(CommandError::refused(
                escape_name(path.as_bytes()),
                "more directories than are kept in mind here; nothing was deleted",
            )),
        }
    }

    /// Deletes all of it. What fails is told, and counted in `deleted`; an error ends it.
    pub(crate) fn delete(self, session: &mut Session, deleted: &mut Deleted) -> CommandResult {
        delete_files(session, &self.named, deleted)?;
        for folder in self.directories.into_iter().rev() {
            let entries = match list(session, &folder) {
                Ok(entries) => entries,
                Err(CommandError::Refused(why)) => {
                    deleted.fail(why);
                    continue;
                }
                Err(other) => return Err(other),
            };
            // A directory that is still here could not be deleted, or came meanwhile.
            let files = entries
                .iter()
                .filter(|(_, facts)| facts.kind != Kind::Directory)
                .map(|(name, _)| join_remote(Some(&folder), name))
                .collect::<Result<Vec<_>, _>>()?;
            delete_files(session, &files, deleted)?;
            deleted.directories += u64::from(delete(session, &folder, deleted)?);
        }
        Ok(())
    }
}

impl Deleted {
    fn fail(&mut self, why: String) {
        print_error(why);
        self.failed += 1;
    }
}

/// Deletes files and links.
fn delete_files(session: &mut Session, paths: &[PathArg], deleted: &mut Deleted) -> CommandResult {
    delete_all(session, paths, |ended| {
        match ended {
            Ok(()) => deleted.files += 1,
            Err(CommandError::Refused(why)) => deleted.fail(why),
            Err(other) => return Err(other),
        }
        Ok(())
    })
}

/// Deletes one directory; false where that failed.
fn delete(
    session: &mut Session,
    path: &PathArg,
    deleted: &mut Deleted,
) -> Result<bool, CommandError> {
    let gone = changes::delete(session, path).and_then(|gone| gone.or_refused(path.as_bytes()));
    match gone {
        Ok(_) => Ok(true),
        Err(CommandError::Refused(why)) => {
            deleted.fail(why);
            Ok(false)
        }
        Err(other) => Err(other),
    }
}
