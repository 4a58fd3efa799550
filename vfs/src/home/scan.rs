//! Counts a home by walking through it: before anything changes where nobody knows what it holds,
//! and again while its sessions go on, because other programs change the homes too.
//!
//! `recount.rs` says why the sum is exact although the daemon changes names meanwhile.

use std::collections::{HashMap, HashSet};
use std::ffi::{CStr, CString, OsStr, OsString};
use std::fmt::Display;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use parking_lot::MutexGuard;
use rustix::fs::{AtFlags, FileType, Stat};
use rustix::io::Errno;
use skiff_quota::Amount;

use super::Home;
use super::charge::{published_charge, stage_charge};
use super::recount::{Course, Recount, Taken};
use super::writers::{HomeState, Phase};
use crate::dir_reader::DirReader;
use crate::jail;
use crate::jail::descent::{Descent, Next, open_dir};
use crate::jail::folder::{Folder, NameKey};
use crate::jail::mount::{FolderId, MountId};
use crate::staging::label::Born;
use crate::staging::{Stage, StageKey, StagingDir};
use crate::{VfsError, Worker};

/// How often a directory is counted that is changed meanwhile, before it is counted under the lock.
const ATTEMPTS_MAX: usize = 4;
/// How often the walk starts over because directories were moved.
const WALKS_MAX: usize = 4;
/// Directories that cannot be read and are told one by one.
const TOLD_MAX: u64 = 10;
/// Bytes of a path in the log.
const TOLD_PATH_MAX: usize = 200;

/// The result of a count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    /// What the home uses.
    pub used: Amount,
    /// What the ledger had; `None` where the home was counted for the first time.
    pub before: Option<Amount>,
    /// Directories that could not be read, or not whole: what is in them is not counted.
    pub unread: u64,
}

impl Home {
    /// Whether the home is to be counted now: it never was since the start, the last count is older
    /// than the policy's `recount`, or the ledger is stale. False while a count is under way.
    pub fn needs_scan(&self) -> bool {
        let state = self.state.lock();
        let is_due = || match (self.policy.recount, state.counted_at) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(every), Some(at)) => now().duration_since(at) >= every,
        };
        match state.phase {
            _ if state.recount.is_some() => false,
            Phase::Closed => false,
            Phase::Uncounted => true,
            Phase::Open => self.is_ledger_stale() || is_due(),
        }
    }

    /// Whether nobody knows yet what the home holds: what [`Home::usage`] gives means nothing, and
    /// changes fail with [`VfsError::Scanning`] until it is counted.
    pub fn is_uncounted(&self) -> bool {
        self.state.lock().phase == Phase::Uncounted
    }

    /// Counts the home and corrects the ledger, while reading and changing go on. Stages whose
    /// target's directory is gone are removed. What cannot be read is told in the log and left out:
    /// a home that could not be counted could not be changed either. [`VfsError::Scanning`] where a
    /// count is under way already, or directories are moved faster than they can be counted.
    pub fn scan(&self, worker: &Worker) -> Result<Counted, VfsError> {
        let _acting = self.act(worker)?;
        self.count()
    }

    /// As [`Self::scan`], of a thread that acts as the owner already.
    pub(crate) fn count(&self) -> Result<Counted, VfsError> {
        {
            let mut state = self.state.lock();
            if state.phase == Phase::Closed {
                return Err(VfsError::Stopped);
            }
            if state.recount.is_some() {
                return Err(VfsError::Scanning);
            }
            self.ledger_stale.store(false, Ordering::Relaxed);
            self.mounts.has_cut().store(false, Ordering::Relaxed);
            state.recount = Some(Recount::default());
        }
        let counted = self.walk_until_counted();
        self.state.lock().recount = None;
        let counted = match counted {
            Err(VfsError::Stopped) => return Err(VfsError::Stopped),
            other => self.mark_stale_on_error(other)?,
        };
        self.log_difference(counted);
        Ok(counted)
    }

    fn walk_until_counted(&self) -> Result<Counted, VfsError> {
        for _ in 0..WALKS_MAX {
            if let Some(counted) = Scan::new(self)?.run()? {
                return Ok(counted);
            }
            self.state.lock().recount = Some(Recount::default());
        }
        Err(VfsError::Scanning)
    }

    fn log_difference(&self, Counted { used, before, .. }: Counted) {
        let Some(before) = before.filter(|before| *before != used) else {
            return;
        };
        log::warn!(
            "{}: a recount found {used}, and the ledger had {before}: {} bytes and {} entries off; \
             other programs change this home",
            self.user,
            signed(before.bytes, used.bytes),
            signed(before.entries, used.entries),
        );
    }
}

