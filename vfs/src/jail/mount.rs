//! [`Mounts`]: the file systems below a home, each with its own staging directory.
//!
//! rename(2) works only within one mount, so each mount has a staging directory, in its topmost
//! directory below the home. Directories are identified by mount, device and inode: a bind mount
//! is another mount of the same device, a btrfs subvolume is another device of the same mount, and
//! a rename across either fails.

use std::collections::HashMap;
use std::ffi::CStr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::{Mutex, RwLock};
use rustix::fs::{AtFlags, FileType, Mode, Stat, Statx, StatxFlags, makedev};
use rustix::io::Errno;
use rustix::process::geteuid;

use super::STAGING_NAME;
use super::descent::open_dir;
use crate::VfsError;
use crate::dir_reader::dir_read_flags;
use crate::staging::label::Born;
use crate::staging::{Belief, StagingDir};
use crate::syscalls;
use crate::syscalls::{fchmod, mkdirat, openat, statx};

/// Levels that are climbed to find a mount's root: more than any path has that the kernel resolves.
const DEPTH_MAX: usize = 4096;

/// Identifies a mount, see statx(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct MountId {
    mount: u64,
    device: u64,
}

/// Identifies a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct FolderId {
    pub(crate) mount: MountId,
    pub(crate) inode: u64,
}

impl FolderId {
    /// A directory of no mount.
    #[cfg(test)]
    pub(crate) fn for_tests(inode: u64) -> Self {
        let (mount, device) = (0, 0);
        Self {
            mount: MountId { mount, device },
            inode,
        }
    }

    fn new(status: &Statx) -> Self {
        let device = makedev(status.stx_dev_major, status.stx_dev_minor);
        Self {
            mount: MountId {
                mount: status.stx_mnt_id,
                device,
            },
            inode: status.stx_ino,
        }
    }
}

/// The identity and metadata of what is at `name` in `folder`, or of `folder` itself where `name`
/// is empty.
pub(crate) fn identify(folder: impl AsFd, name: &CStr) -> Result<(FolderId, Statx), VfsError> {
    let flags = AtFlags::EMPTY_PATH | AtFlags::SYMLINK_NOFOLLOW;
    let mask = StatxFlags::TYPE | StatxFlags::MODE | StatxFlags::GID | StatxFlags::UID;
    let status = statx(
        folder,
        name,
        flags,
        mask | StatxFlags::INO | StatxFlags::MNT_ID | StatxFlags::BTIME,
    )?;
    Ok((FolderId::new(&status), status))
}

/// When the file of `status` was made; `None` where the file system does not tell.
pub(crate) fn born(status: &Statx) -> Option<Born> {
    let is_told = StatxFlags::from_bits_retain(status.stx_mask).contains(StatxFlags::BTIME);
    is_told.then(|| status.stx_btime.into())
}

/// The staging directories that this process has opened. Each is recovered at its first opening:
/// later, uploads may run in it, also those of another home that has the same mount.
#[derive(Debug, Default)]
pub(crate) struct OpenedStagings(Mutex<HashMap<DeviceInode, Arc<Mutex<Belief>>>>);

/// Device and inode number of a directory.
type DeviceInode = (u64, u64);

/// How one opening of a home recovers stages.
#[derive(Clone, Debug)]
pub(crate) struct Recovery {
    pub(crate) opened: Arc<OpenedStagings>,
    /// What is believed of stages that this process has not seen yet.
    pub(crate) belief: Belief,
    /// Set once something was cut or removed, so that what was counted before is wrong.
    pub(crate) has_cut: Arc<AtomicBool>,
}

impl Recovery {
    /// Opens the staging directory `fd`, whose identity is `id`, and recovers it at the first time.
    fn open(&self, fd: OwnedFd, id: FolderId) -> Result<StagingDir, VfsError> {
        let belief = {
            let mut opened = self.opened.0.lock();
            let key = (id.mount.device, id.inode);
            let first = || Arc::new(Mutex::new(self.belief));
            Arc::clone(opened.entry(key).or_insert_with(first))
        };
        // The disk is waited for without the lock that all homes share.
        let mut belief = belief.lock();
        let staging = StagingDir::new(fd, id.inode, *belief)?;
        *belief = Belief::Sizes;
        if staging.recovered() > 0 {
            self.has_cut.store(true, Ordering::Relaxed);
        }
        Ok(staging)
    }
}

