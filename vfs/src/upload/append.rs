//! Appends to the published file itself (APPE, and REST at its end). Until the upload is confirmed
//! the appended bytes can be cut off again; the bytes before them are never written.
//!
//! Before the first byte the length of the file is recorded in the staging directory, and the
//! record goes when all bytes are synced, before the client is told: a daemon that finds a record
//! when it starts cuts the file (`staging/recovery.rs`).

use std::sync::Arc;
use std::time::SystemTime;

use rustix::fs::Stat;

use super::checkpoint::Syncing;
use super::publish::{Step, before_step};
use super::{Target, Upload};
use crate::entry::{self, Modified, timestamps};
use crate::home::Home;
use crate::home::charge::Charge;
use crate::staging::recovery::AppendRecord;
use crate::syscalls::{fstat, fsync, futimens};
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
        before_step(Step::RemoveRecord)?;
        self.remove_record(was)?;
        let mut state = home.state.lock();
        before_step(Step::Charge)?;
        home.mark_stale_on_error(self.check_still_named(&stat))?;
        self.guard.settle(&mut state, was.charge(self.len));
        Ok(Published {
            size: entry::size(&stat),
            modified: entry::modified(&stat),
        })
    }

    /// Records the file's length durably. On a file system without hard links nothing is recorded:
    /// there a crash leaves what came until then.
    pub(super) fn record_append(&mut self) -> Result<(), VfsError> {
        let Some(was) = self.in_place() else {
            return Ok(());
        };
        let name_at = &self.guard.writer.name_at;
        let place = (&*name_at.folder, name_at.leaf());
        if !self
            .staging
            .record_append(place, &self.file, &self.record(was))?
        {
            log::warn!(
                "{}: an append is not recorded, as the file system has no hard links: a crash \
                 would leave a part of it",
                self.user()
            );
            return Ok(());
        }
        let synced = self.guard.home().sync_stage_names(&self.staging);
        if synced.is_err() {
            // It would cut what others append, at the next start.
            let _ = self.staging.remove_record(&self.record(was));
        }
        synced
    }

    /// Removes the record durably.
    fn remove_record(&self, was: InPlace) -> Result<(), VfsError> {
        self.staging.remove_record(&self.record(was))?;
        self.guard.home().sync_stage_names(&self.staging)
    }

    fn record(&self, was: InPlace) -> AppendRecord {
        AppendRecord {
            key: self.key().stage,
            size: was.size,
            modified: was.modified,
        }
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

    /// Ends the upload and cuts off what was appended. The cut is on the disk before the record goes:
    /// Btrfs may keep the removal of the one and not the other, when any upload syncs the staging
    /// directory.
    pub(super) fn end_append(
        &mut self,
        home: &Home,
        was: InPlace,
        sync: Syncing,
    ) -> Result<(), VfsError> {
        let had_more = self.len != was.size;
        let mut cut = home.mark_stale_on_error(self.undo_append(was));
        if sync == Syncing::Now && had_more && self.is_to_be_synced() {
            cut = cut.and_then(|()| Ok(fsync(&self.file)?));
        }
        // Where that failed, the next start cuts the file.
        let unrecorded = match cut {
            Ok(()) => self.staging.remove_record(&self.record(was)),
            Err(_) => Ok(()),
        };
        self.guard
            .settle(&mut home.state.lock(), was.charge(self.len));
        cut.and(unrecorded)
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
