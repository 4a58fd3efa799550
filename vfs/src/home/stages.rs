//! The stages of a home.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Home;
use super::charge::{charge, staged};
use super::resolve::Links;
use crate::entry::Modified;
use crate::jail::folder::{NameKey, Place};
use crate::jail::mount::Mount;
use crate::staging::{Stage, Staging};
use crate::{VfsError, Worker};

/// Stages told to one question.
const TOLD_MAX: usize = 10_000;

/// An upload that is interrupted or runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageInfo {
    /// The target, relative to the home.
    pub path: PathBuf,
    /// Bytes staged.
    pub size: u64,
    /// When the last byte was written.
    pub modified: Modified,
}

impl Home {
    /// The stages of this home, by path, at most 10,000 of them.
    pub fn stages(&self, _worker: &Worker) -> Result<Vec<StageInfo>, VfsError> {
        let mut told = BTreeMap::new();
        for (mount, staging) in self.stagings() {
            staging.each(|stage| {
                let path = self.target(&mount, &staging, stage)?;
                if let Some(path) = path.filter(|_| told.len() < TOLD_MAX) {
                    told.insert(path, (stage.size, stage.modified));
                }
                Ok(())
            })?;
        }
        let info = |(path, (size, modified))| StageInfo {
            path,
            size,
            modified,
        };
        Ok(told.into_iter().map(info).collect())
    }

    /// The stage of `path`, whether it runs or not.
    pub fn stage(&self, _worker: &Worker, path: &Path) -> Result<Option<StageInfo>, VfsError> {
        let place = self.place(path, Links::Follow)?;
        let Some(staging) = place.folder.mount.staging() else {
            return Ok(None);
        };
        let found = staging.find(place.key().stage)?;
        let info = |stage: Stage| StageInfo {
            path: place.path(),
            size: stage.size,
            modified: stage.modified,
        };
        Ok(found.map(info))
    }

    /// Drops the stage of `path`; a published file of that name stays.
    pub fn drop_stage(&self, _worker: &Worker, path: &Path) -> Result<(), VfsError> {
        let place = self.place(path, Links::Follow)?;
        let names = self.lock()?;
        names.check_idle(&place.key())?;
        let (staging, size) = staged(&place)?.ok_or(VfsError::NotFound)?;
        let published = place.stat()?;
        staging.remove(place.key().stage)?;
        let before = charge(published.as_ref(), Some(size));
        self.ledger
            .shrink(before.minus(charge(published.as_ref(), None)));
        Ok(())
    }

    /// The place a stage is for, if its label still leads there.
    pub(super) fn target_place(
        &self,
        staging: &Staging,
        key: &NameKey,
    ) -> Result<Option<Place>, VfsError> {
        let Some(path) = staging.label(key.stage)? else {
            return Ok(None);
        };
        match self.place(&path, Links::Keep) {
            Ok(place) => Ok(Some(place).filter(|place| place.key() == *key)),
            Err(VfsError::Io(e)) => Err(VfsError::Io(e)),
            Err(_) => Ok(None),
        }
    }

    /// The path a stage is for: from its label, or from the upload that runs.
    fn target(
        &self,
        mount: &Mount,
        staging: &Staging,
        stage: Stage,
    ) -> Result<Option<PathBuf>, VfsError> {
        let key = NameKey {
            mount: mount.id,
            stage: stage.key,
        };
        if let Some(writer) = self.names.lock().writers.get(&key) {
            return Ok(Some(writer.place.path()));
        }
        staging.label(stage.key)
    }

    pub(crate) fn stagings(&self) -> Vec<(Arc<Mount>, Arc<Staging>)> {
        let mounts = self.mounts.all().into_iter();
        mounts
            .filter_map(|mount| mount.staging().map(|staging| (mount, staging)))
            .collect()
    }
}
