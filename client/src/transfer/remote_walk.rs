//! Walks a tree at the server ahead of its download, so that its sum is known, and makes the
//! directories of it here.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use skiff_sessions::path::PathArg;
use skiff_sessions::wire::command::Command;
use skiff_sessions::wire::native::causes::Cause;
use skiff_sessions::wire::reply::{Facts, Kind};

use super::tree::{DEPTH_MAX, Level, WalkBounds, join_remote};
use super::tree_summary::TreeSummary;
use crate::net::command_error::{CommandError, CommandResult};
use crate::net::listing::{Listed, is_single_name};
use crate::net::session::Session;
use crate::terminal::format::{IoCause, escape_name, escape_path, format_reply};

/// How far the walk goes ahead, in bytes of what it keeps in memory: enough for the sum of most
/// trees.
const AHEAD_BYTES_MAX: usize = 4 << 20;

/// A file that is to be fetched.
pub(crate) struct FoundFile {
    pub(crate) from: PathArg,
    pub(crate) to: PathBuf,
    pub(crate) facts: Facts,
}

/// The files of one directory, and the directory here.
pub(crate) struct FoundFolder {
    pub(crate) to: PathBuf,
    pub(crate) files: Vec<FoundFile>,
}

/// A walk that is under way.
pub(crate) struct RemoteWalk {
    /// Directories that were not listed yet.
    pending: Vec<Level<PathArg, PathBuf>>,
    bounds: WalkBounds,
    /// Directories that were listed, and whose files were not fetched yet.
    found: VecDeque<FoundFolder>,
    found_bytes: usize,
    /// Why the rest is not walked.
    refusal: Option<String>,
}

impl RemoteWalk {
    pub(crate) fn begin(from: PathArg, to: PathBuf) -> Self {
        Self {
            pending: vec![Level { from, to, depth: 0 }],
            bounds: WalkBounds::default(),
            found: VecDeque::new(),
            found_bytes: 0,
            refusal: None,
        }
    }

    /// Returns the next directory, after a look ahead; `None` at the end. What cannot be walked is
    /// counted in `summary`.
    ///
    /// # Errors
    ///
    /// Errors that end the walk: Ctrl-C, a lost connection, a tree that has no end.
    pub(crate) fn next(
        &mut self,
        session: &mut Session,
        summary: &mut TreeSummary,
    ) -> Result<Option<FoundFolder>, CommandError> {
        while self.found_bytes < AHEAD_BYTES_MAX
            && self.refusal.is_none()
            && let Some(level) = self.pending.pop()
        {
            self.bounds.leave(&level);
            self.look_into(level, session, summary)?;
        }
        if self.pending.is_empty() || self.refusal.is_some() {
            summary.found().end();
        }
        match (self.found.pop_front(), self.refusal.take()) {
            (Some(folder), refusal) => {
                self.refusal = refusal;
                self.found_bytes -= folder.memory();
                Ok(Some(folder))
            }
            (None, Some(why)) => Err(CommandError::Refused(why)),
            (None, None) => Ok(None),
        }
    }

