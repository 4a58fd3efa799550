//! Downloads a directory tree (`get -r`): requests small files ahead, and syncs all of them at the
//! end. A link to a file is fetched as that file; a link to a directory is not followed.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use skiff_sessions::client::{CommandTiming, LocalCopy};
use skiff_sessions::path::PathArg;
use skiff_sessions::wire::command::{Command, Retrieve, Turn};
use skiff_sessions::wire::native::causes::Cause;
use skiff_sessions::wire::reply::{Facts, Kind};
use skiff_sessions::wire::stamp::Stamp;

use super::destination::{Destination, FileTarget};
use super::file::{FileDownload, download_file};
use super::local_file::SyncPolicy;
use super::part::part_path;
use super::policy::{Overwrite, Resume, TransferPolicy};
use super::tree::{DEPTH_MAX, Level, SMALL_FILE_MAX, WalkBounds, join_remote};
use super::tree_summary::TreeSummary;
use crate::net::command_error::{CommandError, CommandResult};
use crate::net::listing::{Listed, is_single_name};
use crate::net::session::Session;
use crate::terminal::format::{escape_name, escape_path, format_reply};
use crate::terminal::interrupt::Interrupt;
use crate::terminal::progress::ProgressStyle;

/// How many files are requested before the answer to the first is read.
const REQUESTED_AHEAD_MAX: usize = 16;

/// How many files of a directory are planned before they are fetched, so that a long listing is not
/// kept twice.
const PLANNED_MAX: usize = 1024;

/// A time that no file has: equal size and time do not prove equality in a tree, so that the
/// digests are compared.
const UNKNOWN_TIME: Stamp = Stamp(i64::MIN);

