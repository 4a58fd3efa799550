//! Renames files and directories with renameat2(2), and their stages.

use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{OFlags, Stat};
use rustix::io::Errno;
use skiff_quota::Amount;

use super::path_length::check_paths_below;
use crate::entry::{self, Kind};
use crate::home::Home;
use crate::home::charge::published_charge;
use crate::home::resolve::Links;
use crate::home::writers::HomeState;
use crate::jail::folder::{NameAt, rename_noreplace};
use crate::staging::StagingDir;
use crate::syscalls::renameat;
use crate::{Replace, VfsError, Worker};

impl Home {
    /// Renames a file or directory, with its stage and the stages of names below it. A link is not
    /// followed. With [`Replace::Existing`] a file replaces a file, and a directory an empty
    /// directory, whose stages are removed; everything else that has the name `to` gives
    /// [`VfsError::Exists`], a directory that is not empty [`VfsError::NotEmpty`].
    /// [`VfsError::NameTooLong`] where a path would have more than 4095 bytes, also below a directory.
    pub fn rename(
        &self,
        worker: &Worker,
        from: &Path,
        to: &Path,
        replace: Replace,
    ) -> Result<(), VfsError> {
        let _acting = self.act(worker)?;
        let resolve = || {
            let from = self.resolve_name(from, Links::NoFollow)?;
            let to = self.resolve_name(to, Links::NoFollow)?;
            check_paths_below(worker, &from, &to)?;
            Ok((from, to))
        };
        let ((from, to), mut state) = self.resolve_and_lock(resolve)?;
        state.check_idle(&from.key())?;
        state.check_idle(&to.key())?;
        let kept_open = self.rename_locked(&mut state, &from, &to, replace)?;
        drop(state);
        drop(kept_open);
        to.folder.sync(self.policy.durability)?;
        if from.folder.id != to.folder.id {
            from.folder.sync(self.policy.durability)?;
        }
        Ok(())
    }

    /// Renames under the lock. Gives the replaced file, open, so that its blocks are freed after
    /// the lock.
    fn rename_locked(
        &self,
        state: &mut HomeState,
        from: &NameAt,
        to: &NameAt,
        replace: Replace,
    ) -> Result<Option<OwnedFd>, VfsError> {
        let source = from.stat()?.ok_or(VfsError::NotFound)?;
        match (to.stat()?, replace) {
            (None, _) => self
                .rename_to_free_name(state, from, &source, to)
                .map(|()| None),
            (Some(_), Replace::Never) => Err(VfsError::Exists),
            (Some(target), Replace::Existing) => {
                self.rename_over(state, (from, &source), (to, &target))
            }
        }
    }

    /// Renames to a name that no file has.
    fn rename_to_free_name(
        &self,
        state: &mut HomeState,
        from: &NameAt,
        source: &Stat,
        to: &NameAt,
    ) -> Result<(), VfsError> {
        let kind = entry::kind(source);
        if kind == Kind::Directory {
            self.check_idle_below(state, from)?;
        }
        let (from_stage, to_stage) = (self.claim_stage(state, from)?, self.claim_stage(state, to)?);
        if from_stage.is_some() && to_stage.is_some() {
            // A name has one stage, and neither of these is to be lost unasked.
            return Err(VfsError::Exists);
        }
        rename_noreplace((&from.folder, from.leaf()), (&to.folder, to.leaf()), kind)?;
        post_renamed(state, from, source, to);
        if kind == Kind::Directory {
            self.note_moved(state, to)?;
        }
        if let Some((staging, _)) = from_stage {
            self.mark_stale_on_error(rename_stage(&staging, from, to))?;
        }
        if kind == Kind::Directory {
            self.relabel_below(&from.path(), &to.path());
        }
        Ok(())
    }

    /// Notes that a directory was moved to `to`, also for a count that is under way.
    fn note_moved(&self, state: &mut HomeState, to: &NameAt) -> Result<(), VfsError> {
        state.directory_moves += 1;
        if state.is_counting() {
            state.post_moved(self.mark_stale_on_error(to.identify())?, to);
        }
        Ok(())
    }