/// One file system below a home.
#[derive(Debug)]
pub(crate) struct Mount {
    pub(crate) id: MountId,
    root: OwnedFd,
    recovery: Recovery,
    staging: RwLock<Option<Arc<StagingDir>>>,
}

impl Mount {
    /// The mount `id` whose topmost directory below the home is `root`.
    fn new(id: MountId, root: OwnedFd, recovery: Recovery) -> Self {
        // The error of a staging directory that is not ours, or cannot be recovered, is for the
        // upload that needs it.
        let staging = open_staging(id, &root, &recovery);
        let staging = staging.ok().flatten().map(Arc::new);
        Self {
            id,
            root,
            recovery,
            staging: RwLock::new(staging),
        }
    }

    /// The staging directory; `None` where there is none.
    pub(crate) fn staging(&self) -> Option<Arc<StagingDir>> {
        self.staging.read().clone()
    }

    /// The staging directory, created where there is none; [`VfsError::NoStaging`] where that is
    /// not permitted.
    pub(crate) fn make_staging(&self) -> Result<Arc<StagingDir>, VfsError> {
        if let Some(staging) = self.staging().filter(|staging| staging.is_linked()) {
            return Ok(staging);
        }
        let mut slot = self.staging.write();
        match mkdirat(&self.root, STAGING_NAME, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(Errno::ACCESS | Errno::PERM | Errno::ROFS) => return Err(VfsError::NoStaging),
            Err(e) => return Err(e.into()),
        }
        let staging = open_staging(self.id, &self.root, &self.recovery)?;
        let staging = Arc::new(staging.ok_or(VfsError::NoStaging)?);
        *slot = Some(Arc::clone(&staging));
        Ok(staging)
    }

    /// Whether `stat` is the metadata of this mount's staging directory.
    pub(crate) fn is_staging_dir(&self, stat: &Stat) -> bool {
        stat.st_dev == self.id.device && self.is_staging_inode(stat.st_ino)
    }

    /// Whether `inode` is the inode number of this mount's staging directory.
    pub(crate) fn is_staging_inode(&self, inode: u64) -> bool {
        self.staging
            .read()
            .as_ref()
            .is_some_and(|staging| staging.inode() == inode)
    }

    /// Like [`Mount::is_staging_inode`]; `None` where the lock would have to be waited for.
    pub(crate) fn try_is_staging_inode(&self, inode: u64) -> Option<bool> {
        let staging = self.staging.try_read()?;
        Some(staging.as_ref().is_some_and(|s| s.inode() == inode))
    }

    /// True only if no name of the mount has a stage; false also where the lock would have to be
    /// waited for.
    pub(crate) fn has_no_stages(&self) -> bool {
        let staging = self.staging.try_read();
        staging.is_some_and(|slot| slot.as_ref().is_none_or(|s| s.count() == 0))
    }

    /// Writes the whole file system to the disk with syncfs(2).
    pub(crate) fn sync(&self) -> Result<(), VfsError> {
        let readable = openat(&self.root, c".", dir_read_flags(), Mode::empty())?;
        Ok(syscalls::syncfs(readable)?)
    }
}

/// Opens the staging directory at a mount's root; `None` where there is none. Fails unless it is a
/// directory on this mount that the daemon's user owns; its permissions are set to 0700.
fn open_staging(
    mount: MountId,
    root: &OwnedFd,
    recovery: &Recovery,
) -> Result<Option<StagingDir>, VfsError> {
    let fd = match openat(root, STAGING_NAME, dir_read_flags(), Mode::empty()) {
        Ok(fd) => fd,
        Err(Errno::NOENT) => return Ok(None),
        Err(_) => return Err(VfsError::NoStaging),
    };
    let (id, status) = identify(&fd, c"")?;
    if id.mount != mount || status.stx_uid != geteuid().as_raw() {
        return Err(VfsError::NoStaging);
    }
    if status.stx_mode & 0o077 != 0 {
        fchmod(&fd, Mode::RWXU).map_err(|_| VfsError::NoStaging)?;
    }
    recovery.open(fd, id).map(Some)
}