/// Downloads directory `from` into `to`, level by level. Links to directories are not followed, so
/// every walk ends. A file that fails is counted in `summary`; an error ends the walk. Files here
/// that differ are replaced where `overwrite` says so; nobody is asked.
pub(crate) fn download_tree(
    session: &mut Session,
    from: PathArg,
    to: &Path,
    overwrite: Overwrite,
    summary: &mut TreeSummary,
) -> CommandResult {
    let style = session.progress_style;
    let mut pending = vec![Level {
        from,
        to: to.to_owned(),
        depth: 0,
    }];
    let mut bounds = WalkBounds::default();
    while let Some(level) = pending.pop() {
        bounds.leave(&level);
        if level.depth > DEPTH_MAX {
            let name = escape_name(level.from.as_bytes());
            summary.add_failure(format_args!("{name}: deeper than {DEPTH_MAX}, not fetched"));
            continue;
        }
        if let Err(error) = fs::create_dir_all(&level.to) {
            summary.add_failure(format_args!("{}: {error}", escape_path(&level.to)));
            continue;
        }
        let mut files = Vec::new();
        let planner = Planner {
            names: LocalNames::read(&level.to),
            overwrite,
            style,
        };
        for (name, facts) in list_entries(session, &level.from, summary)? {
            let from = join_remote(Some(&level.from), &name)?;
            let to = level.to.join(OsStr::from_bytes(&name));
            bounds.meet().map_err(CommandError::Refused)?;
            if files.len() == PLANNED_MAX {
                download_files(session, std::mem::take(&mut files), summary)?;
            }
            match facts.kind {
                Kind::Directory => {
                    let depth = level.depth + 1;
                    let level = Level { from, to, depth };
                    bounds.enter(&level).map_err(CommandError::Refused)?;
                    pending.push(level);
                }
                Kind::File => {
                    files.extend(planner.plan(from, to, &facts, summary));
                }
                Kind::Link => {
                    if let Some(facts) = look_behind_link(session, &from, summary)? {
                        files.extend(planner.plan(from, to, &facts, summary));
                    }
                }
                Kind::Other => {
                    summary.add_failure(format_args!(
                        "{}: neither a file nor a directory",
                        escape_name(from.as_bytes())
                    ));
                }
            }
        }
        download_files(session, files, summary)?;
    }
    Ok(())
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

/// Syncs the file system that holds `to`, before the tree is reported as stored (syncfs(2)).
///
/// # Errors
///
/// `Stopped` after Ctrl-C: a slow disk may take minutes.
pub(crate) fn sync_file_system(
    to: &Path,
    interrupt: &Interrupt,
    summary: &mut TreeSummary,
) -> CommandResult {
    let folder = to.to_owned();
    let sync = move || File::open(folder).and_then(|folder| Ok(rustix::fs::syncfs(&folder)?));
    let to = escape_path(to);
    match interrupt.unless_stopped(sync) {
        Some(Ok(())) => Ok(()),
        Some(Err(error)) => {
            summary.add_failure(format_args!("{to}: {error}"));
            Ok(())
        }
        None => Err(CommandError::Stopped(format!(
            "{to}: stopped; get it again to go on"
        ))),
    }
}

/// Downloads the files of one directory.
fn download_files(
    session: &mut Session,
    files: Vec<FileDownload>,
    summary: &mut TreeSummary,
) -> CommandResult {
    let paths: Vec<_> = files
        .iter()
        .map(|file| (file.path.clone(), file.turn))
        .collect();
    // Files before this index have been requested.
    let mut requested = 0;
    let mut connection = session.connections;
    for (index, mut file) in files.into_iter().enumerate() {
        if session.connections != connection {
            // What was requested on the lost one is not answered on this one.
            connection = session.connections;
            requested = index;
        }
        requested = requested.max(index);
        if requested < index + REQUESTED_AHEAD_MAX / 2 {
            requested += request_ahead(
                session,
                &paths[requested..paths.len().min(index + REQUESTED_AHEAD_MAX)],
            );
        }
        file.command = if index < requested {
            CommandTiming::SentAhead
        } else {
            CommandTiming::Now
        };
        if file.style != ProgressStyle::Hidden {
            summary.clear_spinner();
        }
        let downloaded = download_file(session, file);
        if matches!(downloaded, Err(CommandError::Local(_))) {
            requested = index + 1;
        }
        summary.add(downloaded)?;
    }
    Ok(())
}

/// Requests the files that need no turn, up to the first that needs one, and returns how many these
/// are.
fn request_ahead(session: &mut Session, files: &[(PathArg, Turn)]) -> usize {
    let straight = files.iter().take_while(|(_, turn)| *turn == Turn::Skipped);
    let digest = session.digest;
    let commands = straight.map(|(path, turn)| {
        Command::Retrieve(Retrieve {
            path: path.clone(),
            digest,
            turn: *turn,
        })
    });
    commands.map(|command| session.send_ahead(&command)).count()
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

/// The names in a local directory, read once, so that most files need no stat(2).
struct LocalNames {
    names: HashSet<OsString>,
}

impl LocalNames {
    fn read(folder: &Path) -> Self {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        Self {
            names: entries.map(|entry| entry.file_name()).collect(),
        }
    }

    fn contains(&self, path: &Path) -> bool {
        path.file_name()
            .is_some_and(|name| self.names.contains(name))
    }
}

/// Decides how the files of one directory are downloaded.
struct Planner {
    names: LocalNames,
    overwrite: Overwrite,
    style: ProgressStyle,
}

impl Planner {
    /// Decides how a file is downloaded: straight away where it is small and nothing like it is
    /// here. `None` where it is not, which is counted in `summary`.
    fn plan(
        &self,
        path: PathArg,
        to: PathBuf,
        facts: &Facts,
        summary: &mut TreeSummary,
    ) -> Option<FileDownload> {
        let target = match self.find_target(&to) {
            Ok(target) => target,
            Err(error) => {
                summary.add_failure(format_args!("{}: {error}", escape_path(&to)));
                return None;
            }
        };
        let mut local = match &target {
            Some(target) => target.local_copy(),
            None => LocalCopy::default(),
        };
        local.whole = local.whole.map(|(size, _)| (size, UNKNOWN_TIME));
        let is_size_of = |(size, _)| size == facts.size;
        if self.overwrite != Overwrite::Always && local.whole.is_some_and(|it| !is_size_of(it)) {
            summary.add_left(escape_path(&to));
            return None;
        }
        let may_be_here = local.part > 0 || local.whole.is_some_and(is_size_of);
        let is_small = facts.size <= SMALL_FILE_MAX;
        let turn = match is_small && !may_be_here {
            true => Turn::Skipped,
            false => Turn::Negotiate,
        };
        Some(FileDownload {
            path,
            destination: Destination::File(target.unwrap_or_else(|| FileTarget::free(to.clone()))),
            to,
            local,
            turn,
            command: CommandTiming::Now,
            policy: TransferPolicy {
                resume: Resume::Always,
                overwrite: self.overwrite,
            },
            sync: SyncPolicy::AtEnd,
            style: match is_small {
                true => ProgressStyle::Hidden,
                false => self.style,
            },
        })
    }

    /// Returns what has the name `to` or its part; `None` where nothing has.
    fn find_target(&self, to: &Path) -> io::Result<Option<FileTarget>> {
        if !self.names.contains(to) && !self.names.contains(&part_path(to)) {
            return Ok(None);
        }
        match Destination::find(to)? {
            Destination::File(target) => Ok(Some(target)),
            // Bytes are sent to a device only where it is named itself.
            Destination::Stream(_) => Err(io::Error::other("not a regular file, left as it is")),
        }
    }
}
