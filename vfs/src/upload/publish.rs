//! Publishes a stage: sets its attributes, syncs it, renames it to its target and syncs both
//! directories.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::SystemTime;

use rustix::fs::{Gid, Mode, OFlags, Stat, XattrFlags, fgetxattr};
use rustix::io::Errno;

use super::StageEnd;
use super::checkpoint::Syncing;
use crate::entry::{self, Kind, check_regular, timestamps};
use crate::home::charge::{Charge, published_size};
use crate::jail::folder::rename_noreplace;
use crate::policy::{Durability, Policy};
use crate::syscalls::{fchmod, fchown, fsetxattr, fstat, fsync, futimens, renameat};
use crate::{Digest, Published, Replace, Upload, VfsError, digest};

/// The extended attribute of an access list, see acl(5).
const ACL: &str = "system.posix_acl_access";
/// Bytes of the longest access list that is copied: more than anyone keeps by hand.
const ACL_MAX: usize = 4096;

impl Upload {
    /// Publishes the stage, see [`Upload::publish`].
    pub(crate) fn publish_stage(
        &mut self,
        digest: Option<Digest>,
        modified: Option<SystemTime>,
    ) -> Result<Published, VfsError> {
        let published = self.publish_steps(digest, modified);
        published.map_err(|error| self.end_unpublished(error))
    }

    /// Ends an upload that was not published.
    fn end_unpublished(&mut self, error: PublishError) -> VfsError {
        match error {
            PublishError::Unpublished(e) => {
                self.open_stage_to_uploads();
                self.end(stage_after(&e));
                e
            }
            PublishError::StageLost(e) => {
                self.end(StageEnd::Remove);
                e
            }
            PublishError::Unsynced(e) => e,
        }
    }

    /// Gives the stage a mode that lets an upload continue it.
    pub(super) fn open_stage_to_uploads(&self) {
        let _ = fchmod(&self.file, Mode::RUSR | Mode::WUSR);
    }

    /// Does all steps in order and stops at the first error.
    fn publish_steps(
        &mut self,
        digest: Option<Digest>,
        modified: Option<SystemTime>,
    ) -> Result<Published, PublishError> {
        let home = Arc::clone(self.guard.home());
        let Ready { old, stat } = match self.ready.take() {
            Some(ready) => ready,
            None => self.make_stage_ready(digest, modified)?,
        };
        self.check_stop_flag()?;
        self.rename_into_place(&stat)?;
        // The blocks of the old file are freed here, after the lock.
        drop(old);
        if self.is_labelled() {
            self.staging.unlabel(self.key().stage, &self.file);
        }
        self.sync_name(home.policy.durability)
            .map_err(PublishError::Unsynced)?;
        Ok(Published {
            size: entry::size(&stat),
            modified: entry::modified(&stat),
        })
    }

    /// Does the steps before the rename, see [`Upload::make_ready`].
    pub(super) fn ready_stage(&mut self) -> Result<(), VfsError> {
        match self.make_stage_ready(None, None) {
            Ok(ready) => self.ready = Some(ready),
            Err(error) => return Err(self.end_unpublished(error)),
        }
        Ok(())
    }

    fn make_stage_ready(
        &mut self,
        digest: Option<Digest>,
        modified: Option<SystemTime>,
    ) -> Result<Ready, PublishError> {
        let home = Arc::clone(self.guard.home());
        let old = self.open_replaced()?;
        before_step(Step::SetAttributes)?;
        self.rewrite_last_block()?;
        self.free_unused_blocks()?;
        let stat = self.set_attributes(&home.policy, old.as_ref(), modified)?;
        if let Some(digest) = digest {
            digest::store(&self.file, &stat, &digest.into()).map_err(VfsError::from)?;
        }
        self.sync_data(home.policy.durability)
            .map_err(PublishError::StageLost)?;
        Ok(Ready { old, stat })
    }

