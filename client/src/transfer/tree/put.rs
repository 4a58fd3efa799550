//! Uploads a directory tree: makes directories as it meets them, compares files that exist at the
//! server, and has the sessions send the others.

use std::collections::HashMap;
use std::fs::Metadata;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use skiff_sessions::path::PathArg;
use skiff_sessions::wire::command::{Command, Replace, SetAttributes, Turn};
use skiff_sessions::wire::native::causes::Cause;
use skiff_sessions::wire::reply::{Facts, Kind};

use super::action::{Action, Proceed};
use super::ahead::{Ahead, Ended};
use super::batch::Batch;
use super::bounds::{DEPTH_MAX, SMALL_FILE_MAX, join_remote};
use super::compare::{Compared, compare};
use super::extra::{Extras, Shape, delete_there};
use super::lanes::{Lanes, with_lanes};
use super::links::{PutLink, put_links};
use super::local_walk::{LocalKind, LocalTree, SumBeside, local_kind, local_names};
use super::requests::{Request, request_all};
use super::room;
use super::rule::{Attributes, Changed, Extra, Links, Sameness, TreeRule, Verdict, Version};
use super::summary::TreeSummary;
use crate::net::changes;
use crate::net::command_error::{CommandError, CommandResult};
use crate::net::fates::{self, UnderWay};
use crate::net::listing::Listed;
use crate::net::session::Session;
use crate::terminal::format::{IoCause, escape_name, escape_path};
use crate::terminal::progress::ProgressPlace;
use crate::transfer::file::{FileOutcome, FileResult, FileUpload, upload_file};
use crate::transfer::local_file::modified_at;
use crate::transfer::policy::{Overwrite, Resume, TransferPolicy};

/// What is known of a directory at the server before it is listed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum RemoteState {
    Unknown,
    /// The listing of its parent does not have it.
    Absent,
}

/// The entries of a directory at the server, by name.
type RemoteEntries = HashMap<Vec<u8>, Facts>;

/// A directory that is still to be walked.
struct Folder {
    from: PathBuf,
    to: PathArg,
    depth: usize,
    there: RemoteState,
}

/// A file that is to be sent.
struct PutJob {
    from: PathBuf,
    to: PathArg,
    found: Metadata,
    replace: Replace,
}

/// A file, and what is to be done with it.
struct Candidate {
    job: PutJob,
    verdict: Verdict,
}

impl Compared for Candidate {
    fn verdict(&mut self) -> &mut Verdict {
        &mut self.verdict
    }

    fn here(&self) -> &Path {
        &self.job.from
    }

    fn there(&self) -> (PathArg, u64) {
        (self.job.to.clone(), self.job.found.len())
    }
}

/// Uploads directory `from` as `to` over so many sessions. A file that fails is counted in
/// `summary`; an error ends the walk.
pub(crate) fn upload_tree(
    session: &mut Session,
    from: &Path,
    to: PathArg,
    (rule, sessions): (&Arc<TreeRule>, usize),
    summary: &TreeSummary,
) -> CommandResult {
    let root = Folder {
        from: from.to_owned(),
        there: root_state(session, &to)?,
        to,
        depth: 0,
    };
    let tree = LocalTree {
        root: from.to_owned(),
        rule: Arc::clone(rule),
        found: summary.found(),
    };
    let _sum = match root.there {
        RemoteState::Absent => {
            // Nothing of it is there: all of it needs room.
            let interrupt = session.interrupt.clone();
            let sum = tree.sum(|| interrupt.is_stopped());
            let sum = sum.ok_or_else(|| CommandError::Stopped("stopped".into()))?;
            room::check_there(session, &escape_path(from), sum)?;
            None
        }
        RemoteState::Unknown => Some(SumBeside::begin(tree)),
    };
    let mut extras = Extras::default();
    let work = |session: &mut Session, jobs| send(session, jobs, rule, summary);
    with_lanes(session, sessions, &work, |session, lanes| {
        let mut walk = UploadWalk {
            root: from,
            rule,
            summary,
            lanes,
            pending: vec![root],
            batch: Batch::default(),
            extras: &mut extras,
        };
        walk.run(session)
    })?;
    extras.delete_there(session, rule, summary)
}

