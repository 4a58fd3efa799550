//! Removing names.

use std::path::Path;

use rustix::fs::{AtFlags, OFlags, Stat, unlinkat};
use skiff_quota::Amount;

use crate::entry::{self, Kind};
use crate::home::Home;
use crate::home::charge::{charge, staged};
use crate::home::resolve::Links;
use crate::home::writers::Names;
use crate::jail::folder::Place;
use crate::staging::Staging;
use crate::{VfsError, Worker};

/// What may be removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Removal {
    Any,
    /// Anything but a directory.
    File,
    Directory,
}

impl Home {
    /// Removes a file or an empty directory, with the stages of their names. A name that has only
    /// a stage loses that. A link is removed, not what it leads to.
    pub fn remove(&self, _worker: &Worker, path: &Path) -> Result<(), VfsError> {
        self.remove_what(path, Removal::Any)
    }

    /// Removes a file or a link with its stage, or a lone stage. [`VfsError::IsADirectory`] for a
    /// directory.
    pub fn remove_file(&self, _worker: &Worker, path: &Path) -> Result<(), VfsError> {
        self.remove_what(path, Removal::File)
    }

    /// Removes an empty directory, with the stages of names in it. [`VfsError::NotADirectory`] for
    /// anything else, a link to a directory too.
    pub fn remove_dir(&self, _worker: &Worker, path: &Path) -> Result<(), VfsError> {
        self.remove_what(path, Removal::Directory)
    }

    fn remove_what(&self, path: &Path, what: Removal) -> Result<(), VfsError> {
        let place = self.place(path, Links::Keep)?;
        // Keeps the content alive past the lock: freeing a large file takes its time.
        let doomed = place.open(OFlags::PATH);
        let mut names = self.lock()?;
        names.check_idle(&place.key())?;
        match (place.stat()?, what) {
            (None, Removal::Directory) => return Err(VfsError::NotFound),
            (None, Removal::Any | Removal::File) => self.remove_stage_only(&place)?,
            (Some(stat), _) if entry::kind(&stat) == Kind::Directory => {
                if what == Removal::File {
                    return Err(VfsError::IsADirectory);
                }
                self.remove_directory(&mut names, &place, &stat)?;
            }
            (Some(_), Removal::Directory) => return Err(VfsError::NotADirectory),
            (Some(stat), _) => self.unlink(&place, &stat, AtFlags::empty())?,
        }
        drop(names);
        drop(doomed);
        place.folder.sync(self.policy.durability)
    }

    fn remove_directory(
        &self,
        names: &mut Names,
        place: &Place,
        stat: &Stat,
    ) -> Result<(), VfsError> {
        let id = place.identify()?;
        if let Some(writer) = names.writers.values().find(|w| w.place.folder.id == id) {
            return Err(writer.busy());
        }
        self.unlink(place, stat, AtFlags::REMOVEDIR)?;
        names.moves += 1;
        match place.folder.mount.staging() {
            Some(staging) if staging.count() > 0 => {
                self.noting_drift(self.remove_stages_in(&staging, id.inode))
            }
            _ => Ok(()),
        }
    }

    /// Drops the stages of names in a directory that is no more, before its inode is used anew.
    fn remove_stages_in(&self, staging: &Staging, parent: u64) -> Result<(), VfsError> {
        let mut orphans = Vec::new();
        staging.each(|stage| {
            orphans.extend((stage.key.parent == parent).then_some(stage));
            Ok(())
        })?;
        for stage in orphans {
            staging.remove(stage.key)?;
            self.ledger.shrink(Amount::new(stage.size, 1));
        }
        Ok(())
    }

    /// Removes a name and its stage, and posts it.
    fn unlink(&self, place: &Place, stat: &Stat, flags: AtFlags) -> Result<(), VfsError> {
        let stage = staged(place)?;
        unlinkat(&place.folder, place.leaf(), flags)?;
        self.ledger
            .shrink(charge(Some(stat), stage.as_ref().map(|(_, size)| *size)));
        match stage {
            Some((staging, _)) => self.noting_drift(staging.remove(place.key().stage)),
            None => Ok(()),
        }
    }

    fn remove_stage_only(&self, place: &Place) -> Result<(), VfsError> {
        let (staging, size) = staged(place)?.ok_or(VfsError::NotFound)?;
        staging.remove(place.key().stage)?;
        self.ledger.shrink(charge(None, Some(size)));
        Ok(())
    }
}
