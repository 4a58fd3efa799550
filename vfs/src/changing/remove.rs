//! Removes files, links and empty directories with unlinkat(2), and their stages.

use std::path::Path;
use std::sync::Arc;

use rustix::fs::{AtFlags, OFlags, Stat};

use crate::entry::{self, Kind};
use crate::home::Home;
use crate::home::charge::published_charge;
use crate::home::resolve::Links;
use crate::home::writers::HomeState;
use crate::jail::folder::NameAt;
use crate::staging::StagingDir;
use crate::syscalls::unlinkat;
use crate::{VfsError, Worker};

/// The staging directory where a stage was removed too, if there was one.
type StageRemoved = Result<Option<Arc<StagingDir>>, VfsError>;

/// Which kinds of files may be removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Removal {
    Any,
    /// Anything but a directory.
    File,
    Directory,
}

impl Home {
    /// Removes the file or empty directory at `path`, with its stage and the stages of names in it.
    /// Where the name has only a stage, that is removed. A link is not followed.
    pub fn remove(&self, worker: &Worker, path: &Path) -> Result<(), VfsError> {
        let _acting = self.act(worker)?;
        self.remove_kind(path, Removal::Any)
    }

    /// Removes the file or link at `path` and its stage, or the stage alone.
    /// [`VfsError::IsADirectory`] for a directory.
    pub fn remove_file(&self, worker: &Worker, path: &Path) -> Result<(), VfsError> {
        let _acting = self.act(worker)?;
        self.remove_kind(path, Removal::File)
    }

    /// Removes the empty directory at `path` and the stages of names in it, or the link there,
    /// wherever it leads. [`VfsError::NotADirectory`] for anything else.
    pub fn remove_dir(&self, worker: &Worker, path: &Path) -> Result<(), VfsError> {
        let _acting = self.act(worker)?;
        self.remove_kind(path, Removal::Directory)
    }

    /// Removes a file by the operator's rule.
    pub(super) fn remove_published(&self, path: &Path) -> Result<(), VfsError> {
        self.remove_kind(path, Removal::File)
    }

    /// Removes a directory that is left empty.
    pub(super) fn remove_empty(&self, path: &Path) -> Result<(), VfsError> {
        self.remove_kind(path, Removal::Directory)
    }

    fn remove_kind(&self, path: &Path, what: Removal) -> Result<(), VfsError> {
        let name_at = self.resolve_name(path, Links::NoFollow)?;
        // With the file open its blocks are freed after the lock: for a large file that takes long.
        let kept_open = name_at.open(OFlags::PATH);
        let mut state = self.lock()?;
        state.check_idle(&name_at.key())?;
        let stage_removed = match (name_at.stat()?, what) {
            (None, Removal::Directory) => return Err(VfsError::NotFound),
            (None, Removal::Any | Removal::File) => self.remove_stage_only(&state, &name_at)?,
            (Some(stat), _) if entry::kind(&stat) == Kind::Directory => {
                if what == Removal::File {
                    return Err(VfsError::IsADirectory);
                }
                self.remove_directory(&mut state, &name_at, &stat)?
            }
            (Some(stat), Removal::Directory) if entry::kind(&stat) != Kind::Link => {
                return Err(VfsError::NotADirectory);
            }
            (Some(stat), _) => self.remove_name(&mut state, &name_at, &stat, AtFlags::empty())?,
        };
        drop(state);
        drop(kept_open);
        name_at.folder.sync(self.policy.durability)?;
        stage_removed.map_or(Ok(()), |staging| self.sync_stage_names(&staging))
    }

    fn remove_directory(
        &self,
        state: &mut HomeState,
        name_at: &NameAt,
        stat: &Stat,
    ) -> StageRemoved {
        let id = name_at.identify()?;
        if let Some(writer) = state.writers.values().find(|w| w.name_at.folder.id == id) {
            return Err(writer.busy_error());
        }
        let stage_removed = self.remove_name(state, name_at, stat, AtFlags::REMOVEDIR)?;
        state.directory_moves += 1;
        state.post_removed(id);
        match name_at.folder.mount.staging() {
            Some(staging) if staging.count() > 0 => {
                self.mark_stale_on_error(self.remove_stages_in(state, &staging, id.inode))?;
                Ok(Some(staging))
            }
            _ => Ok(stage_removed),
        }
    }

    /// Removes the stages of names in a removed directory, before another directory gets its inode
    /// number.
    pub(super) fn remove_stages_in(
        &self,
        state: &HomeState,
        staging: &StagingDir,
        parent: u64,
    ) -> Result<(), VfsError> {
        let mut orphans = Vec::new();
        staging.for_each(|stage| {
            orphans.extend((stage.key.parent == parent).then_some(stage));
            Ok(())
        })?;
        for stage in orphans {
            staging.remove(stage.key)?;
            self.shrink_staged(state, stage.size);
        }
        Ok(())
    }

    /// Removes a name and its stage, and takes their charge off the ledger.
    fn remove_name(
        &self,
        state: &mut HomeState,
        name_at: &NameAt,
        stat: &Stat,
        flags: AtFlags,
    ) -> StageRemoved {
        let stage = self.claim_stage(state, name_at)?;
        unlinkat(&name_at.folder, name_at.leaf(), flags)?;
        self.shrink_published(state, name_at.folder.id, published_charge(stat));
        let Some((staging, stage)) = stage else {
            return Ok(None);
        };
        self.mark_stale_on_error(staging.remove(name_at.key().stage))?;
        self.shrink_staged(state, stage.size);
        Ok(Some(staging))
    }

    fn remove_stage_only(&self, state: &HomeState, name_at: &NameAt) -> StageRemoved {
        let (staging, stage) = self
            .claim_stage(state, name_at)?
            .ok_or(VfsError::NotFound)?;
        staging.remove(name_at.key().stage)?;
        self.shrink_staged(state, stage.size);
        Ok(Some(staging))
    }
}
