//! Downloads a directory tree: requests small files ahead, and syncs all of them at the end. Which
//! of the files are fetched is the rule's, and their digests'.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::{self, File, Metadata, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use skiff_sessions::client::{CommandTiming, LocalCopy};
use skiff_sessions::path::PathArg;
use skiff_sessions::wire::command::{Command, Retrieve, Turn};
use skiff_sessions::wire::stamp::Stamp;

use super::action::{Action, Proceed};
use super::batch::Batch;
use super::bounds::SMALL_FILE_MAX;
use super::compare::{Compared, compare};
use super::extra::{Shape, delete_here};
use super::lanes::{Lanes, with_lanes};
use super::links::get_links;
use super::remote_walk::{FoundFile, FoundFolder, LocalFolder, RemoteWalk};
use super::room;
use super::rule::{Attributes, Changed, Extra, Links, Sameness, TreeRule, Verdict, Version};
use super::summary::TreeSummary;
use crate::net::command_error::{CommandError, CommandResult};
use crate::net::session::Session;
use crate::terminal::format::{IoCause, escape_path};
use crate::terminal::interrupt::Interrupt;
use crate::terminal::progress::ProgressPlace;
use crate::transfer::destination::{Destination, FileTarget};
use crate::transfer::file::{FileDownload, FileResult, download_file};
use crate::transfer::local_file::{SyncPolicy, parent_folder, to_system_time};
use crate::transfer::part::part_path;
use crate::transfer::policy::{Overwrite, Resume, TransferPolicy};

/// How many files are requested before the answer to the first is read, and when more are.
const REQUESTED_AHEAD_MAX: usize = 16;
const REQUESTED_AHEAD_MIN: usize = 12;

/// A time that no file has: equal size and time do not prove equality in a tree, so that the
/// digests are compared.
const UNKNOWN_TIME: Stamp = Stamp(i64::MIN);

/// A file that is to be fetched.
struct GetJob {
    found: FoundFile,
    target: FileTarget,
    verdict: Verdict,
}

impl Compared for GetJob {
    fn verdict(&mut self) -> &mut Verdict {
        &mut self.verdict
    }

    fn here(&self) -> &Path {
        self.target.path()
    }

    fn there(&self) -> (PathArg, u64) {
        (self.found.from.clone(), self.found.facts.size)
    }
}

/// Downloads directory `from` into `to` over so many sessions, one directory after another. A file
/// that fails is counted in `summary`; an error ends the walk.
pub(crate) fn download_tree(
    session: &mut Session,
    from: PathArg,
    to: &Path,
    (rule, sessions): (&TreeRule, usize),
    summary: &TreeSummary,
) -> CommandResult {
    let is_new = fs::symlink_metadata(to).is_err();
    let mut walk = RemoteWalk::begin(from, to.to_owned(), rule, summary);
    let work = |session: &mut Session, jobs| fetch(session, jobs, rule, summary);
    with_lanes(session, sessions, &work, |session, lanes| {
        let mut download = TreeDownload {
            rule,
            summary,
            lanes,
            batch: Batch::default(),
        };
        let mut next = walk.next(session)?;
        if is_new && let Some(sum) = walk.whole_sum() {
            room::check_here(parent_folder(to), &escape_path(to), sum)?;
        }
        while let Some(folder) = next {
            download.fetch_folder(session, folder)?;
            next = walk.next(session)?;
        }
        download.give_batch(session)
    })?;
    walk.extras.delete_here(session, rule, summary)
}

/// Syncs the file system that holds `to`, before the tree is reported as stored (syncfs(2)).
///
/// # Errors
///
/// `Stopped` after Ctrl-C: a slow disk may take minutes.
pub(crate) fn sync_file_system(
    to: &Path,
    interrupt: &Interrupt,
    summary: &TreeSummary,
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

/// A download that is under way.
struct TreeDownload<'a> {
    rule: &'a TreeRule,
    summary: &'a TreeSummary,
    lanes: &'a Lanes<'a, GetJob>,
    batch: Batch<GetJob>,
}