fn signed(before: u64, after: u64) -> String {
    format!("{:+}", i128::from(after) - i128::from(before))
}

/// The state of one walk through a home.
struct Scan<'a> {
    home: &'a Home,
    mounts: HashSet<MountId>,
    /// The stages that there were when the walk entered their mounts, with the last names of their
    /// targets where a published file has it.
    stages: HashMap<NameKey, Option<OsString>>,
    /// The target directories of those stages, with their paths and births once the walk has reached
    /// them.
    parents: HashMap<FolderId, Option<(PathBuf, Option<Born>)>>,
    /// Directories that could not be read.
    unread: u64,
    /// The home's `directory_moves` when the walk began.
    directory_moves: u64,
}

/// What the names of one directory are.
#[derive(Default)]
struct Names {
    sum: Amount,
    below: Vec<CString>,
    /// Names with a stage that the walk knows.
    staged: Vec<(NameKey, OsString)>,
    /// Why some names are missing.
    error: Option<VfsError>,
}

/// How a walk ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Walked {
    ToTheEnd,
    /// The daemon has moved a directory, so that the walk lost its way.
    StartOver,
}

impl<'a> Scan<'a> {
    fn new(home: &'a Home) -> Result<Self, VfsError> {
        let mut scan = Self {
            home,
            mounts: HashSet::new(),
            stages: HashMap::new(),
            parents: HashMap::new(),
            unread: 0,
            directory_moves: home.state.lock().directory_moves,
        };
        for (mount, staging) in home.staging_dirs() {
            scan.load_stages(mount.id, &staging)?;
        }
        Ok(scan)
    }

    /// Walks the home and corrects the ledger; `None` where the walk is to start over.
    fn run(mut self) -> Result<Option<Counted>, VfsError> {
        match self.home.folder(Path::new("")) {
            Ok(home) => {
                if self.walk(home)? == Walked::StartOver {
                    return Ok(None);
                }
            }
            Err(e) => self.skip(Path::new(""), e)?,
        }
        loop {
            pause();
            let mut state = self.lock()?;
            let Some(recount) = &mut state.recount else {
                return Err(VfsError::Stopped);
            };
            if recount.course() == Course::StartOver {
                return Ok(None);
            }
            let Some(moved) = recount.next_moved() else {
                return self.finish(state).map(Some);
            };
            drop(state);
            if let Some(folder) = self.open_below(&moved.folder, moved.leaf(), &moved.path())?
                && self.walk(folder)? == Walked::StartOver
            {
                return Ok(None);
            }
        }
    }

