//! Walks a tree at the server ahead of its download, so that its sum is known, and makes the
//! directories of it here.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use skiff_sessions::path::PathArg;
use skiff_sessions::wire::command::Command;
use skiff_sessions::wire::native::causes::Cause;
use skiff_sessions::wire::reply::{Facts, Kind};

use super::action::{Action, Proceed};
use super::bounds::{DEPTH_MAX, Level, WalkBounds, join_remote};
use super::extra::{Extras, Shape, delete_here};
use super::links::FoundLink;
use super::local_walk::{Sum, local_names};
use super::rule::{Extra, Links, TreeRule};
use super::summary::TreeSummary;
use crate::net::command_error::{CommandError, CommandResult};
use crate::net::listing::{Listed, is_single_name};
use crate::net::session::Session;
use crate::terminal::format::{IoCause, escape_name, escape_path, format_reply};

/// How far the walk goes ahead, in bytes of what it keeps in memory: enough for the sum of most
/// trees.
const AHEAD_BYTES_MAX: usize = 4 << 20;

/// The entries of a directory, sorted by name.
type Entries = Vec<(Vec<u8>, Facts)>;

/// A file that is to be fetched.
pub(super) struct FoundFile {
    pub(super) from: PathArg,
    pub(super) to: PathBuf,
    pub(super) facts: Facts,
}

/// The files of one directory, its links where they are made anew, and the directory here.
pub(super) struct FoundFolder {
    pub(super) to: PathBuf,
    pub(super) here: LocalFolder,
    /// How many levels it is below the root.
    pub(super) depth: usize,
    pub(super) files: Vec<FoundFile>,
    pub(super) links: Vec<FoundLink>,
}

/// Whether a directory was here before the walk met it. One that is new has no entries, even where
/// it is only said that it would be made in the place of a link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum LocalFolder {
    There,
    New,
}

/// A walk that is under way.
pub(super) struct RemoteWalk<'a> {
    root: PathBuf,
    rule: &'a TreeRule,
    summary: &'a TreeSummary,
    /// Directories that were not listed yet.
    pending: Vec<Level<PathArg, PathBuf>>,
    bounds: WalkBounds,
    /// Directories that were listed, and whose files were not fetched yet.
    found: VecDeque<FoundFolder>,
    found_bytes: usize,
    sum: Sum,
    /// Why the rest is not walked.
    refusal: Option<String>,
    /// What is here and not at the server.
    pub(super) extras: Extras<PathBuf>,
}

impl<'a> RemoteWalk<'a> {
    pub(super) fn begin(
        from: PathArg,
        to: PathBuf,
        rule: &'a TreeRule,
        summary: &'a TreeSummary,
    ) -> Self {
        Self {
            root: to.clone(),
            rule,
            summary,
            pending: vec![Level { from, to, depth: 0 }],
            bounds: WalkBounds::default(),
            found: VecDeque::new(),
            found_bytes: 0,
            sum: Sum::default(),
            refusal: None,
            extras: Extras::default(),
        }
    }

