//! Downloads a directory tree (`get -r`): requests small files ahead, and syncs all of them at the
//! end. A link to a file is fetched as that file; a link to a directory is not followed.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::Path;

use skiff_sessions::client::{CommandTiming, LocalCopy};
use skiff_sessions::path::PathArg;
use skiff_sessions::wire::command::{Command, Retrieve, Turn};
use skiff_sessions::wire::stamp::Stamp;

use super::destination::{Destination, FileTarget};
use super::file::{FileDownload, download_file};
use super::local_file::SyncPolicy;
use super::part::part_path;
use super::policy::{Overwrite, Resume, TransferPolicy};
use super::remote_walk::{FoundFile, RemoteWalk};
use super::tree::SMALL_FILE_MAX;
use super::tree_summary::TreeSummary;
use crate::net::command_error::{CommandError, CommandResult};
use crate::net::session::Session;
use crate::terminal::format::{IoCause, escape_path};
use crate::terminal::interrupt::Interrupt;
use crate::terminal::progress::ProgressPlace;

/// How many files are requested before the answer to the first is read.
const REQUESTED_AHEAD_MAX: usize = 16;

/// How many files of a directory are planned before they are fetched, so that a long listing is not
/// kept twice.
const PLANNED_MAX: usize = 1024;

/// A time that no file has: equal size and time do not prove equality in a tree, so that the
/// digests are compared.
const UNKNOWN_TIME: Stamp = Stamp(i64::MIN);

/// Downloads directory `from` into `to`, one directory after another. Links to directories are not followed, so
/// every walk ends. A file that fails is counted in `summary`; an error ends the walk. Files here
/// that differ are replaced where `overwrite` says so; nobody is asked.
pub(crate) fn download_tree(
    session: &mut Session,
    from: PathArg,
    to: &Path,
    overwrite: Overwrite,
    summary: &mut TreeSummary,
) -> CommandResult {
    let mut walk = RemoteWalk::begin(from, to.to_owned());
    while let Some(folder) = walk.next(session, summary)? {
        let planner = Planner {
            names: LocalNames::read(&folder.to),
            overwrite,
            place: summary.place(),
        };
        let mut files = Vec::new();
        for file in folder.files {
            let size = file.facts.size;
            match planner.plan(file, summary) {
                Some(planned) => files.push(planned),
                None => summary.end_file(size),
            }
            if files.len() == PLANNED_MAX {
                download_files(session, std::mem::take(&mut files), summary)?;
            }
        }
        download_files(session, files, summary)?;
    }
    Ok(())
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
            summary.add_failure(format_args!("{to}: {}", IoCause(&error)));
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
    files: Vec<PlannedFile>,
    summary: &mut TreeSummary,
) -> CommandResult {
    let paths: Vec<_> = files
        .iter()
        .map(|file| (file.order.path.clone(), file.order.turn))
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
        file.order.command = if index < requested {
            CommandTiming::SentAhead
        } else {
            CommandTiming::Now
        };
        let size = file.size;
        let downloaded = download_file(session, file.order);
        if matches!(downloaded, Err(CommandError::Local(_))) {
            requested = index + 1;
        }
        summary.add(downloaded)?;
        summary.end_file(size);
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
    place: ProgressPlace,
}

/// A file, how it is downloaded, and what the server says of its size.
struct PlannedFile {
    size: u64,
    order: FileDownload,
}

impl Planner {
    /// Decides how a file is downloaded: straight away where it is small and nothing like it is
    /// here. `None` where it is not, which is counted in `summary`.
    fn plan(&self, file: FoundFile, summary: &mut TreeSummary) -> Option<PlannedFile> {
        let FoundFile { from, to, facts } = file;
        let target = match self.find_target(&to) {
            Ok(target) => target,
            Err(error) => {
                let to = escape_path(&to);
                summary.add_failure(format_args!("{to}: {}", IoCause(&error)));
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
        let turn = match facts.size <= SMALL_FILE_MAX && !may_be_here {
            true => Turn::Skipped,
            false => Turn::Negotiate,
        };
        let order = FileDownload {
            path: from,
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
            place: self.place.clone(),
        };
        Some(PlannedFile {
            size: facts.size,
            order,
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
