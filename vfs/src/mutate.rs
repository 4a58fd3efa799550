//! Making, removing and renaming: what changes names and no content.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::atomic::Ordering;

use rustix::fs::{AtFlags, Gid, Mode, OFlags, Stat, fchmod, fchown, mkdirat, renameat, unlinkat};
use skiff_quota::Amount;

use crate::account::{Names, charge, staged};
use crate::entry::{self, Kind};
use crate::folder::{Links, Place, rename_new};
use crate::home::Home;
use crate::staging::Staging;
use crate::{Replace, VfsError, Worker};

/// What may be removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Removal {
    Any,
    /// Anything but a directory.
    File,
    Directory,
}

impl Home {
    /// Makes a directory.
    pub fn make_dir(&self, _worker: &Worker, path: &Path) -> Result<(), VfsError> {
        let place = self.place(path, Links::Keep)?;
        let reservation = self.reserve(Amount::new(0, 1))?;
        let names = self.lock()?;
        names.check_idle(&place.key())?;
        let (before, _) = self.charge_of(&place, place.stat()?.as_ref())?;
        mkdirat(
            &place.folder,
            place.leaf(),
            Mode::from_raw_mode(self.policy.dir_mode),
        )?;
        reservation.commit(Amount::new(0, 1).minus(before));
        drop(names);
        self.dress_directory(&place);
        place.folder.sync(self.policy.durability)
    }

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

    /// Remembers that a failure left the ledger behind the disk: the next scan heals it.
    pub(crate) fn noting_drift<T>(&self, result: Result<T, VfsError>) -> Result<T, VfsError> {
        if result.is_err() {
            self.drifted.store(true, Ordering::Relaxed);
        }
        result
    }

    /// Gives a new directory its exact mode, whatever the process's umask, and its group. It is
    /// usable without either, so failures are told to the log only.
    fn dress_directory(&self, place: &Place) {
        let dressed = place
            .open(OFlags::RDONLY | OFlags::DIRECTORY)
            .and_then(|folder| {
                if let Some(group) = self.policy.group {
                    fchown(&folder, None, Some(Gid::from_raw(group)))?;
                }
                let stat = rustix::fs::fstat(&folder)?;
                let mode = self.policy.dir_mode & 0o777 | stat.st_mode & 0o2000;
                if stat.st_mode & 0o7777 != mode {
                    fchmod(&folder, Mode::from_raw_mode(mode))?;
                }
                Ok(())
            });
        if let Err(e) = dressed {
            log::warn!(
                "{}: a new directory keeps the system's mode or group: {e}",
                self.user
            );
        }
    }
}