    /// Returns the next directory, after a look ahead; `None` at the end. What cannot be walked is
    /// counted in the summary.
    ///
    /// # Errors
    ///
    /// Errors that end the walk: Ctrl-C, a lost connection, a tree that has no end.
    pub(super) fn next(
        &mut self,
        session: &mut Session,
    ) -> Result<Option<FoundFolder>, CommandError> {
        while self.found_bytes < AHEAD_BYTES_MAX
            && self.refusal.is_none()
            && let Some(level) = self.pending.pop()
        {
            self.bounds.leave(&level);
            self.look_into(level, session)?;
        }
        if self.has_ended() {
            self.summary.found().end();
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

    /// Returns the sum of the tree if all of it was found by now.
    pub(super) fn whole_sum(&self) -> Option<Sum> {
        self.has_ended().then_some(self.sum)
    }

    fn has_ended(&self) -> bool {
        self.pending.is_empty() || self.refusal.is_some()
    }

    /// Makes one directory here and lists its counterpart.
    fn look_into(
        &mut self,
        level: Level<PathArg, PathBuf>,
        session: &mut Session,
    ) -> CommandResult {
        if level.depth > DEPTH_MAX {
            let name = escape_name(level.from.as_bytes());
            self.fail(format_args!("{name}: deeper than {DEPTH_MAX}, not fetched"));
            return Ok(());
        }
        let here = match self.make(&level) {
            Ok(here) => here,
            Err(error) => {
                let to = escape_path(&level.to);
                self.fail(format_args!("{to}: {}", IoCause(&error)));
                return Ok(());
            }
        };
        let Some(entries) = self.list_entries(session, &level.from)? else {
            return Ok(());
        };
        if here == LocalFolder::There {
            self.note_extras(&level.to, &entries);
        }
        let mut folder = FoundFolder {
            to: level.to.clone(),
            here,
            depth: level.depth,
            files: Vec::new(),
            links: Vec::new(),
        };
        let behind = self.pending.len();
        for (name, facts) in entries {
            if let Err(why) = self.bounds.meet() {
                self.refusal = Some(why);
                break;
            }
            let from = join_remote(Some(&level.from), &name)?;
            let to = level.to.join(OsStr::from_bytes(&name));
            if self.is_excluded(&to) {
                continue;
            }
            if facts.kind == Kind::Link && self.rule.links == Links::Remade {
                folder.links.push(FoundLink { from, to });
                continue;
            }
            let facts = self.facts_to_fetch(session, &from, facts)?;
            match facts {
                Some(facts) if facts.kind == Kind::Directory => {
                    let depth = level.depth + 1;
                    self.enter(Level { from, to, depth });
                }
                Some(facts) => {
                    self.summary.found().add(facts.size);
                    self.sum.files += 1;
                    self.sum.bytes = self.sum.bytes.saturating_add(facts.size);
                    folder.files.push(FoundFile { from, to, facts });
                }
                None => {}
            }
        }
        self.pending[behind..].reverse();
        self.found_bytes += folder.memory();
        self.found.push_back(folder);
        Ok(())
    }

    /// Returns the facts of what is fetched of a name, behind a link; `None` where that is nothing.
    fn facts_to_fetch(
        &mut self,
        session: &mut Session,
        from: &PathArg,
        facts: Facts,
    ) -> Result<Option<Facts>, CommandError> {
        match facts.kind {
            Kind::Link => self.look_behind_link(session, from),
            Kind::Other => {
                let name = escape_name(from.as_bytes());
                self.summary
                    .add_failure(format_args!("{name}: neither a file nor a directory"));
                Ok(None)
            }
            Kind::Directory | Kind::File => Ok(Some(facts)),
        }
    }

    /// Makes the directory here where it is not.
    fn make(&self, level: &Level<PathArg, PathBuf>) -> io::Result<LocalFolder> {
        let to = &level.to;
        let is_root = level.depth == 0;
        let may_delete = self.rule.extra == Extra::Deleted && !is_root;
        let follows_none = self.rule.links == Links::Remade && !is_root;
        match fs::symlink_metadata(to) {
            Ok(found) if found.is_dir() => return Ok(LocalFolder::There),
            Ok(found) if found.is_symlink() && follows_none => match may_delete {
                true => delete_here(to, Shape::Other, self.rule, self.summary),
                false => return Err(io::Error::other("a link here has its name")),
            },
            // Nothing is deleted behind a link.
            Ok(found) if found.is_symlink() && may_delete => {
                return Err(io::Error::other(
                    "a link here, which --delete does not follow",
                ));
            }
            Ok(found) if found.is_symlink() => {
                if to.is_dir() {
                    return Ok(LocalFolder::There);
                }
            }
            Ok(_) if may_delete => delete_here(to, Shape::Other, self.rule, self.summary),
            Ok(_) => return Err(io::Error::other("a file here has its name")),
            Err(_) => {}
        }
        if Action::MakeDirectory.tell(self.rule, to.as_path()) == Proceed::Does {
            match is_root {
                true => fs::create_dir_all(to),
                // Fails where a link that could not be deleted leads to a directory.
                false => fs::create_dir(to),
            }?;
        }
        Ok(LocalFolder::New)
    }

    /// What is here and not among the server's entries is extra.
    fn note_extras(&mut self, folder: &Path, entries: &[(Vec<u8>, Facts)]) {
        if self.rule.extra == Extra::Kept {
            return;
        }
        for name in local_names(folder).unwrap_or_default() {
            let is_there = |(there, _): &(Vec<u8>, Facts)| there.as_slice().cmp(name.as_bytes());
            let path = folder.join(&name);
            if entries.binary_search_by(is_there).is_ok() || self.is_excluded(&path) {
                continue;
            }
            let shape = match fs::symlink_metadata(&path) {
                Ok(found) if found.is_dir() => Shape::Directory,
                _ => Shape::Other,
            };
            self.extras.add(path, shape);
        }
    }

    fn enter(&mut self, level: Level<PathArg, PathBuf>) {
        match self.bounds.enter(&level) {
            Ok(()) => self.pending.push(level),
            Err(why) => self.refusal = Some(why),
        }
    }

    /// Asks for the facts of what a link leads to. `None` where it is not fetched, which is counted
    /// as skipped.
    fn look_behind_link(
        &mut self,
        session: &mut Session,
        link: &PathArg,
    ) -> Result<Option<Facts>, CommandError> {
        let shown = escape_name(link.as_bytes());
        if self.rule.links == Links::Skipped {
            self.summary.add_skipped(shown, "a link, left out");
            return Ok(None);
        }
        let found = session.request(Command::Facts(link.clone()))?;
        match found.facts {
            Some(facts) if facts.kind == Kind::File => return Ok(Some(facts)),
            Some(facts) if facts.kind == Kind::Directory => match self.rule.links {
                Links::Followed => return Ok(Some(facts)),
                Links::ToFiles | Links::Remade | Links::Skipped => {
                    let why = "a link to a directory, not followed";
                    self.summary.add_skipped(shown, why);
                }
            },
            Some(_) => {
                let why = "a link to neither a file nor a directory";
                self.summary.add_skipped(shown, why);
            }
            None if matches!(found.why, Some(Cause::NotFound | Cause::OutsideHome)) => {
                let why = format!("a link: {}", format_reply(&found));
                self.summary.add_skipped(shown, why);
            }
            None => {
                let why = format_reply(&found);
                self.summary
                    .add_failure(format_args!("{shown}: a link: {why}"));
            }
        }
        Ok(None)
    }

    /// Lists a directory at the server, sorted by name; `None` where that failed. Names that are no
    /// single path component are refused.
    fn list_entries(
        &mut self,
        session: &mut Session,
        path: &PathArg,
    ) -> Result<Option<Entries>, CommandError> {
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
            Ok(ended) => {
                let hidden = ended.hidden.unwrap_or_default();
                self.summary.add_hidden(path.as_bytes(), hidden);
                if hidden > 0 {
                    self.extras.miss();
                }
            }
            // What came before the refusal is no listing.
            Err(CommandError::Refused(why)) => {
                self.fail(why);
                return Ok(None);
            }
            Err(other) => return Err(other),
        }
        for name in refused {
            self.fail(format_args!(
                "{name}: a name like this is no name here, refused"
            ));
        }
        entries.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        // What has two names here would be written through the first.
        entries.dedup_by(|(later, _), (name, _)| {
            let is_twice = later == name;
            if is_twice {
                let name = escape_name(name);
                self.fail(format_args!("{name}: the server lists it twice"));
            }
            is_twice
        });
        Ok(Some(entries))
    }

    /// Counts what cannot be walked: what is behind it is not known.
    fn fail(&mut self, why: impl std::fmt::Display) {
        self.summary.add_failure(why);
        self.extras.miss();
    }

    fn is_excluded(&self, path: &Path) -> bool {
        let below = path.strip_prefix(&self.root).unwrap_or(path);
        self.rule.excludes(below)
    }
}

impl FoundFolder {
    /// What it takes in memory, about.
    fn memory(&self) -> usize {
        let of_file = |file: &FoundFile| {
            size_of_val(file) + file.from.as_bytes().len() + file.to.as_os_str().len()
        };
        let of_link = |link: &FoundLink| {
            size_of_val(link) + link.from.as_bytes().len() + link.to.as_os_str().len()
        };
        let files: usize = self.files.iter().map(of_file).sum();
        let links: usize = self.links.iter().map(of_link).sum();
        size_of_val(self) + files + links
    }
}
