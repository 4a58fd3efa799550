//! Counting a home from its files: at the first start, after a crash, and to heal a drift.
//!
//! While a scan runs no name changes but those of uploads that were already running. Their names
//! are left out of the walk and added under the lock at its end, as they are then.

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
use super::writers::{Gate, Writer};
use crate::dir_reader::DirReader;
use crate::jail;
use crate::jail::folder::{Folder, NameKey};
use crate::jail::mount::{FolderId, MountId};
use crate::staging::{StageKey, Staging};
use crate::{VfsError, Worker};

/// Directories held open at once; what lies deeper is walked after.
const LEVELS_MAX: usize = 64;

type Running = HashMap<NameKey, Arc<Writer>>;

impl Home {
    /// Whether the ledger does not know, or no longer knows for sure, what the home holds.
    pub fn needs_scan(&self) -> bool {
        let gate = self.names.lock().gate;
        gate == Gate::Unknown || (gate == Gate::Open && self.drifted.load(Ordering::Relaxed))
    }

    /// Counts the home and sets the ledger right. Reading goes on meanwhile, changes are answered
    /// with [`VfsError::Scanning`]. Stages whose directory is gone are dropped.
    pub fn scan(&self, _worker: &Worker) -> Result<Usage, VfsError> {
        let (before, running) = self.begin_scan()?;
        let counted = Count::new(self, &running).and_then(Count::finish);
        self.end_scan(before, &running, counted)?;
        Ok(self.usage())
    }

    fn begin_scan(&self) -> Result<(Gate, Running), VfsError> {
        let mut names = self.names.lock();
        match names.gate {
            Gate::Scanning => return Err(VfsError::Scanning),
            Gate::Closed => return Err(VfsError::Stopped),
            Gate::Unknown | Gate::Open => {}
        }
        self.drifted.store(false, Ordering::Relaxed);
        let before = std::mem::replace(&mut names.gate, Gate::Scanning);
        Ok((before, names.writers.clone()))
    }

    fn end_scan(
        &self,
        before: Gate,
        running: &Running,
        counted: Result<Amount, VfsError>,
    ) -> Result<(), VfsError> {
        let mut names = self.names.lock();
        if names.gate == Gate::Closed {
            return Err(VfsError::Stopped);
        }
        names.gate = before;
        let mut used = self.noting_drift(counted)?;
        for (key, writer) in running {
            let still = names
                .writers
                .get(key)
                .is_some_and(|now| Arc::ptr_eq(now, writer));
            used = used.plus(match still {
                true => writer.charged,
                false => {
                    self.charge_of(&writer.place, writer.place.stat()?.as_ref())?
                        .0
                }
            });
        }
        self.ledger.set_used(used);
        names.gate = Gate::Open;
        Ok(())
    }
}

/// A stage seen by the walk.
struct Seen {
    size: u64,
    /// The name it is for, where something published has it: counted with that.
    leaf: Option<OsString>,
}

/// A walk over a home.
struct Count<'a> {
    home: &'a Home,
    running: &'a Running,
    used: Amount,
    stages: HashMap<NameKey, Seen>,
    stagings: HashMap<MountId, Arc<Staging>>,
    mounts: HashSet<MountId>,
    /// Directories that stages or running uploads are for, and where they were met.
    parents: HashMap<FolderId, Option<PathBuf>>,
    /// Whether every directory could be read.
    complete: bool,
    deeper: Vec<PathBuf>,
}

struct Level {
    folder: Folder,
    reader: DirReader,
}

impl<'a> Count<'a> {
    fn new(home: &'a Home, running: &'a Running) -> Result<Self, VfsError> {
        let parent = |writer: &Arc<Writer>| (writer.place.folder.id, None);
        Ok(Self {
            home,
            running,
            used: Amount::ZERO,
            stages: HashMap::new(),
            stagings: HashMap::new(),
            mounts: HashSet::new(),
            parents: running.values().map(parent).collect(),
            complete: true,
            deeper: vec![PathBuf::new()],
        })
    }

