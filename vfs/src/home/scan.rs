//! Counts a home by walking through it: at the first start, after a crash, and when the ledger is
//! stale.
//!
//! During a scan all changes are refused, except by uploads that were running when it began. The
//! walk leaves their names out; their charges are added under the lock when it has ended.

use std::collections::{HashMap, HashSet};
use std::ffi::{CStr, OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat, openat, statat};
use rustix::io::Errno;
use skiff_quota::{Amount, Usage};

use super::Home;
use super::charge::charge;
use super::writers::{Phase, Writer};
use crate::dir_reader::DirReader;
use crate::jail;
use crate::jail::folder::{Folder, NameKey};
use crate::jail::mount::{FolderId, MountId};
use crate::staging::{StageKey, StagingDir};
use crate::{VfsError, Worker};

/// Directories that are held open at once. Deeper ones are walked after the others.
const LEVELS_MAX: usize = 64;

type Running = HashMap<NameKey, Arc<Writer>>;

impl Home {
    /// Whether the home was never counted, or the ledger is stale.
    pub fn needs_scan(&self) -> bool {
        let phase = self.state.lock().phase;
        phase == Phase::Uncounted
            || (phase == Phase::Open && self.ledger_stale.load(Ordering::Relaxed))
    }

    /// Counts the home and corrects the ledger. Reading goes on meanwhile, changes fail with
    /// [`VfsError::Scanning`]. Stages whose target's directory is gone are removed.
    pub fn scan(&self, _worker: &Worker) -> Result<Usage, VfsError> {
        let (before, running) = self.begin_scan()?;
        let counted = Scan::new(self, &running).and_then(Scan::run);
        self.end_scan(before, &running, counted)?;
        Ok(self.usage())
    }

    fn begin_scan(&self) -> Result<(Phase, Running), VfsError> {
        let mut state = self.state.lock();
        match state.phase {
            Phase::Scanning => return Err(VfsError::Scanning),
            Phase::Closed => return Err(VfsError::Stopped),
            Phase::Uncounted | Phase::Open => {}
        }
        self.ledger_stale.store(false, Ordering::Relaxed);
        let before = std::mem::replace(&mut state.phase, Phase::Scanning);
        Ok((before, state.writers.clone()))
    }

    fn end_scan(
        &self,
        before: Phase,
        running: &Running,
        counted: Result<Amount, VfsError>,
    ) -> Result<(), VfsError> {
        let mut state = self.state.lock();
        if state.phase == Phase::Closed {
            return Err(VfsError::Stopped);
        }
        state.phase = before;
        let mut used = self.mark_stale_on_error(counted)?;
        for (key, writer) in running {
            let still_running = state
                .writers
                .get(key)
                .is_some_and(|now| Arc::ptr_eq(now, writer));
            used = used.plus(match still_running {
                true => writer.charged,
                false => {
                    self.current_charge(&writer.name_at, writer.name_at.stat()?.as_ref())?
                        .0
                }
            });
        }
        self.ledger.set_used(used);
        state.phase = Phase::Open;
        Ok(())
    }
}

/// A stage that the scan has found.
struct SeenStage {
    size: u64,
    /// The target's last name, where a published file has it: the two are charged together.
    leaf: Option<OsString>,
}

/// The state of one walk through a home.
struct Scan<'a> {
    home: &'a Home,
    running: &'a Running,
    used: Amount,
    stages: HashMap<NameKey, SeenStage>,
    stagings: HashMap<MountId, Arc<StagingDir>>,
    mounts: HashSet<MountId>,
    /// The target directories of stages and running uploads, with their paths once the walk has
    /// reached them.
    parents: HashMap<FolderId, Option<PathBuf>>,
    /// False once a directory could not be read.
    all_read: bool,
    /// Directories that are still to be walked.
    remaining: Vec<PathBuf>,
}

/// A directory that the walk is in.
struct Level {
    folder: Folder,
    reader: DirReader,
}

impl<'a> Scan<'a> {
    fn new(home: &'a Home, running: &'a Running) -> Result<Self, VfsError> {
        let parent = |writer: &Arc<Writer>| (writer.name_at.folder.id, None);
        Ok(Self {
            home,
            running,
            used: Amount::ZERO,
            stages: HashMap::new(),
            stagings: HashMap::new(),
            mounts: HashSet::new(),
            parents: running.values().map(parent).collect(),
            all_read: true,
            remaining: vec![PathBuf::new()],
        })
    }

    /// Walks the home and gives the sum of all charges, without those of running uploads.
    fn run(mut self) -> Result<Amount, VfsError> {
        while let Some(path) = self.remaining.pop() {
            match self.home.folder(&path) {
                Ok(folder) => self.walk(folder)?,
                Err(e) => self.skip(&path, e)?,
            }
        }
        self.count_stages()?;
        Ok(self.used)
    }

    fn walk(&mut self, top: Folder) -> Result<(), VfsError> {
        let mut levels: Vec<Level> = self.enter_folder(top)?.into_iter().collect();
        while let Some(Level { folder, reader }) = levels.last_mut() {
            let Some((kind, name)) = reader.next()? else {
                levels.pop();
                continue;
            };
            let Some(below) = self.count_name(folder, name, kind)? else {
                continue;
            };
            if levels.len() == LEVELS_MAX {
                self.remaining.push(below.path);
            } else {
                levels.extend(self.enter_folder(below)?);
            }
        }
        Ok(())
    }