fn root_state(session: &mut Session, to: &PathArg) -> Result<RemoteState, CommandError> {
    let found = session.request(Command::Facts(to.clone()))?;
    Ok(match found.why {
        Some(Cause::NotFound) => RemoteState::Absent,
        _ => RemoteState::Unknown,
    })
}

/// A walk that is under way.
struct UploadWalk<'a> {
    root: &'a Path,
    rule: &'a TreeRule,
    summary: &'a TreeSummary,
    lanes: &'a Lanes<'a, PutJob>,
    pending: Vec<Folder>,
    batch: Batch<PutJob>,
    extras: &'a mut Extras<PathArg>,
}

impl UploadWalk<'_> {
    fn run(&mut self, session: &mut Session) -> CommandResult {
        while let Some(folder) = self.pending.pop() {
            match self.walk_into(session, &folder) {
                Ok(()) => {}
                Err(CommandError::Refused(why)) => {
                    self.summary.add_failure(why);
                    self.extras.miss();
                }
                Err(other) => return Err(other),
            }
        }
        self.give_batch(session)
    }

    fn walk_into(&mut self, session: &mut Session, folder: &Folder) -> CommandResult {
        let mut there = self.entries_there(session, folder)?;
        let names = match local_names(&folder.from) {
            Ok(names) => names,
            Err(error) => {
                let from = escape_path(&folder.from);
                return Err(CommandError::refused(from, IoCause(&error)));
            }
        };
        let mut candidates = Vec::new();
        let mut links = Vec::new();
        let behind = self.pending.len();
        for name in names {
            let facts = there.remove(name.as_bytes());
            let from = folder.from.join(&name);
            if self.is_excluded(&from) {
                continue;
            }
            let Ok(to) = join_remote(Some(&folder.to), name.as_bytes()) else {
                let from = escape_path(&from);
                self.summary
                    .add_failure(format_args!("{from}: a name like this cannot be sent"));
                continue;
            };
            match local_kind(&from, self.rule.links) {
                LocalKind::Skipped(why) => self.summary.add_skipped(escape_path(&from), why),
                LocalKind::Failed(error) => {
                    let from = escape_path(&from);
                    self.summary
                        .add_failure(format_args!("{from}: {}", IoCause(&error)));
                }
                LocalKind::Directory => self.enter(session, folder, (from, to), facts)?,
                LocalKind::Link(target) => links.push(PutLink {
                    from,
                    to,
                    target,
                    there: facts.map(|facts| facts.kind),
                }),
                LocalKind::File(found) => {
                    let replace = Replace::Never;
                    let job = PutJob {
                        from,
                        to,
                        found,
                        replace,
                    };
                    candidates.extend(self.judge(session, job, facts)?);
                }
            }
        }
        self.pending[behind..].reverse();
        self.note_extras(folder, there);
        put_links(session, links, self.rule, self.summary)?;
        compare(session, self.rule, &mut candidates)?;
        candidates
            .into_iter()
            .try_for_each(|one| self.decide(session, one))
    }

    /// Returns what the directory has at the server, and makes it where it is not there.
    fn entries_there(
        &self,
        session: &mut Session,
        folder: &Folder,
    ) -> Result<RemoteEntries, CommandError> {
        if folder.there == RemoteState::Unknown {
            return list(session, &folder.to);
        }
        if Action::MakeDirectory.tell(self.rule, &folder.to) == Proceed::Does {
            changes::make_directory(session, &folder.to)?.or_refused(folder.to.as_bytes())?;
        }
        Ok(RemoteEntries::new())
    }

    /// Takes note of a directory that is in `parent`.
    fn enter(
        &mut self,
        session: &mut Session,
        parent: &Folder,
        (from, to): (PathBuf, PathArg),
        facts: Option<Facts>,
    ) -> CommandResult {
        let depth = parent.depth + 1;
        if depth > DEPTH_MAX {
            let from = escape_path(&from);
            self.summary
                .add_failure(format_args!("{from}: deeper than {DEPTH_MAX}, not sent"));
            return Ok(());
        }
        let there = match facts.map(|facts| facts.kind) {
            None => RemoteState::Absent,
            Some(Kind::File | Kind::Other) => {
                if !self.clears_the_way(session, &from, &to, Shape::Other)? {
                    return Ok(());
                }
                RemoteState::Absent
            }
            Some(Kind::Link) if self.rule.links == Links::Remade => {
                if !self.clears_the_way(session, &from, &to, Shape::Other)? {
                    return Ok(());
                }
                RemoteState::Absent
            }
            Some(Kind::Directory | Kind::Link) => RemoteState::Unknown,
        };
        self.pending.push(Folder {
            from,
            to,
            depth,
            there,
        });
        Ok(())
    }

    /// Decides about a file by what is at the server; `None` where it cannot be sent.
    fn judge(
        &self,
        session: &mut Session,
        job: PutJob,
        facts: Option<Facts>,
    ) -> Result<Option<Candidate>, CommandError> {
        let facts = match facts {
            Some(facts) if facts.kind == Kind::Link && self.rule.links == Links::Remade => {
                let verdict = self.rule.of_changed();
                if verdict == Verdict::Left {
                    return Ok(Some(Candidate { job, verdict }));
                }
                let to = job.to.clone();
                delete_there(session, to, Shape::Other, self.rule, self.summary)?;
                None
            }
            // The upload replaces what the link leads to.
            Some(facts) if facts.kind == Kind::Link => {
                session.request(Command::Facts(job.to.clone()))?.facts
            }
            other => other,
        };
        let there = match facts {
            Some(facts) if facts.kind == Kind::Directory => {
                if !self.clears_the_way(session, &job.from, &job.to, Shape::Directory)? {
                    return Ok(None);
                }
                None
            }
            other => other,
        };
        let here = Version {
            size: job.found.len(),
            modified: modified_at(&job.found),
        };
        let verdict = self.rule.judge(here, there.as_ref().map(Version::from));
        Ok(Some(Candidate { job, verdict }))
    }

    /// Deletes what is of another kind than what comes in its place, if the rule deletes.
    fn clears_the_way(
        &self,
        session: &mut Session,
        from: &Path,
        to: &PathArg,
        there: Shape,
    ) -> Result<bool, CommandError> {
        if self.rule.extra == Extra::Deleted {
            delete_there(session, to.clone(), there, self.rule, self.summary)?;
            return Ok(true);
        }
        let what = match there {
            Shape::Directory => "a directory",
            Shape::Other => "no directory",
        };
        let from = escape_path(from);
        self.summary
            .add_failure(format_args!("{from}: {what} has its name at the server"));
        Ok(false)
    }

    /// What is left of the server's entries is not here.
    fn note_extras(&mut self, folder: &Folder, there: RemoteEntries) {
        if self.rule.extra == Extra::Kept {
            return;
        }
        let mut left: Vec<_> = there.into_iter().collect();
        left.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        for (name, facts) in left {
            let here = folder.from.join(std::ffi::OsStr::from_bytes(&name));
            if let Ok(path) = join_remote(Some(&folder.to), &name)
                && !self.is_excluded(&here)
            {
                self.extras.add(path, facts.kind.into());
            }
        }
    }

    /// Has a file sent where it is to be.
    fn decide(&mut self, session: &mut Session, candidate: Candidate) -> CommandResult {
        let Candidate { mut job, verdict } = candidate;
        let size = job.found.len();
        match verdict {
            Verdict::Unchanged => self.summary.add_unchanged(size),
            Verdict::Left => {
                self.summary.add_left(escape_path(&job.from));
                self.summary.end_file(size);
            }
            Verdict::New | Verdict::Changed | Verdict::Compare => {
                if Action::Put.tell(self.rule, &job.to) == Proceed::OnlyTells {
                    return Ok(());
                }
                if verdict == Verdict::Changed {
                    job.replace = Replace::Yes;
                }
                if self.batch.add(job, size) {
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

    fn is_excluded(&self, path: &Path) -> bool {
        let below = path.strip_prefix(self.root).unwrap_or(path);
        self.rule.excludes(below)
    }
}

/// Lists a directory at the server.
fn list(session: &mut Session, path: &PathArg) -> Result<RemoteEntries, CommandError> {
    let mut entries = RemoteEntries::new();
    let list = Command::list(Some(path.clone()));
    session.list_to_keep(path.as_bytes(), list, |part| match part {
        Listed::Entry(name, facts) => {
            entries.insert(name.to_vec(), *facts);
        }
        Listed::Anew => entries.clear(),
    })?;
    Ok(entries)
}

/// Sends files: small ones one behind the other, then the big ones.
fn send(
    session: &mut Session,
    jobs: Vec<PutJob>,
    rule: &TreeRule,
    summary: &TreeSummary,
) -> CommandResult {
    let (small, big): (Vec<_>, Vec<_>) = jobs
        .into_iter()
        .partition(|job| job.found.len() <= SMALL_FILE_MAX);
    let mut set = Vec::new();
    let files = small
        .iter()
        .map(|job| job.upload(rule, Turn::Skipped, summary.place()));
    let files = files.collect();
    let end = |index: usize, ended| match ended {
        Ended::Told(ended) => end_file(&small[index], ended, rule, (&mut set, summary)),
        Ended::LeftOff(fate) => {
            let size = small[index].found.len();
            summary.add_left_off(fate, size);
            Ok(())
        }
    };
    Ahead::new(session, end).upload(files)?;
    for job in &big {
        let ended = upload_file(session, job.upload(rule, Turn::Negotiate, summary.place()));
        let is_left_off = matches!(
            ended,
            Err(CommandError::Stopped(_) | CommandError::SessionEnded(_))
        );
        if is_left_off {
            let fate = fates::of_uploads(session, &[job.under_way()]);
            fate.iter()
                .for_each(|fate| summary.add_left_off(*fate, job.found.len()));
        }
        end_file(job, ended, rule, (&mut set, summary))?;
    }
    let mut refused = Vec::new();
    request_all(session, &set, |_, reply| {
        if !(200..300).contains(&reply.code) {
            refused.push(format!(
                "{} {}",
                reply.code,
                escape_name(reply.text.as_bytes())
            ));
        }
    })?;
    refused.iter().for_each(|why| summary.add_failure(why));
    Ok(())
}

/// Counts a file, and takes note of what is to be set of it.
fn end_file(
    job: &PutJob,
    ended: Result<FileOutcome, CommandError>,
    rule: &TreeRule,
    (set, summary): (&mut Vec<Request>, &TreeSummary),
) -> CommandResult {
    if let Ok(outcome) = &ended {
        set.extend(job.attributes(outcome.result, rule).map(Request::set));
    }
    summary.add(ended)?;
    summary.end_file(job.found.len());
    Ok(())
}

impl PutJob {
    fn upload(&self, rule: &TreeRule, turn: Turn, place: ProgressPlace) -> FileUpload<'_> {
        let overwrite = match rule.changed {
            Changed::Replaced => Overwrite::Always,
            Changed::Left => Overwrite::Never,
        };
        // What may be the same is not sent before that is known.
        let replace = match turn {
            Turn::Negotiate if rule.same == Sameness::SizeAndTime => Replace::Never,
            Turn::Negotiate | Turn::Skipped => self.replace,
        };
        FileUpload {
            from: &self.from,
            to: self.to.clone(),
            policy: TransferPolicy {
                resume: Resume::Always,
                overwrite,
            },
            replace,
            turn,
            place,
        }
    }

    fn under_way(&self) -> UnderWay {
        UnderWay {
            path: self.to.clone(),
            size: self.found.len(),
            modified: Some(modified_at(&self.found)),
        }
    }

    /// What the upload did not set.
    fn attributes(&self, result: FileResult, rule: &TreeRule) -> Option<SetAttributes> {
        if result == FileResult::LeftDifferent {
            return None;
        }
        let mode = match rule.attributes {
            Attributes::Time => None,
            Attributes::TimeAndMode => Some(self.found.mode() & 0o777),
        };
        let is_touched = result == FileResult::Unchanged && rule.same == Sameness::SizeAndTime;
        let modified = is_touched.then(|| modified_at(&self.found));
        (mode.is_some() || modified.is_some()).then(|| SetAttributes {
            path: self.to.clone(),
            modified,
            mode,
        })
    }
}
