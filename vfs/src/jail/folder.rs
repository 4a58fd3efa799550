//! [`Folder`], an open directory of a home, and [`NameAt`], a name in one: the arguments of the
//! *at(2) calls.

use std::ffi::{CStr, CString, OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use rustix::fs::{
    Access, AtFlags, FileType, Mode, OFlags, RenameFlags, Stat, Statx, StatxAttributes, accessat,
};
use rustix::io::Errno;
use rustix::path::Arg;
use rustix::process::geteuid;

use super::mount::{FolderId, Mount, MountId, identify};
use crate::VfsError;
use crate::dir_reader::dir_read_flags;
use crate::entry::Kind;
use crate::policy::Durability;
use crate::staging::StageKey;
use crate::staging::label::Born;
use crate::syscalls::{fsync, linkat, openat, renameat, renameat_with, statat, unlinkat};

/// Identifies a name of a home. It stays the same when a directory above is renamed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct NameKey {
    pub(crate) mount: MountId,
    pub(crate) stage: StageKey,
}

/// An open directory of a home, which is not a staging directory.
#[derive(Debug)]
pub(crate) struct Folder {
    pub(crate) fd: Arc<OwnedFd>,
    pub(crate) id: FolderId,
    pub(crate) mount: Arc<Mount>,
    /// The directory's path when it was opened, relative to the home.
    pub(crate) path: PathBuf,
    /// When the directory was made; `None` where that is not known.
    pub(crate) born: Option<Born>,
    /// The group ID of new files in this directory, where its set-group-ID bit is set.
    pub(crate) inherited_group: Option<u32>,
    pub(crate) control: Control,
}

/// What is known of the daemon's right to change the names in a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Control {
    /// It is the daemon's own directory, and nothing forbids its owner to write.
    Own,
    /// Only the kernel knows: the directory has another owner, or is closed to its own.
    Unknown,
    /// As `Unknown`; in addition only its owner, and that of a file, may replace a file there (the
    /// sticky bit, see inode(7)).
    Sticky,
}

impl Control {
    /// The control that the user `own` has over the directory with this `status`.
    pub(crate) fn of(status: &Statx, own: u32) -> Self {
        let locks = StatxAttributes::IMMUTABLE | StatxAttributes::APPEND;
        let mode = Mode::from_raw_mode(status.stx_mode.into());
        if status.stx_uid != own && mode.contains(Mode::SVTX) {
            return Self::Sticky;
        }
        let is_open = mode.contains(Mode::WUSR | Mode::XUSR);
        match status.stx_uid == own && is_open && !status.stx_attributes.intersects(locks) {
            true => Self::Own,
            false => Self::Unknown,
        }
    }
}

impl Folder {
    /// [`VfsError::Forbidden`] unless the daemon may give a name in this directory to a new file, in
    /// place of `replaced` if there is one. Of its own directories nothing has to be asked.
    pub(crate) fn check_control(&self, replaced: Option<&Stat>) -> Result<(), VfsError> {
        if self.control == Control::Own {
            return Ok(());
        }
        let wanted = Access::WRITE_OK | Access::EXEC_OK;
        match accessat(&self.fd, c".", wanted, AtFlags::EACCESS) {
            // A kernel without faccessat2(2), and a daemon with two user IDs: the rename will tell.
            Ok(()) | Err(Errno::NOSYS) => {}
            Err(e) => return Err(e.into()),
        }
        let own = geteuid();
        let may_replace = |stat: &Stat| own.is_root() || stat.st_uid == own.as_raw();
        match self.control == Control::Sticky && !replaced.is_none_or(may_replace) {
            true => Err(VfsError::Forbidden),
            false => Ok(()),
        }
    }

    /// Fails unless names in the directory may be looked up (the x permission).
    pub(crate) fn check_search(&self) -> Result<(), VfsError> {
        statat(&self.fd, c".", AtFlags::empty())?;
        Ok(())
    }

    /// Syncs the names in the directory with fsync(2), unless `durability` is `None`. An O_PATH
    /// handle cannot be synced, so the directory is opened again then. A file system that syncs no
    /// directories (that of VirtualBox) answers EINVAL, and there is nothing to be done about it.
    pub(crate) fn sync(&self, durability: Durability) -> Result<(), VfsError> {
        if durability == Durability::None {
            return Ok(());
        }
        let synced = match fsync(&self.fd) {
            Err(Errno::BADF) => {
                let readable = openat(&self.fd, c".", dir_read_flags(), Mode::empty())?;
                fsync(readable)
            }
            other => other,
        };
        match synced {
            Err(Errno::INVAL) => Ok(()),
            other => Ok(other?),
        }
    }
}