    /// Renames a file over a file, or a directory over an empty one.
    fn rename_over(
        &self,
        state: &mut HomeState,
        (from, source): (&NameAt, &Stat),
        (to, target): (&NameAt, &Stat),
    ) -> Result<Option<OwnedFd>, VfsError> {
        let kinds = [source, target].map(entry::kind);
        let alike = kinds == [Kind::File; 2] || kinds == [Kind::Directory; 2];
        if alike && from.key() == to.key() {
            return Ok(None);
        }
        // rename(2) does nothing where both are names of one file.
        let unique = |stat: &Stat| (stat.st_dev, stat.st_ino);
        if !alike || unique(source) == unique(target) {
            return Err(VfsError::Exists);
        }
        if kinds == [Kind::Directory; 2] {
            return self.rename_over_directory(state, (from, source), (to, target));
        }
        // With the file open its blocks are freed after the lock: for a large file that takes long.
        let kept_open = to.open(OFlags::PATH).ok();
        let (from_stage, to_stage) = (self.claim_stage(state, from)?, self.claim_stage(state, to)?);
        renameat(&from.folder, from.leaf(), &to.folder, to.leaf())?;
        self.shrink_published(state, to.folder.id, published_charge(target));
        post_renamed(state, from, source, to);
        if let Some((staging, stage)) = to_stage {
            self.mark_stale_on_error(staging.remove(to.key().stage))?;
            self.shrink_staged(state, stage.size);
        }
        if let Some((staging, _)) = from_stage {
            self.mark_stale_on_error(rename_stage(&staging, from, to))?;
        }
        Ok(kept_open)
    }

    /// Renames a directory over an empty one, in which no upload may be running.
    fn rename_over_directory(
        &self,
        state: &mut HomeState,
        (from, source): (&NameAt, &Stat),
        (to, target): (&NameAt, &Stat),
    ) -> Result<Option<OwnedFd>, VfsError> {
        self.check_idle_below(state, from)?;
        self.check_idle_below(state, to)?;
        let replaced = to.identify()?;
        let (from_stage, to_stage) = (self.claim_stage(state, from)?, self.claim_stage(state, to)?);
        match renameat(&from.folder, from.leaf(), &to.folder, to.leaf()) {
            // A directory was to be moved into itself.
            Err(Errno::INVAL) => return Err(VfsError::IntoItself),
            other => other?,
        }
        self.shrink_published(state, to.folder.id, published_charge(target));
        post_renamed(state, from, source, to);
        state.post_removed(replaced);
        self.note_moved(state, to)?;
        if let Some(staging) = to.folder.mount.staging() {
            self.mark_stale_on_error(self.remove_stages_in(state, &staging, replaced.inode))?;
        }
        if let Some((staging, stage)) = to_stage {
            self.mark_stale_on_error(staging.remove(to.key().stage))?;
            self.shrink_staged(state, stage.size);
        }
        if let Some((staging, _)) = from_stage {
            self.mark_stale_on_error(rename_stage(&staging, from, to))?;
        }
        self.relabel_below(&from.path(), &to.path());
        Ok(None)
    }

    /// [`VfsError::Busy`] where an upload to a name below the directory is running.
    fn check_idle_below(&self, state: &HomeState, name_at: &NameAt) -> Result<(), VfsError> {
        if state.writers.is_empty() {
            return Ok(());
        }
        let id = name_at.identify()?;
        for writer in state.writers.values() {
            if self.mounts.is_below(&*writer.name_at.folder, id)? {
                return Err(writer.busy_error());
            }
        }
        Ok(())
    }

    /// Corrects the labels of stages below a renamed directory. A label that cannot be written is
    /// corrected by the next scan.
    fn relabel_below(&self, from: &Path, to: &Path) {
        for staging in self.mounts.all().iter().filter_map(|mount| mount.staging()) {
            if staging.count() == 0 {
                continue;
            }
            let moved = staging.for_each(|stage| {
                let Some(label) = staging.label(stage.key)? else {
                    return Ok(());
                };
                match label.path.strip_prefix(from) {
                    Ok(below) => staging.relabel(stage.key, &to.join(below), label.born),
                    Err(_) => Ok(()),
                }
            });
            if let Err(e) = self.mark_stale_on_error(moved) {
                log::warn!(
                    "{}: stages below a renamed directory keep old names: {e}",
                    self.user
                );
            }
        }
    }
}

/// Renames the stage of `from` to that of `to`, and replaces one that is there.
fn rename_stage(staging: &StagingDir, from: &NameAt, to: &NameAt) -> Result<(), VfsError> {
    let (from, to_key) = (from.key().stage, to.key().stage);
    staging.rename(from, to_key, (&to.path(), to.folder.born))
}

/// Tells a running count that what was published as `from` is published as `to`.
fn post_renamed(state: &mut HomeState, from: &NameAt, source: &Stat, to: &NameAt) {
    let charge = published_charge(source);
    state.post(from.folder.id, charge, Amount::ZERO);
    state.post(to.folder.id, Amount::ZERO, charge);
}