    fn lock(&self) -> Result<MutexGuard<'a, HomeState>, VfsError> {
        self.check_stopped()?;
        let state = self.home.state.lock();
        match state.phase {
            Phase::Closed => Err(VfsError::Stopped),
            Phase::Open | Phase::Uncounted => Ok(state),
        }
    }

    fn check_stopped(&self) -> Result<(), VfsError> {
        match self.home.stop_counts.load(Ordering::Relaxed) {
            true => Err(VfsError::Stopped),
            false => Ok(()),
        }
    }

    /// Counts `top` and all below it that is not counted yet.
    fn walk(&mut self, top: Folder) -> Result<Walked, VfsError> {
        let mut descent = Descent::new(&top.path);
        let mut next = Some(top);
        loop {
            if let Some(folder) = next.take() {
                let (fd, id) = (Arc::clone(&folder.fd), folder.id);
                if let Some(below) = self.count_folder(folder)? {
                    descent.enter(fd, id, below);
                }
            }
            match descent.next() {
                Next::Below { parent, name } => {
                    pause();
                    next = self.open_below(&parent, &name, descent.path())?;
                }
                Next::End => return Ok(Walked::ToTheEnd),
                Next::Lost if self.home.state.lock().directory_moves != self.directory_moves => {
                    return Ok(Walked::StartOver);
                }
                Next::Lost => {
                    // Another program did it: the next count finds the rest.
                    self.home.ledger_stale.store(true, Ordering::Relaxed);
                    self.tell_unread(descent.path(), &"it was moved meanwhile");
                }
            }
        }
    }

    /// Opens the directory `name` in `folder`, at `path`; `None` where it is gone or cannot be
    /// entered.
    fn open_below(
        &mut self,
        folder: impl AsFd,
        name: &CStr,
        path: &Path,
    ) -> Result<Option<Folder>, VfsError> {
        let opened = open_dir(folder, name).map_err(VfsError::from);
        let opened = opened.and_then(|fd| self.home.folder_from_fd(Arc::new(fd), path));
        match opened {
            Ok(below) => Ok(Some(below)),
            Err(e) => self.skip(path, e).map(|()| None),
        }
    }

    /// Counts one directory and gives the directories in it; `None` where it was counted already, or
    /// cannot be.
    fn count_folder(&mut self, folder: Folder) -> Result<Option<Vec<CString>>, VfsError> {
        if let Err(e) = self.enter_mount(&folder) {
            self.skip(&folder.path, e)?;
        }
        for attempt in 1.. {
            pause();
            let mut state = self.lock()?;
            let running = running_in(&state, folder.id);
            let begun = state.recount.as_mut().is_some_and(|r| r.begin(folder.id));
            if !begun {
                return Ok(None);
            }
            // A directory that changes all the time is counted while nothing changes.
            let (held, names) = match attempt < ATTEMPTS_MAX {
                true => {
                    drop(state);
                    let names = self.read_names(&folder, &running);
                    pause();
                    (None, names)
                }
                false => (Some(state), self.read_names(&folder, &running)),
            };
            let mut names = match names {
                Ok(names) => names,
                Err(e) => return self.skip(&folder.path, e).map(|()| None),
            };
            let mut state = match held {
                Some(state) => state,
                None => self.lock()?,
            };
            let taken = state.recount.as_mut().map(|r| r.take_over(names.sum));
            drop(state);
            match taken {
                Some(Taken::Counted) => {
                    if let Some(e) = names.error.take() {
                        self.skip(&folder.path, e)?;
                    }
                    return Ok(Some(self.note_stages(folder, names)));
                }
                Some(Taken::Again) => {}
                Some(Taken::Gone) | None => return Ok(None),
            }
        }
        Ok(None)
    }

    /// Notes what a counted directory has to do with stages; gives the directories in it.
    fn note_stages(&mut self, folder: Folder, names: Names) -> Vec<CString> {
        if let Some(seen_at) = self.parents.get_mut(&folder.id) {
            *seen_at = Some((folder.path, folder.born));
        }
        for (key, leaf) in names.staged {
            self.stages.insert(key, Some(leaf));
        }
        names.below
    }

    /// Reads a directory and adds up the charges of its names, but those in `running`. A name whose
    /// file cannot be looked at is an entry without bytes.
    fn read_names(&self, folder: &Folder, running: &HashSet<StageKey>) -> Result<Names, VfsError> {
        let mut names = Names::default();
        let has_keys = !running.is_empty() || self.parents.contains_key(&folder.id);
        let mut reader = DirReader::open(folder)?;
        loop {
            let (kind, name) = match reader.next() {
                Ok(Some(entry)) => entry,
                Ok(None) => break,
                Err(e) => {
                    names.error = Some(e.into());
                    break;
                }
            };
            self.check_stopped()?;
            if jail::is_staging_name(name.to_bytes()) {
                continue;
            }
            let stat = match statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) if folder.mount.is_staging_dir(&stat) => continue,
                Ok(stat) => Some(stat),
                Err(Errno::NOENT) => continue,
                Err(e) => {
                    names.error = Some(e.into());
                    None
                }
            };
            if kind == FileType::Directory || stat.as_ref().is_some_and(is_directory) {
                names.below.push(name.to_owned());
            }
            if has_keys && self.note_key(folder, name, running, &mut names) {
                continue;
            }
            let charge = stat.as_ref().map_or(Amount::new(0, 1), published_charge);
            names.sum = names.sum.plus(charge);
        }
        Ok(names)
    }

    /// Notes a name with a stage; gives whether an upload is writing it.
    fn note_key(
        &self,
        folder: &Folder,
        name: &CStr,
        running: &HashSet<StageKey>,
        names: &mut Names,
    ) -> bool {
        let leaf = OsStr::from_bytes(name.to_bytes());
        let stage = StageKey::new(folder.id.inode, leaf);
        let mount = folder.id.mount;
        let key = NameKey { mount, stage };
        if self.stages.contains_key(&key) {
            names.staged.push((key, leaf.to_owned()));
        }
        running.contains(&stage)
    }

    /// Reads the staging directory of a mount when the walk first enters it.
    fn enter_mount(&mut self, folder: &Folder) -> Result<(), VfsError> {
        match folder.mount.staging() {
            Some(staging) if !self.mounts.contains(&folder.id.mount) => {
                self.load_stages(folder.id.mount, &staging)
            }
            _ => Ok(()),
        }
    }

    fn load_stages(&mut self, mount: MountId, staging: &StagingDir) -> Result<(), VfsError> {
        self.mounts.insert(mount);
        staging.for_each(|Stage { key: stage, .. }| {
            self.stages.insert(NameKey { mount, stage }, None);
            let inode = stage.parent;
            self.parents.entry(FolderId { mount, inode }).or_default();
            Ok(())
        })
    }

    /// Adds the stages and what running uploads are charged, and corrects the ledger.
    fn finish(&mut self, mut state: MutexGuard<'_, HomeState>) -> Result<Counted, VfsError> {
        let mut used = state.recount.as_ref().map_or(Amount::ZERO, Recount::sum);
        for (mount, staging) in self.home.staging_dirs() {
            match self.count_stages(&state, mount.id, &staging) {
                Ok(stages) => used = used.plus(stages),
                Err(e) => self.skip(Path::new(jail::STAGING_NAME), e)?,
            }
        }
        for writer in state.writers.values() {
            used = used.plus(writer.charged());
        }
        let before = (state.phase == Phase::Open).then(|| self.home.ledger.usage().used);
        self.home.ledger.set_used(used);
        state.phase = Phase::Open;
        state.counted_at = Some(now());
        let unread = self.unread;
        if unread > TOLD_MAX {
            let user = &self.home.user;
            log::warn!("{user}: {unread} directories in all are not counted");
        }
        Ok(Counted {
            used,
            before,
            unread,
        })
    }

    /// The charge of the stages in one staging directory that no upload is writing. Those that are
    /// nobody's are removed.
    fn count_stages(
        &self,
        state: &HomeState,
        mount: MountId,
        staging: &StagingDir,
    ) -> Result<Amount, VfsError> {
        let labels_hold = state.directory_moves == self.directory_moves;
        let mut stages = Vec::new();
        staging.for_each(|stage| {
            stages.push(stage);
            Ok(())
        })?;
        let mut used = Amount::ZERO;
        for stage in stages {
            let (key, name) = (
                stage.key,
                NameKey {
                    mount,
                    stage: stage.key,
                },
            );
            if state.writers.contains_key(&name) {
                continue;
            }
            let settled = match self.keep_stage(state, (staging, stage), name, labels_hold) {
                Ok(false) => staging.remove(key).map(|()| Amount::ZERO),
                kept => kept.map(|_| stage_charge(stage.size)),
            };
            used = used.plus(settled.unwrap_or_else(|e| {
                log::warn!("{}: a stage is counted as it is: {e}", self.home.user);
                stage_charge(stage.size)
            }));
        }
        Ok(used)
    }

    /// Whether a stage is kept, which then has the right label: the walk must have reached its
    /// target's directory (or have skipped some), and the target's name must be known.
    fn keep_stage(
        &self,
        state: &HomeState,
        (staging, stage): (&StagingDir, Stage),
        key: NameKey,
        labels_hold: bool,
    ) -> Result<bool, VfsError> {
        let Some(known) = self.stages.get(&key) else {
            // It came while the walk was under way.
            return Ok(true);
        };
        let Some(label) = staging.label(key.stage)? else {
            return Ok(false);
        };
        if stage.has_other_names() {
            return Ok(false);
        }
        let inode = key.stage.parent;
        let parent = FolderId {
            mount: key.mount,
            inode,
        };
        let Some(Some((folder, born))) = self.parents.get(&parent) else {
            let is_reached = state.recount.as_ref().is_some_and(|r| r.is_counted(parent));
            // A directory that another program has moved may have been missed.
            return Ok(self.unread > 0
                || is_reached
                || self.home.stage_name_at(staging, &key)?.is_some());
        };
        let Some(leaf) = known.as_deref().or_else(|| label.path.file_name()) else {
            return Ok(false);
        };
        let path = folder.join(leaf);
        match labels_hold {
            // Of a directory that had the number before: nobody can go on with it.
            _ if !label.is_of(*born, &path) => Ok(false),
            true if label.path != path => {
                staging.relabel(key.stage, &path, *born)?;
                Ok(true)
            }
            _ => Ok(true),
        }
    }

    /// Tells of a directory that cannot be read, unless it was just removed. What says nothing of the
    /// directory itself is given back: the count is to be tried again.
    fn skip(&mut self, path: &Path, error: VfsError) -> Result<(), VfsError> {
        match error {
            VfsError::NotFound | VfsError::NotADirectory => Ok(()),
            VfsError::Stopped | VfsError::TooManyOpen => Err(error),
            other => {
                self.tell_unread(path, &other);
                Ok(())
            }
        }
    }

    fn tell_unread(&mut self, path: &Path, why: &dyn Display) {
        self.unread += 1;
        if self.unread > TOLD_MAX {
            return;
        }
        let bytes = path.as_os_str().as_bytes();
        let shown = &bytes[..bytes.len().min(TOLD_PATH_MAX)];
        let cut = if shown.len() < bytes.len() { ".." } else { "" };
        log::warn!(
            "{}: {}{cut} is not counted, or not all in it: {why}",
            self.home.user,
            String::from_utf8_lossy(shown).escape_debug()
        );
    }
}

/// The names in `folder` that uploads are writing.
fn running_in(state: &HomeState, folder: FolderId) -> HashSet<StageKey> {
    let here = state.writers.keys().filter(|key| {
        let inode = key.stage.parent;
        let mount = key.mount;
        FolderId { mount, inode } == folder
    });
    here.map(|key| key.stage).collect()
}

fn is_directory(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Directory
}

/// Does nothing; the one for tests changes the home, where the lock is not held.
#[cfg(not(test))]
fn pause() {}

use crate::syscalls::{now, statat};
#[cfg(test)]
use tests::pause;

#[cfg(test)]
#[path = "scan_tests.rs"]
mod tests;
