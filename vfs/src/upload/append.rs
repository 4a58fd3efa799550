//! Appending in place: bytes go behind the published file itself, and until the end is confirmed
//! they can be cut off again. What was there is never touched.

use std::sync::Arc;
use std::time::SystemTime;

use rustix::fs::{Stat, fstat, futimens};
use skiff_quota::Amount;

use super::publish::{Step, about_to};
use super::{Target, Upload};
use crate::entry::{self, Modified, times};
use crate::home::Home;
use crate::{Digest, Published, VfsError, digest};

/// The published file as it was, and what its name is charged beside it.
#[derive(Clone, Copy, Debug)]
pub(super) struct InPlace {
    size: u64,
    modified: Modified,
    /// Bytes of the stage that the name has too; it stays as it is.
    staged: u64,
}

impl InPlace {
    pub(super) fn new(stat: &Stat, staged: u64) -> Self {
        Self {
            size: entry::size(stat),
            modified: entry::modified(stat),
            staged,
        }
    }

    fn charge(self, size: u64) -> Amount {
        Amount::new(size.max(self.staged), 1)
    }
}

impl Upload {
    /// Confirms what was appended. After an error the upload is still open, and its end cuts.
    pub(super) fn publish_in_place(
        &mut self,
        was: InPlace,
        digest: Option<Digest>,
        modified: Option<SystemTime>,
    ) -> Result<Published, VfsError> {
        about_to(Step::Dress)?;
        if let Some(modified) = modified {
            futimens(&self.file, &times(modified.into()))?;
        }
        let stat = fstat(&self.file)?;
        if let Some(digest) = digest {
            digest::remember(&self.file, &stat, &digest.into())?;
        }
        let home = Arc::clone(self.hold.home());
        self.sync_data(home.policy.durability)?;
        self.check_wanted()?;
        let mut names = home.names.lock();
        about_to(Step::Post)?;
        home.noting_drift(self.check_named(&stat))?;
        self.hold.settle(&mut names, was.charge(self.len));
        Ok(Published {
            size: entry::size(&stat),
            modified: entry::modified(&stat),
        })
    }

    /// Whether the name still has the file that was appended to, but for the daemon's doing.
    fn check_named(&self, appended: &Stat) -> Result<(), VfsError> {
        let now = self.hold.writer.place.stat()?;
        let unique = |stat: &Stat| (stat.st_dev, stat.st_ino);
        match now.filter(|now| unique(now) == unique(appended)) {
            Some(_) => Ok(()),
            None => Err(VfsError::NotFound),
        }
    }

    /// Cuts the file back to what it was.
    pub(super) fn end_in_place(&mut self, home: &Home, was: InPlace) -> Result<(), VfsError> {
        let mut names = home.names.lock();
        let cut = home.noting_drift(self.cut_back(was));
        self.hold.settle(&mut names, was.charge(self.len));
        cut
    }

    pub(super) fn cut_back(&mut self, was: InPlace) -> Result<(), VfsError> {
        self.cut(was.size)?;
        // The content is what it was, and so is its time, where it is ours to set.
        let _ = futimens(&self.file, &times(was.modified));
        Ok(())
    }

    pub(super) fn in_place(&self) -> Option<InPlace> {
        match self.target {
            Target::InPlace(was) => Some(was),
            Target::Stage { .. } => None,
        }
    }
}