    /// Syncs the content. After an error a second call would succeed and mean nothing, as the
    /// kernel has dropped what it could not write.
    pub(crate) fn sync_data(&self, durability: Durability) -> Result<(), VfsError> {
        before_step(Step::SyncData)?;
        match durability {
            Durability::Fsync => Ok(fsync(&self.file)?),
            Durability::None => Ok(()),
        }
    }

    /// Syncs the target's directory, and then that of the stage.
    fn sync_name(&self, durability: Durability) -> Result<(), VfsError> {
        before_step(Step::SyncName)?;
        self.guard.writer.name_at.folder.sync(durability)?;
        before_step(Step::SyncStageName)?;
        match durability {
            Durability::Fsync => self.staging.sync_renamed_away(),
            Durability::None => Ok(()),
        }
    }

    /// Renames the stage to its target and changes the ledger, under the home's lock.
    fn rename_into_place(&mut self, stat: &Stat) -> Result<(), VfsError> {
        let home = Arc::clone(self.guard.home());
        let mut state = home.state.lock();
        let name_at = self.guard.writer.name_at.clone();
        let stage_name = name_at.key().stage.file_name();
        let stage = (self.staging.fd(), stage_name.as_str());
        let found = name_at.stat()?;
        before_step(Step::Rename)?;
        match found {
            None => rename_noreplace(stage, (&name_at.folder, name_at.leaf()), Kind::File)?,
            Some(_) if self.replace == Replace::Never => return Err(VfsError::Exists),
            Some(old) if entry::kind(&old) == Kind::Directory => {
                return Err(VfsError::IsADirectory);
            }
            Some(_) => renameat(stage.0, stage.1, &name_at.folder, name_at.leaf())?,
        }
        before_step(Step::Charge)?;
        self.staging.note_renamed_away();
        let now = Charge::of_sizes(Some(published_size(stat)), None);
        self.guard.settle(&mut state, now);
        Ok(())
    }

    /// Opens the file that is to be replaced: its mode, group and access list are copied, and its
    /// blocks are freed when the caller drops it. `None` where there is none.
    fn open_replaced(&self) -> Result<Option<(OwnedFd, Stat)>, VfsError> {
        if !self.replaces() {
            return Ok(None);
        }
        let name_at = &self.guard.writer.name_at;
        let Some(stat) = name_at.stat()? else {
            return Ok(None);
        };
        check_regular(entry::kind(&stat))?;
        // An O_PATH handle will do for a file that the daemon may not read.
        let file = name_at
            .open(OFlags::RDONLY)
            .or_else(|_| name_at.open(OFlags::PATH))?;
        Ok(Some((file, stat)))
    }

    /// Sets the mode, group, access list and mtime of the stage; gives its metadata then.
    fn set_attributes(
        &self,
        policy: &Policy,
        old: Option<&(OwnedFd, Stat)>,
        modified: Option<SystemTime>,
    ) -> Result<Stat, VfsError> {
        let folder = &self.guard.writer.name_at.folder;
        let now = fstat(&self.file)?;
        let (mode, group) = match old {
            // The set-ID bits were for the old content.
            Some((_, stat)) => (stat.st_mode & 0o777, Some(stat.st_gid)),
            None => (
                policy.file_mode & 0o777,
                policy.group.or(folder.inherited_group),
            ),
        };
        if let Some(group) = group.filter(|group| *group != now.st_gid) {
            self.set_group(group);
        }
        if now.st_mode & 0o7777 != mode {
            self.tolerated("mode", fchmod(&self.file, Mode::from_raw_mode(mode)))?;
        }
        if let Some((old, _)) = old {
            self.copy_acl(old);
        }
        match modified {
            Some(modified) => {
                self.tolerated("time", futimens(&self.file, &timestamps(modified.into())))?;
                Ok(fstat(&self.file)?)
            }
            None => Ok(now),
        }
    }