impl TreeDownload<'_> {
    fn fetch_folder(&mut self, session: &mut Session, folder: FoundFolder) -> CommandResult {
        let names = match folder.here {
            LocalFolder::There => LocalNames::read(&folder.to),
            LocalFolder::New => LocalNames::default(),
        };
        get_links(session, &folder, self.rule, self.summary)?;
        let mut jobs = Vec::new();
        for found in folder.files {
            let size = found.facts.size;
            match self.judge(found, &names) {
                Ok(job) => jobs.push(job),
                Err(why) => {
                    self.summary.add_failure(why);
                    self.summary.end_file(size);
                }
            }
        }
        compare(session, self.rule, &mut jobs)?;
        jobs.into_iter()
            .try_for_each(|job| self.decide(session, job))
    }

    /// Decides about a file by what is here; `Err` says why it cannot be fetched.
    fn judge(&self, found: FoundFile, names: &LocalNames) -> Result<GetJob, String> {
        if self.is_left_link(&found.to, names) {
            let target = FileTarget::free(found.to.clone());
            let verdict = Verdict::Left;
            return Ok(GetJob {
                found,
                target,
                verdict,
            });
        }
        let target = self.find_target(&found, names).map_err(|error| {
            let to = escape_path(&found.to);
            format!("{to}: {}", IoCause(&error))
        })?;
        let whole = target.local_copy().whole;
        let here = whole.map(|(size, modified)| Version { size, modified });
        let verdict = self.rule.judge(Version::from(&found.facts), here);
        Ok(GetJob {
            found,
            target,
            verdict,
        })
    }

    /// Whether a link here has the file's name and stays; where links are links, a file is never
    /// written through one.
    fn is_left_link(&self, to: &Path, names: &LocalNames) -> bool {
        self.rule.links == Links::Remade
            && self.rule.changed == Changed::Left
            && names.contains(to)
            && fs::symlink_metadata(to).is_ok_and(|here| here.is_symlink())
    }

    /// Returns what has the file's name here, or its part.
    fn find_target(&self, found: &FoundFile, names: &LocalNames) -> io::Result<FileTarget> {
        let to = &found.to;
        let free = || Ok(FileTarget::free(to.clone()));
        if !names.contains(to) && !names.contains(&part_path(to)) {
            return free();
        }
        let here = fs::symlink_metadata(to);
        if self.rule.links == Links::Remade && here.as_ref().is_ok_and(Metadata::is_symlink) {
            delete_here(to, Shape::Other, self.rule, self.summary);
            return free();
        }
        let is_directory = here.is_ok_and(|found| found.is_dir());
        if is_directory && self.rule.extra == Extra::Deleted {
            delete_here(to, Shape::Directory, self.rule, self.summary);
            return free();
        }
        match Destination::find(to)? {
            Destination::File(target) => Ok(target),
            // Bytes are sent to a device only where it is named itself.
            Destination::Stream(_) => Err(io::Error::other("not a regular file, left as it is")),
        }
    }

    /// Has a file fetched where it is to be.
    fn decide(&mut self, session: &mut Session, job: GetJob) -> CommandResult {
        let size = job.found.facts.size;
        match job.verdict {
            Verdict::Unchanged => self.summary.add_unchanged(size),
            Verdict::Left => {
                self.summary.add_left(escape_path(&job.found.to));
                self.summary.end_file(size);
            }
            Verdict::New | Verdict::Changed | Verdict::Compare => {
                let proceed = Action::Get.tell(self.rule, job.found.to.as_path());
                if proceed == Proceed::Does && self.batch.add(job, size) {
                    return self.give_batch(session);
                }
            }
        }
        Ok(())
    }

    fn give_batch(&mut self, session: &mut Session) -> CommandResult {
        match self.batch.take() {
            Some(jobs) => self.lanes.give(session, jobs),
            None => Ok(()),
        }
    }
}

