//! Lists, finds and removes the stages of a home: its interrupted and running uploads.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Home;
use super::charge::{find_stage, is_stage_of};
use super::resolve::Links;
use super::writers::HomeState;
use crate::entry::Modified;
use crate::jail::folder::{NameAt, NameKey};
use crate::jail::mount::Mount;
use crate::staging::{Stage, StagingDir};
use crate::{Durability, VfsError, Worker};

/// Stages in one list.
const LISTED_MAX: usize = 10_000;

/// The stage of an interrupted or running upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageInfo {
    /// The target's path, relative to the home.
    pub path: PathBuf,
    /// Bytes of the stage.
    pub size: u64,
    /// When the last byte was written to the stage.
    pub modified: Modified,
}

impl Home {
    /// The stages of this home in the order of their targets' paths, at most 10,000.
    pub fn stages(&self, worker: &Worker) -> Result<Vec<StageInfo>, VfsError> {
        let _acting = self.act(worker)?;
        let mut listed = BTreeMap::new();
        for (mount, staging) in self.staging_dirs() {
            staging.for_each(|stage| {
                let path = self.stage_path(&mount, &staging, stage)?;
                if let Some(path) = path.filter(|_| listed.len() < LISTED_MAX) {
                    listed.insert(path, (stage.size, stage.modified));
                }
                Ok(())
            })?;
        }
        let info = |(path, (size, modified))| StageInfo {
            path,
            size,
            modified,
        };
        Ok(listed.into_iter().map(info).collect())
    }

    /// The stage that an interrupted upload to `name_at` left, where a client that resumes by size
    /// may be told of it; `None` where there is none, or an upload of the name is running: what is
    /// being written is not there yet.
    pub(crate) fn interrupted_stage(&self, name_at: &NameAt) -> Result<Option<Stage>, VfsError> {
        let is_staged = |mount: &Mount| mount.staging().is_some_and(|s| s.count() > 0);
        if !is_staged(&name_at.folder.mount) {
            return Ok(None);
        }
        // Held over the look, so that no upload begins, or is interrupted and cut, in between.
        let state = self.state.lock();
        if state.writers.contains_key(&name_at.key()) {
            return Ok(None);
        }
        let found = find_stage(name_at)?.map(|(_, stage)| stage);
        Ok(found.filter(|stage| stage.told_size() > 0))
    }

    /// Removes the stage of `path`; a published file of that name stays. [`VfsError::NotFound`]
    /// where there is no stage.
    pub fn drop_stage(&self, worker: &Worker, path: &Path) -> Result<(), VfsError> {
        let _acting = self.act(worker)?;
        let name_at = self.resolve_name(path, Links::Follow)?;
        let state = self.lock()?;
        state.check_idle(&name_at.key())?;
        let (staging, stage) = find_stage(&name_at)?.ok_or(VfsError::NotFound)?;
        staging.remove(name_at.key().stage)?;
        self.shrink_staged(&state, stage.size);
        drop(state);
        self.sync_stage_names(&staging)
    }

    /// Makes names in a staging directory durable. A removed stage that came back after a power loss
    /// would be gone on with by an upload of something else.
    pub(crate) fn sync_stage_names(&self, staging: &StagingDir) -> Result<(), VfsError> {
        match self.policy.durability {
            Durability::Fsync => staging.sync(),
            Durability::None => Ok(()),
        }
    }

    /// The stage of `name_at`, which no upload is writing, and its staging directory. What has the
    /// stage's name without being that stage is removed: the stage of a name in a directory that
    /// had the same inode number before, or a file with another name.
    pub(crate) fn claim_stage(
        &self,
        state: &HomeState,
        name_at: &NameAt,
    ) -> Result<Option<(Arc<StagingDir>, Stage)>, VfsError> {
        let Some(staging) = name_at.folder.mount.staging() else {
            return Ok(None);
        };
        let key = name_at.key().stage;
        match staging.find(key)? {
            Some(stage) if is_stage_of(&staging, stage, name_at)? => Ok(Some((staging, stage))),
            Some(other) => {
                self.mark_stale_on_error(staging.remove(key))?;
                self.shrink_staged(state, other.size);
                Ok(None)
            }
            None => Ok(None),
        }
    }

    /// Syncs all stages and says so in their labels; no upload is running. A stage of an upload that
    /// was dropped is not synced yet.
    pub(super) fn sync_stages(&self) -> Result<(), VfsError> {
        for (_, staging) in self.staging_dirs() {
            let mut stages = Vec::new();
            staging.for_each(|stage| {
                stages.push(stage);
                Ok(())
            })?;
            for stage in stages {
                staging.sync_stage(stage)?;
            }
        }
        Ok(())
    }

    /// The target of the stage of `key`; `None` where its label is missing or leads elsewhere.
    pub(super) fn stage_name_at(
        &self,
        staging: &StagingDir,
        key: &NameKey,
    ) -> Result<Option<NameAt>, VfsError> {
        let Some(label) = staging.label(key.stage)? else {
            return Ok(None);
        };
        let is_of = |at: &NameAt| at.key() == *key && label.is_of(at.folder.born, &at.path());
        match self.resolve_name(&label.path, Links::NoFollow) {
            Ok(name_at) => Ok(Some(name_at).filter(is_of)),
            Err(VfsError::Io(e)) => Err(VfsError::Io(e)),
            Err(_) => Ok(None),
        }
    }

    /// The path of a stage's target: from the running upload, else from the label; `None` where the
    /// label is missing.
    fn stage_path(
        &self,
        mount: &Mount,
        staging: &StagingDir,
        stage: Stage,
    ) -> Result<Option<PathBuf>, VfsError> {
        let key = NameKey {
            mount: mount.id,
            stage: stage.key,
        };
        if let Some(writer) = self.state.lock().writers.get(&key) {
            return Ok(Some(writer.name_at.path()));
        }
        Ok(staging.label(stage.key)?.map(|label| label.path))
    }

    /// The staging directories of this home, with the mounts that they are on.
    pub(crate) fn staging_dirs(&self) -> Vec<(Arc<Mount>, Arc<StagingDir>)> {
        let mounts = self.mounts.all().into_iter();
        mounts
            .filter_map(|mount| mount.staging().map(|staging| (mount, staging)))
            .collect()
    }
}
