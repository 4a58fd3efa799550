//! Appends to the published file itself (APPE, and REST at its end). Until the upload is confirmed
//! the appended bytes can be cut off again; the bytes before them are never written.

use std::sync::Arc;
use std::time::SystemTime;

use rustix::fs::{Stat, fstat, futimens};

use super::publish::{Step, before_step};
use super::{Target, Upload};
use crate::entry::{self, Modified, timestamps};
use crate::home::Home;
use crate::home::charge::Charge;
use crate::{Digest, Published, VfsError, digest};

/// The published file as it was before the upload, and the name's stage.
#[derive(Clone, Copy, Debug)]
pub(super) struct InPlace {
    /// Bytes of the published file.
    size: u64,
    modified: Modified,
    /// Bytes of the stage that the name has too, which the upload does not touch.
    staged: Option<u64>,
}

impl InPlace {
    pub(super) fn new(stat: &Stat, staged: Option<u64>) -> Self {
        Self {
            size: entry::size(stat),
            modified: entry::modified(stat),
            staged,
        }
    }

    /// The charge of the name where its published file has `size` bytes.
    fn charge(self, size: u64) -> Charge {
        Charge::of_sizes(Some(size), self.staged)
    }
}

impl Upload {
    /// Syncs and confirms what was appended. After an error the upload is still open, and the
    /// appended bytes are cut off when it ends.
    pub(super) fn publish_in_place(
        &mut self,
        was: InPlace,
        digest: Option<Digest>,
        modified: Option<SystemTime>,
    ) -> Result<Published, VfsError> {
        before_step(Step::SetAttributes)?;
        if let Some(modified) = modified {
            futimens(&self.file, &timestamps(modified.into()))?;
        }
        let stat = fstat(&self.file)?;
        if let Some(digest) = digest {
            digest::store(&self.file, &stat, &digest.into())?;
        }
        let home = Arc::clone(self.guard.home());
        self.sync_data(home.policy.durability)?;
        self.check_stop_flag()?;
        let mut state = home.state.lock();
        before_step(Step::Charge)?;
        home.mark_stale_on_error(self.check_still_named(&stat))?;
        self.guard.settle(&mut state, was.charge(self.len));
        Ok(Published {
            size: entry::size(&stat),
            modified: entry::modified(&stat),
        })
    }

    /// [`VfsError::NotFound`] where the name has another file now than the one appended to:
    /// somebody outside the daemon has replaced it.
    fn check_still_named(&self, appended: &Stat) -> Result<(), VfsError> {
        let now = self.guard.writer.name_at.stat()?;
        let unique = |stat: &Stat| (stat.st_dev, stat.st_ino);
        match now.filter(|now| unique(now) == unique(appended)) {
            Some(_) => Ok(()),
            None => Err(VfsError::NotFound),
        }
    }

    /// Ends the upload and cuts off what was appended.
    pub(super) fn end_append(&mut self, home: &Home, was: InPlace) -> Result<(), VfsError> {
        let mut state = home.state.lock();
        let cut = home.mark_stale_on_error(self.undo_append(was));
        self.guard.settle(&mut state, was.charge(self.len));
        cut
    }

    /// Cuts off what was appended and restores the mtime.
    pub(super) fn undo_append(&mut self, was: InPlace) -> Result<(), VfsError> {
        self.truncate(was.size)?;
        // Fails where the file has another owner: then the new mtime stays.
        let _ = futimens(&self.file, &timestamps(was.modified));
        Ok(())
    }

    /// The published file as it was, if this upload appends to it.
    pub(super) fn in_place(&self) -> Option<InPlace> {
        match self.target {
            Target::InPlace(was) => Some(was),
            Target::Stage { .. } => None,
        }
    }
}
