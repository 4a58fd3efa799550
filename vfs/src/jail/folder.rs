//! Opened directories of a home, and last names in them that are never followed.

use std::ffi::{CStr, CString, OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, RenameFlags, Stat, fsync, linkat, openat, renameat,
    renameat_with, statat, unlinkat,
};
use rustix::io::Errno;
use rustix::path::Arg;

use super::mount::{FolderId, Mount, MountId, identify};
use crate::VfsError;
use crate::dir_reader::dir_read_flags;
use crate::entry::Kind;
use crate::policy::Durability;
use crate::staging::StageKey;

/// A name of a home, whatever its directory is called at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct NameKey {
    pub(crate) mount: MountId,
    pub(crate) stage: StageKey,
}

/// A directory of the home, open and known to be none of the staging directories.
#[derive(Debug)]
pub(crate) struct Folder {
    pub(crate) fd: Arc<OwnedFd>,
    pub(crate) id: FolderId,
    pub(crate) mount: Arc<Mount>,
    /// Its path when it was opened, relative to the home.
    pub(crate) path: PathBuf,
    /// The group that new files here belong to, where the set-group-ID bit asks for one.
    pub(crate) inherited_group: Option<u32>,
}

impl Folder {
    /// Whether names in it may be looked up.
    pub(crate) fn check_search(&self) -> Result<(), VfsError> {
        statat(&self.fd, c".", AtFlags::empty())?;
        Ok(())
    }

    /// Makes its names durable, where that is wanted. O_PATH handles cannot be synced, which
    /// takes a second one then.
    pub(crate) fn sync(&self, durability: Durability) -> Result<(), VfsError> {
        if durability == Durability::None {
            return Ok(());
        }
        match fsync(&self.fd) {
            Err(Errno::BADF) => {
                let readable = openat(&self.fd, c".", dir_read_flags(), Mode::empty())?;
                Ok(fsync(readable)?)
            }
            other => Ok(other?),
        }
    }
}

impl AsFd for Folder {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// A last name in an open directory. What it means may change; where it is cannot.
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

    pub(crate) fn leaf(&self) -> &CStr {
        &self.leaf
    }

    /// Another name in the same directory.
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

    /// Its path when it was resolved, relative to the home.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder
            .path
            .join(OsStr::from_bytes(self.leaf.to_bytes()))
    }

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

    /// What has the name now, links not followed. A staging directory is nothing at all.
    pub(crate) fn stat(&self) -> Result<Option<Stat>, VfsError> {
        match statat(&self.folder, &*self.leaf, AtFlags::SYMLINK_NOFOLLOW) {
            // The staging directory under a name that the file system folds to the same.
            Ok(stat) if self.folder.mount.is_staging_dir(&stat) => Err(VfsError::NotFound),
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    /// Opens what has the name without following, blocking or side effects.
    pub(crate) fn open(&self, flags: OFlags) -> Result<OwnedFd, VfsError> {
        let careful = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        match openat(&self.folder, &*self.leaf, flags | careful, Mode::empty()) {
            // It has become a link since it was looked at.
            Err(Errno::LOOP) => Err(VfsError::NotRegular),
            other => Ok(other?),
        }
    }

    /// Which directory has the name.
    pub(crate) fn identify(&self) -> Result<FolderId, VfsError> {
        Ok(identify(&self.folder, &self.leaf)?.0)
    }
}

pub(crate) fn is_link(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Symlink
}

/// Renames to a name that nothing has. The kernel refuses to replace; where the file system cannot
/// (EINVAL), a hard link does for files, and for directories the look under the mutation lock must
/// do: a directory replaces nothing but an empty one.
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
        // A directory cannot be moved into itself.
        Err(Errno::INVAL) => Err(VfsError::BadName),
        other => Ok(other?),
    }
}