    /// Logs that an attribute could not be set where the file system has none of its own: FAT and
    /// some of FUSE refuse what the owner of a file may do everywhere else.
    fn tolerated(&self, attribute: &str, result: rustix::io::Result<()>) -> Result<(), VfsError> {
        match result {
            Err(e @ (Errno::PERM | Errno::NOTSUP | Errno::NOSYS)) => {
                let user = &self.guard.home().user;
                log::warn!("{user}: the {attribute} of a file cannot be set: {e}");
                Ok(())
            }
            other => Ok(other?),
        }
    }

    /// Sets the group of the stage. Where the daemon is no member of the group that fails, which is
    /// only logged.
    fn set_group(&self, group: u32) {
        if let Err(e) = fchown(&self.file, None, Some(Gid::from_raw(group))) {
            log::warn!(
                "{}: group {group} cannot be given to a file: {e}",
                self.guard.home().user
            );
        }
    }

    /// Copies the access list of `old`, if it has one and the file system supports them.
    fn copy_acl(&self, old: &OwnedFd) {
        let mut list = [0_u8; ACL_MAX];
        let Ok(length) = fgetxattr(old, ACL, &mut list) else {
            return;
        };
        if let Err(e) = fsetxattr(&self.file, ACL, &list[..length], XattrFlags::empty()) {
            log::warn!(
                "{}: an access list is not carried over: {e}",
                self.guard.home().user
            );
        }
    }
}

/// What becomes of the stage after `error`: it is kept where another attempt may publish it.
fn stage_after(error: &VfsError) -> StageEnd {
    match error {
        VfsError::Stopped | VfsError::Scanning | VfsError::Busy { .. } => {
            StageEnd::Keep(Syncing::Now)
        }
        VfsError::DiskFull | VfsError::ReadOnlyDisk | VfsError::Io(_) => {
            StageEnd::Keep(Syncing::Now)
        }
        VfsError::TooManyOpen | VfsError::InUse | VfsError::OtherOwner => {
            StageEnd::Keep(Syncing::Now)
        }
        // It may replace the file that has the name by now, if it is asked to.
        VfsError::Exists => StageEnd::Keep(Syncing::Now),
        VfsError::Forbidden | VfsError::Escapes | VfsError::OtherDevice => StageEnd::Remove,
        VfsError::Link => StageEnd::Remove,
        VfsError::NotFound | VfsError::NotADirectory | VfsError::NoStaging => StageEnd::Remove,
        VfsError::IsADirectory | VfsError::NotEmpty | VfsError::NotRegular => StageEnd::Remove,
        VfsError::BadName | VfsError::NameTooLong | VfsError::TheHome => StageEnd::Remove,
        VfsError::IntoItself | VfsError::BadOffset { .. } => StageEnd::Remove,
        VfsError::TargetEscapes | VfsError::NotALink => StageEnd::Remove,
        VfsError::OverQuota { .. } => StageEnd::Remove,
    }
}

/// What a stage that is ready to be renamed was made so by.
#[derive(Debug)]
pub(crate) struct Ready {
    /// The file that it will replace.
    old: Option<(OwnedFd, Stat)>,
    /// The attributes of the stage.
    stat: Stat,
}

/// The error of a publication, by what it leaves.
enum PublishError {
    /// The target as it was, and the whole stage.
    Unpublished(VfsError),
    /// The target as it was, and a stage whose content may be lost.
    StageLost(VfsError),
    /// The new file under its name, which a power loss may undo.
    Unsynced(VfsError),
}

impl From<VfsError> for PublishError {
    fn from(error: VfsError) -> Self {
        Self::Unpublished(error)
    }
}

/// The steps of a publication. A test may stop the daemon before each or let it fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    SetAttributes,
    SyncData,
    RemoveRecord,
    Rename,
    Charge,
    SyncName,
    SyncStageName,
}

/// Does nothing; the one for tests stops or fails at a given step.
#[cfg(not(test))]
pub(crate) fn before_step(_step: Step) -> Result<(), VfsError> {
    Ok(())
}

#[cfg(test)]
pub(crate) use tests::before_step;

#[cfg(test)]
#[path = "publish_tests.rs"]
mod tests;