/// Fetches files, and requests those that need no turn ahead.
fn fetch(
    session: &mut Session,
    jobs: Vec<GetJob>,
    rule: &TreeRule,
    summary: &TreeSummary,
) -> CommandResult {
    let mut orders: Vec<FileDownload> = jobs
        .iter()
        .map(|job| job.download(rule, summary.place()))
        .collect();
    let paths: Vec<_> = orders
        .iter()
        .map(|order| (order.path.clone(), order.turn))
        .collect();
    // Files before this index have been requested.
    let mut requested = 0;
    let mut connection = session.connections;
    for (index, (job, mut order)) in jobs.iter().zip(orders.drain(..)).enumerate() {
        if session.connections != connection {
            // What was requested on the lost one is not answered on this one.
            connection = session.connections;
            requested = index;
        }
        requested = requested.max(index);
        if requested < index + REQUESTED_AHEAD_MIN {
            let last = paths.len().min(index + REQUESTED_AHEAD_MAX);
            requested += request_ahead(session, &paths[requested..last]);
        }
        order.command = match index < requested {
            true => CommandTiming::SentAhead,
            false => CommandTiming::Now,
        };
        let downloaded = download_file(session, order);
        match &downloaded {
            Ok(outcome) => job.set_attributes(outcome.result, rule, summary),
            // The answers to what was requested have been dropped.
            Err(CommandError::Local(_) | CommandError::NoRoom(_)) => requested = index + 1,
            Err(_) => {}
        }
        summary.add(downloaded)?;
        summary.end_file(job.found.facts.size);
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

impl GetJob {
    /// A file is fetched straight away where it is small and no part of it is here.
    fn download(&self, rule: &TreeRule, place: ProgressPlace) -> FileDownload {
        let FoundFile { from, to, facts } = &self.found;
        let here = self.target.local_copy();
        let may_be_same = here.whole.is_some_and(|(size, _)| size == facts.size)
            && match self.verdict {
                Verdict::Compare => true,
                _ => rule.same == Sameness::SizeAndTime,
            };
        let turn = match facts.size <= SMALL_FILE_MAX && here.part == 0 && !may_be_same {
            true => Turn::Skipped,
            false => Turn::Negotiate,
        };
        let overwrite = match rule.changed {
            Changed::Replaced => Overwrite::Always,
            Changed::Left => Overwrite::Never,
        };
        FileDownload {
            path: from.clone(),
            to: to.clone(),
            destination: Destination::File(self.target.clone()),
            local: LocalCopy {
                whole: here
                    .whole
                    .filter(|_| may_be_same)
                    .map(|(size, _)| (size, UNKNOWN_TIME)),
                part: here.part,
            },
            turn,
            command: CommandTiming::Now,
            policy: TransferPolicy {
                resume: Resume::Always,
                overwrite,
            },
            sync: SyncPolicy::AtEnd,
            place,
        }
    }

    /// Sets what the download did not.
    fn set_attributes(&self, result: FileResult, rule: &TreeRule, summary: &TreeSummary) {
        if result == FileResult::LeftDifferent {
            return;
        }
        let path = self.target.path();
        let is_touched = result == FileResult::Unchanged && rule.same == Sameness::SizeAndTime;
        let touched = match to_system_time(self.found.facts.modified).filter(|_| is_touched) {
            Some(time) => File::open(path).and_then(|file| file.set_modified(time)),
            None => Ok(()),
        };
        let mode = self.found.facts.mode;
        let has_mode = rule.attributes == Attributes::TimeAndMode;
        let set = touched.and_then(|()| match mode.filter(|_| has_mode) {
            Some(mode) => fs::set_permissions(path, Permissions::from_mode(mode & 0o777)),
            None => Ok(()),
        });
        if let Err(error) = set {
            let path = escape_path(path);
            summary.add_failure(format_args!("{path}: {}", IoCause(&error)));
        }
    }
}

/// The names in a local directory, read once, so that most files need no stat(2).
#[derive(Default)]
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