    fn enter_folder(&mut self, folder: Folder) -> Result<Option<Level>, VfsError> {
        if self.home.state.lock().phase == Phase::Closed {
            return Err(VfsError::Stopped);
        }
        self.load_stages(&folder)?;
        if let Some(seen_at) = self.parents.get_mut(&folder.id) {
            *seen_at = Some(folder.path.clone());
        }
        match DirReader::open(&folder) {
            Ok(reader) => Ok(Some(Level { folder, reader })),
            Err(e) => self.skip(&folder.path, e.into()).map(|()| None),
        }
    }

    /// Adds the charge of one name; gives the directory to walk into where it is one.
    fn count_name(
        &mut self,
        folder: &Folder,
        name: &CStr,
        kind: FileType,
    ) -> Result<Option<Folder>, VfsError> {
        if jail::is_staging_name(name.to_bytes()) {
            return Ok(None);
        }
        let stat = match statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if folder.mount.is_staging_dir(&stat) => return Ok(None),
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Ok(None),
            Err(e) => return Err(e.into()),
        };
        self.charge_name(folder, name, &stat);
        let is_directory = kind == FileType::Directory
            || FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
        if !is_directory {
            return Ok(None);
        }
        let path = folder.path.join(OsStr::from_bytes(name.to_bytes()));
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = openat(folder, name, flags, Mode::empty()).map_err(VfsError::from);
        match opened.and_then(|fd| self.home.folder_from_fd(Arc::new(fd), &path)) {
            Ok(below) => Ok(Some(below)),
            Err(e) => self.skip(&path, e).map(|()| None),
        }
    }

    fn charge_name(&mut self, folder: &Folder, name: &CStr, stat: &Stat) {
        let mut staged = None;
        if self.parents.contains_key(&folder.id) {
            let leaf = OsStr::from_bytes(name.to_bytes());
            let stage = StageKey::new(folder.id.inode, leaf);
            let key = NameKey {
                mount: folder.id.mount,
                stage,
            };
            if self.running.contains_key(&key) {
                return;
            }
            staged = self.stages.get_mut(&key).map(|seen| {
                seen.leaf = Some(leaf.to_owned());
                seen.size
            });
        }
        self.used = self.used.plus(charge(Some(stat), staged));
    }

    /// Reads the staging directory of a mount when the walk first enters the mount.
    fn load_stages(&mut self, folder: &Folder) -> Result<(), VfsError> {
        let mount = folder.id.mount;
        if !self.mounts.insert(mount) {
            return Ok(());
        }
        let Some(staging) = folder.mount.staging() else {
            return Ok(());
        };
        staging.for_each(|stage| {
            let seen = SeenStage {
                size: stage.size,
                leaf: None,
            };
            self.stages.insert(
                NameKey {
                    mount,
                    stage: stage.key,
                },
                seen,
            );
            self.parents
                .entry(FolderId {
                    mount,
                    inode: stage.key.parent,
                })
                .or_default();
            Ok(())
        })?;
        self.stagings.insert(mount, staging);
        Ok(())
    }

    /// Adds the charges of stages whose targets have no published file, and corrects all labels.
    fn count_stages(&mut self) -> Result<(), VfsError> {
        for (key, seen) in &self.stages {
            if self.running.contains_key(key) {
                continue;
            }
            let id = FolderId {
                mount: key.mount,
                inode: key.stage.parent,
            };
            let seen_at = self.parents.get(&id).and_then(Option::as_deref);
            let staging = &self.stagings[&key.mount];
            if self.keep_stage(staging, key, seen_at)? {
                let lone = match seen.leaf {
                    Some(_) => Amount::ZERO,
                    None => charge(None, Some(seen.size)),
                };
                self.used = self.used.plus(lone);
            } else {
                staging.remove(key.stage)?;
            }
        }
        Ok(())
    }

    /// Whether a stage is kept, which then has the right label: the walk must have reached its
    /// target's directory (or have skipped some), and the target's name must be known.
    fn keep_stage(
        &self,
        staging: &StagingDir,
        key: &NameKey,
        seen_at: Option<&Path>,
    ) -> Result<bool, VfsError> {
        let Some(folder) = seen_at else {
            return Ok(!self.all_read);
        };
        let label = staging.label(key.stage)?;
        let known = self.stages[key].leaf.as_deref();
        let Some(leaf) = known.or_else(|| label.as_deref()?.file_name()) else {
            return Ok(false);
        };
        let path = folder.join(leaf);
        if label.as_ref() != Some(&path) {
            staging.relabel(key.stage, &path)?;
        }
        Ok(true)
    }

    /// Takes the error of a directory that cannot be entered, or was just removed, for a skipped
    /// one; gives every other error back.
    fn skip(&mut self, path: &Path, error: VfsError) -> Result<(), VfsError> {
        match error {
            VfsError::NotFound | VfsError::NotADirectory => Ok(()),
            VfsError::Forbidden | VfsError::Escapes => {
                log::warn!(
                    "{}: {} is not counted: {error}",
                    self.home.user,
                    path.display()
                );
                self.all_read = false;
                Ok(())
            }
            other => Err(other),
        }
    }
}