    /// Walks the home and says what it holds, running uploads left out.
    fn finish(mut self) -> Result<Amount, VfsError> {
        while let Some(path) = self.deeper.pop() {
            match self.home.folder(&path) {
                Ok(folder) => self.walk(folder)?,
                Err(e) => self.skip(&path, e)?,
            }
        }
        self.count_stages()?;
        Ok(self.used)
    }

    fn walk(&mut self, top: Folder) -> Result<(), VfsError> {
        let mut levels: Vec<Level> = self.enter(top)?.into_iter().collect();
        while let Some(Level { folder, reader }) = levels.last_mut() {
            let Some((kind, name)) = reader.next()? else {
                levels.pop();
                continue;
            };
            let Some(below) = self.count(folder, name, kind)? else {
                continue;
            };
            if levels.len() == LEVELS_MAX {
                self.deeper.push(below.path);
            } else {
                levels.extend(self.enter(below)?);
            }
        }
        Ok(())
    }

    fn enter(&mut self, folder: Folder) -> Result<Option<Level>, VfsError> {
        if self.home.names.lock().gate == Gate::Closed {
            return Err(VfsError::Stopped);
        }
        self.load_stages(&folder)?;
        if let Some(met) = self.parents.get_mut(&folder.id) {
            *met = Some(folder.path.clone());
        }
        match DirReader::open(&folder) {
            Ok(reader) => Ok(Some(Level { folder, reader })),
            Err(e) => self.skip(&folder.path, e.into()).map(|()| None),
        }
    }

    /// Counts one name; gives the directory to walk into, if it is one.
    fn count(
        &mut self,
        folder: &Folder,
        name: &CStr,
        kind: FileType,
    ) -> Result<Option<Folder>, VfsError> {
        if jail::is_staging(name.to_bytes()) {
            return Ok(None);
        }
        let stat = match statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if folder.mount.hides(&stat) => return Ok(None),
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Ok(None),
            Err(e) => return Err(e.into()),
        };
        self.charge(folder, name, &stat);
        let is_directory = kind == FileType::Directory
            || FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
        if !is_directory {
            return Ok(None);
        }
        let path = folder.path.join(OsStr::from_bytes(name.to_bytes()));
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = openat(folder, name, flags, Mode::empty()).map_err(VfsError::from);
        match opened.and_then(|fd| self.home.adopt(Arc::new(fd), &path)) {
            Ok(below) => Ok(Some(below)),
            Err(e) => self.skip(&path, e).map(|()| None),
        }
    }

    fn charge(&mut self, folder: &Folder, name: &CStr, stat: &Stat) {
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

    /// Learns the stages of a file system when the walk first comes upon it.
    fn load_stages(&mut self, folder: &Folder) -> Result<(), VfsError> {
        let mount = folder.id.mount;
        if !self.mounts.insert(mount) {
            return Ok(());
        }
        let Some(staging) = folder.mount.staging() else {
            return Ok(());
        };
        staging.each(|stage| {
            let seen = Seen {
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

    /// Counts the stages whose names have nothing published, and puts all labels right.
    fn count_stages(&mut self) -> Result<(), VfsError> {
        for (key, seen) in &self.stages {
            if self.running.contains_key(key) {
                continue;
            }
            let id = FolderId {
                mount: key.mount,
                inode: key.stage.parent,
            };
            let met = self.parents.get(&id).and_then(Option::as_deref);
            let staging = &self.stagings[&key.mount];
            if self.keeps(staging, key, met)? {
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

    /// Whether a stage stays: its directory must be there (or may be, where some could not be
    /// read), and its name known. Its label is put right.
    fn keeps(
        &self,
        staging: &Staging,
        key: &NameKey,
        met: Option<&Path>,
    ) -> Result<bool, VfsError> {
        let Some(folder) = met else {
            return Ok(!self.complete);
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

    /// Goes on without a directory that cannot be entered or has just gone.
    fn skip(&mut self, path: &Path, error: VfsError) -> Result<(), VfsError> {
        match error {
            VfsError::NotFound | VfsError::NotADirectory => Ok(()),
            VfsError::Forbidden | VfsError::Escapes => {
                log::warn!(
                    "{}: {} is not counted: {error}",
                    self.home.user,
                    path.display()
                );
                self.complete = false;
                Ok(())
            }
            other => Err(other),
        }
    }
}
