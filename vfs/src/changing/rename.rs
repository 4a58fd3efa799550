//! Renaming.

use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{OFlags, Stat, renameat};

use crate::entry::{self, Kind};
use crate::home::Home;
use crate::home::charge::{charge, staged};
use crate::home::resolve::Links;
use crate::home::writers::Names;
use crate::jail::folder::{Place, rename_new};
use crate::{Replace, VfsError, Worker};

impl Home {
    /// Renames a file or directory, with the stages of it and below it. A link is renamed, not
    /// what it leads to. With [`Replace::Existing`] a file replaces a file, whose stage goes too;
    /// nothing else is ever overwritten.
    pub fn rename(
        &self,
        _worker: &Worker,
        from: &Path,
        to: &Path,
        replace: Replace,
    ) -> Result<(), VfsError> {
        let resolve = || Ok((self.place(from, Links::Keep)?, self.place(to, Links::Keep)?));
        let ((from, to), mut names) = self.lock_with(resolve)?;
        names.check_idle(&from.key())?;
        names.check_idle(&to.key())?;
        let doomed = self.rename_locked(&mut names, &from, &to, replace)?;
        drop(names);
        drop(doomed);
        to.folder.sync(self.policy.durability)?;
        if from.folder.id != to.folder.id {
            from.folder.sync(self.policy.durability)?;
        }
        Ok(())
    }

    /// Gives the file that was replaced, to be freed when the lock is.
    fn rename_locked(
        &self,
        names: &mut Names,
        from: &Place,
        to: &Place,
        replace: Replace,
    ) -> Result<Option<OwnedFd>, VfsError> {
        let source = from.stat()?.ok_or(VfsError::NotFound)?;
        match (to.stat()?, replace) {
            (None, _) => self.rename_to_new(names, from, &source, to).map(|()| None),
            (Some(_), Replace::Never) => Err(VfsError::Exists),
            (Some(target), Replace::Existing) => self.rename_over(from, &source, to, &target),
        }
    }

    fn rename_to_new(
        &self,
        names: &mut Names,
        from: &Place,
        source: &Stat,
        to: &Place,
    ) -> Result<(), VfsError> {
        let kind = entry::kind(source);
        if kind == Kind::Directory {
            self.check_idle_below(names, from)?;
        }
        let (carried, met) = (staged(from)?, staged(to)?);
        if carried.is_some() && met.is_some() {
            // Two interrupted uploads cannot share a name, and neither is to be lost unasked.
            return Err(VfsError::Exists);
        }
        rename_new((&from.folder, from.leaf()), (&to.folder, to.leaf()), kind)?;
        let size = |stage: &Option<_>| stage.as_ref().map(|(_, size): &(_, u64)| *size);
        let before = charge(Some(source), size(&carried)).plus(charge(None, size(&met)));
        let after = charge(
            Some(source),
            carried.as_ref().or(met.as_ref()).map(|(_, size)| *size),
        );
        self.ledger.shrink(before.minus(after));
        if let Some((staging, _)) = carried {
            self.noting_drift(staging.rename(from.key().stage, to.key().stage, &to.path()))?;
        }
        if kind == Kind::Directory {
            names.moves += 1;
            self.relabel_below(&from.path(), &to.path());
        }
        Ok(())
    }

    /// Renames a file over a file.
    fn rename_over(
        &self,
        from: &Place,
        source: &Stat,
        to: &Place,
        target: &Stat,
    ) -> Result<Option<OwnedFd>, VfsError> {
        let files = [source, target].map(entry::kind) == [Kind::File, Kind::File];
        if files && from.key() == to.key() {
            return Ok(None);
        }
        // rename(2) does nothing where both are names of one file.
        let unique = |stat: &Stat| (stat.st_dev, stat.st_ino);
        if !files || unique(source) == unique(target) {
            return Err(VfsError::Exists);
        }
        // Keeps the content alive past the lock: freeing a large file takes its time.
        let doomed = to.open(OFlags::PATH).ok();
        let (carried, met) = (staged(from)?, staged(to)?);
        renameat(&from.folder, from.leaf(), &to.folder, to.leaf())?;
        self.ledger
            .shrink(charge(Some(target), met.as_ref().map(|(_, size)| *size)));
        if let Some((staging, _)) = met {
            self.noting_drift(staging.remove(to.key().stage))?;
        }
        if let Some((staging, _)) = carried {
            self.noting_drift(staging.rename(from.key().stage, to.key().stage, &to.path()))?;
        }
        Ok(doomed)
    }

    /// Refuses a directory that something below is being written into.
    fn check_idle_below(&self, names: &Names, place: &Place) -> Result<(), VfsError> {
        if names.writers.is_empty() {
            return Ok(());
        }
        let id = place.identify()?;
        for writer in names.writers.values() {
            if self.mounts.is_below(&*writer.place.folder, id)? {
                return Err(writer.busy());
            }
        }
        Ok(())
    }

    /// Brings the labels of stages below a renamed directory up to date. Labels name stages to
    /// people and find what they are for; one that cannot be written is put right by a scan.
    fn relabel_below(&self, from: &Path, to: &Path) {
        for staging in self.mounts.all().iter().filter_map(|mount| mount.staging()) {
            if staging.count() == 0 {
                continue;
            }
            let moved = staging.each(|stage| {
                let Some(label) = staging.label(stage.key)? else {
                    return Ok(());
                };
                match label.strip_prefix(from) {
                    Ok(below) => staging.relabel(stage.key, &to.join(below)),
                    Err(_) => Ok(()),
                }
            });
            if let Err(e) = self.noting_drift(moved) {
                log::warn!(
                    "{}: stages below a renamed directory keep old names: {e}",
                    self.user
                );
            }
        }
    }
}