/// The mounts of one home. A mount is added when a path first leads to it.
#[derive(Debug)]
pub(crate) struct Mounts {
    root: FolderId,
    home: Arc<Mount>,
    others: RwLock<Vec<Arc<Mount>>>,
    recovery: Recovery,
}

impl Mounts {
    pub(crate) fn new(root: OwnedFd, recovery: Recovery) -> Result<Self, VfsError> {
        let (id, _) = identify(&root, c"")?;
        let home = Arc::new(Mount::new(id.mount, root, recovery.clone()));
        Ok(Self {
            root: id,
            home,
            others: RwLock::default(),
            recovery,
        })
    }

    /// The identity of the home's own directory.
    pub(crate) fn root(&self) -> FolderId {
        self.root
    }

    /// Set once something was cut or removed in a staging directory.
    pub(crate) fn has_cut(&self) -> &AtomicBool {
        &self.recovery.has_cut
    }

    /// The mount that the home's own directory is on.
    pub(crate) fn home(&self) -> &Arc<Mount> {
        &self.home
    }

    /// All mounts that are known so far.
    pub(crate) fn all(&self) -> Vec<Arc<Mount>> {
        let mut all = vec![Arc::clone(&self.home)];
        all.extend(self.others.read().iter().cloned());
        all
    }

    /// The mount of the directory `folder`, whose identity is `id`.
    pub(crate) fn mount_of(&self, folder: impl AsFd, id: FolderId) -> Result<Arc<Mount>, VfsError> {
        if id.mount == self.home.id {
            return Ok(Arc::clone(&self.home));
        }
        let known = |mounts: &[Arc<Mount>]| mounts.iter().find(|m| m.id == id.mount).cloned();
        if let Some(mount) = known(&self.others.read()) {
            return Ok(mount);
        }
        let root = self.mount_root(folder, id)?;
        let mut others = self.others.write();
        if let Some(mount) = known(&others) {
            return Ok(mount);
        }
        let mount = Arc::new(Mount::new(id.mount, root, self.recovery.clone()));
        others.push(Arc::clone(&mount));
        Ok(mount)
    }

    /// Whether `folder` is `ancestor` or lies below it.
    pub(crate) fn is_below(&self, folder: impl AsFd, ancestor: FolderId) -> Result<bool, VfsError> {
        let mut current = open_dir(folder, c".")?;
        for _ in 0..DEPTH_MAX {
            let (id, _) = identify(&current, c"")?;
            if id == ancestor {
                return Ok(true);
            }
            let parent = open_dir(&current, c"..")?;
            if id == self.root || identify(&parent, c"")?.0 == id {
                return Ok(false);
            }
            current = parent;
        }
        Ok(false)
    }

    /// The topmost directory of the mount that `folder` is on. The home is on another mount, so the
    /// climb ends below it.
    fn mount_root(&self, folder: impl AsFd, id: FolderId) -> Result<OwnedFd, VfsError> {
        let mut current = open_dir(folder, c".")?;
        let mut current_id = id;
        for _ in 0..DEPTH_MAX {
            let parent = open_dir(&current, c"..")?;
            let (parent_id, _) = identify(&parent, c"")?;
            if parent_id.mount != id.mount || parent_id == current_id {
                return Ok(current);
            }
            (current, current_id) = (parent, parent_id);
        }
        Err(VfsError::NoStaging)
    }
}

/// Whether `status` is the metadata of a directory.
pub(crate) fn is_directory(status: &Statx) -> bool {
    FileType::from_raw_mode(status.stx_mode.into()) == FileType::Directory
}