impl AsFd for Folder {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// A name in an open directory, whether a file has it or not. Which file has it may change; the
/// directory cannot.
#[derive(Clone, Debug)]
pub(crate) struct NameAt {
    pub(crate) folder: Arc<Folder>,
    leaf: CString,
    key: OnceLock<NameKey>,
}

impl NameAt {
    pub(crate) fn new(folder: Arc<Folder>, leaf: CString) -> Self {
        Self {
            folder,
            leaf,
            key: OnceLock::new(),
        }
    }

    /// The last component of the path.
    pub(crate) fn leaf(&self) -> &CStr {
        &self.leaf
    }

    /// The name `name` in the same directory; [`VfsError::BadName`] where it holds a NUL.
    pub(crate) fn sibling(&self, name: &OsStr) -> Result<Self, VfsError> {
        let leaf = CString::new(name.as_bytes()).map_err(|_| VfsError::BadName)?;
        Ok(Self {
            folder: Arc::clone(&self.folder),
            leaf,
            key: OnceLock::new(),
        })
    }

    pub(crate) fn name(&self) -> OsString {
        OsString::from_vec(self.leaf.to_bytes().to_vec())
    }

    /// The path when the directory was opened, relative to the home.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder
            .path
            .join(OsStr::from_bytes(self.leaf.to_bytes()))
    }

    /// The identity of this name, computed at the first call.
    pub(crate) fn key(&self) -> NameKey {
        *self.key.get_or_init(|| {
            let leaf = OsStr::from_bytes(self.leaf.to_bytes());
            let FolderId { mount, inode } = self.folder.id;
            NameKey {
                mount,
                stage: StageKey::new(inode, leaf),
            }
        })
    }

    /// The metadata of the file that has this name now, links not followed; `None` where there is
    /// none, [`VfsError::NotFound`] for a staging directory.
    pub(crate) fn stat(&self) -> Result<Option<Stat>, VfsError> {
        match statat(&self.folder, &*self.leaf, AtFlags::SYMLINK_NOFOLLOW) {
            // A staging directory under a name that the file system takes for the same.
            Ok(stat) if self.folder.mount.is_staging_dir(&stat) => Err(VfsError::NotFound),
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    /// Opens the file that has this name: follows no link, does not wait, takes no terminal.
    pub(crate) fn open(&self, flags: OFlags) -> Result<OwnedFd, VfsError> {
        let careful = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        match openat(&self.folder, &*self.leaf, flags | careful, Mode::empty()) {
            // The name was a file when the caller looked and is a link now.
            Err(Errno::LOOP) => Err(VfsError::NotRegular),
            other => Ok(other?),
        }
    }

    /// The identity of the directory that has this name.
    pub(crate) fn identify(&self) -> Result<FolderId, VfsError> {
        Ok(identify(&self.folder, &self.leaf)?.0)
    }
}

/// Whether `stat` is the metadata of a symbolic link.
pub(crate) fn is_link(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Symlink
}

/// Renames `from` to a name that no file has, by renameat2(2) with RENAME_NOREPLACE. On a file
/// system without that flag (EINVAL) a file is hard-linked to the new name, which replaces nothing
/// either; a directory is renamed after the caller has looked under the home's lock, and could
/// replace only an empty directory.
pub(crate) fn rename_noreplace(
    (from, from_leaf): (impl AsFd, impl Arg + Copy),
    (to, to_leaf): (impl AsFd, &CStr),
    kind: Kind,
) -> Result<(), VfsError> {
    match renameat_with(&from, from_leaf, &to, to_leaf, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS) => {}
        other => return Ok(other?),
    }
    if kind == Kind::File {
        match linkat(&from, from_leaf, &to, to_leaf, AtFlags::empty()) {
            Ok(()) => return Ok(unlinkat(&from, from_leaf, AtFlags::empty())?),
            Err(Errno::PERM | Errno::NOTSUP) => {}
            Err(e) => return Err(e.into()),
        }
    }
    match renameat(&from, from_leaf, &to, to_leaf) {
        // EINVAL: a directory was to be moved into itself.
        Err(Errno::INVAL) => Err(VfsError::IntoItself),
        other => Ok(other?),
    }
}