    /// Makes one directory here and lists its counterpart.
    fn look_into(
        &mut self,
        level: Level<PathArg, PathBuf>,
        session: &mut Session,
        summary: &mut TreeSummary,
    ) -> CommandResult {
        if level.depth > DEPTH_MAX {
            let name = escape_name(level.from.as_bytes());
            summary.add_failure(format_args!("{name}: deeper than {DEPTH_MAX}, not fetched"));
            return Ok(());
        }
        if let Err(error) = fs::create_dir_all(&level.to) {
            let to = escape_path(&level.to);
            summary.add_failure(format_args!("{to}: {}", IoCause(&error)));
            return Ok(());
        }
        let entries = list_entries(session, &level.from, summary)?;
        let mut folder = FoundFolder {
            to: level.to.clone(),
            files: Vec::new(),
        };
        for (name, facts) in entries {
            if let Err(why) = self.bounds.meet() {
                self.refusal = Some(why);
                break;
            }
            let from = join_remote(Some(&level.from), &name)?;
            let to = level.to.join(OsStr::from_bytes(&name));
            let facts = match facts.kind {
                Kind::Directory => {
                    let depth = level.depth + 1;
                    self.enter(Level { from, to, depth });
                    continue;
                }
                Kind::File => Some(facts),
                Kind::Link => look_behind_link(session, &from, summary)?,
                Kind::Other => {
                    let name = escape_name(from.as_bytes());
                    summary.add_failure(format_args!("{name}: neither a file nor a directory"));
                    None
                }
            };
            if let Some(facts) = facts {
                summary.found().add(facts.size);
                folder.files.push(FoundFile { from, to, facts });
            }
        }
        self.found_bytes += folder.memory();
        self.found.push_back(folder);
        Ok(())
    }

    fn enter(&mut self, level: Level<PathArg, PathBuf>) {
        match self.bounds.enter(&level) {
            Ok(()) => self.pending.push(level),
            Err(why) => self.refusal = Some(why),
        }
    }
}

impl FoundFolder {
    /// What it takes in memory, about.
    fn memory(&self) -> usize {
        let of_file = |file: &FoundFile| {
            size_of_val(file) + file.from.as_bytes().len() + file.to.as_os_str().len()
        };
        size_of_val(self) + self.files.iter().map(of_file).sum::<usize>()
    }
}

/// Asks for the facts of the file that a link leads to. `None` where it leads to something else,
/// which is counted as skipped.
fn look_behind_link(
    session: &mut Session,
    link: &PathArg,
    summary: &mut TreeSummary,
) -> Result<Option<Facts>, CommandError> {
    let found = session.request(Command::Facts(link.clone()))?;
    match found.facts {
        Some(facts) if facts.kind == Kind::File => return Ok(Some(facts)),
        Some(facts) if facts.kind == Kind::Directory => {
            summary.add_skipped(
                escape_name(link.as_bytes()),
                "a link to a directory, not followed",
            );
        }
        Some(_) => summary.add_skipped(
            escape_name(link.as_bytes()),
            "a link to neither a file nor a directory",
        ),
        None if matches!(found.why, Some(Cause::NotFound | Cause::OutsideHome)) => {
            summary.add_skipped(
                escape_name(link.as_bytes()),
                format_args!("a link: {}", format_reply(&found)),
            );
        }
        None => {
            let link = escape_name(link.as_bytes());
            summary.add_failure(format_args!("{link}: a link: {}", format_reply(&found)));
        }
    }
    Ok(None)
}

/// Lists a directory at the server, sorted by name. Names that are no single path component are
/// refused.
fn list_entries(
    session: &mut Session,
    path: &PathArg,
    summary: &mut TreeSummary,
) -> Result<Vec<(Vec<u8>, Facts)>, CommandError> {
    let mut entries = Vec::new();
    let mut refused = Vec::new();
    let list = Command::list(Some(path.clone()));
    let listed = session.list_to_keep(path.as_bytes(), list, |part| match part {
        Listed::Entry(name, facts) if is_single_name(name) => {
            entries.push((name.to_vec(), *facts));
        }
        Listed::Entry(name, _) => refused.push(escape_name(name)),
        Listed::Anew => {
            entries.clear();
            refused.clear();
        }
    });
    match listed {
        Ok(ended) => summary.add_hidden(path.as_bytes(), ended.hidden.unwrap_or_default()),
        // What came before the refusal is no listing.
        Err(CommandError::Refused(why)) => {
            summary.add_failure(why);
            return Ok(Vec::new());
        }
        Err(other) => return Err(other),
    }
    for name in refused {
        summary.add_failure(format_args!(
            "{name}: a name like this is no name here, refused"
        ));
    }
    entries.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
    Ok(entries)
}
