//! Opened directories of a home, and last names in them that are never followed.

use std::ffi::{CStr, CString, OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, RenameFlags, Stat, fsync, linkat, openat, readlinkat,
    renameat, renameat_with, statat, unlinkat,
};
use rustix::io::Errno;
use rustix::path::Arg;

use crate::VfsError;
use crate::account::NameKey;
use crate::entry::Kind;
use crate::home::Home;
use crate::jail;
use crate::mount::{FolderId, Mount, identify, is_directory};
use crate::policy::Durability;
use crate::reader::readable;
use crate::staging::StageKey;

/// As many links in a row as Linux follows.
const LINKS_MAX: usize = 40;

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
                let readable = openat(&self.fd, c".", readable(), Mode::empty())?;
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
pub(crate) struct Place {
    pub(crate) folder: Arc<Folder>,
    leaf: CString,
    key: OnceLock<NameKey>,
}

impl Place {
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
            Ok(stat) if self.folder.mount.hides(&stat) => Err(VfsError::NotFound),
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

/// Whether a link that is the last name of a path is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Links {
    Follow,
    Keep,
}

/// Where a path leads.
#[derive(Debug)]
pub(crate) enum Resolved {
    /// The home itself, or a path that ends in `..`.
    Folder(Folder),
    Name(Place, Option<Stat>),
}

impl Home {
    /// Opens the directory at `path`, links inside the home followed.
    pub(crate) fn folder(&self, path: &Path) -> Result<Folder, VfsError> {
        let fd = self.jail.directory(path)?;
        self.adopt(fd, path)
    }

    /// Resolves `path` up to its last name, and that too where links are to be followed.
    pub(crate) fn resolve(&self, path: &Path, links: Links) -> Result<Resolved, VfsError> {
        jail::check(path)?;
        let mut path = path.to_owned();
        for _ in 0..LINKS_MAX {
            let Some((parent, leaf)) = jail::split(&path) else {
                return Ok(Resolved::Folder(self.folder(&path)?));
            };
            let leaf = leaf
                .into_c_str()
                .map_err(|_| VfsError::BadName)?
                .into_owned();
            let folder = Arc::new(self.folder(parent)?);
            let place = Place {
                folder,
                leaf,
                key: OnceLock::new(),
            };
            let stat = place.stat()?;
            match &stat {
                Some(stat) if links == Links::Follow && is_link(stat) => {
                    path = follow(&place)?;
                }
                _ => return Ok(Resolved::Name(place, stat)),
            }
        }
        Err(VfsError::NotFound)
    }

    /// Resolves a path that must end in a name, which something may or may not have.
    pub(crate) fn place(&self, path: &Path, links: Links) -> Result<Place, VfsError> {
        match self.resolve(path, links)? {
            Resolved::Name(place, _) => Ok(place),
            Resolved::Folder(folder) if folder.id == self.mounts.root() => Err(VfsError::Forbidden),
            Resolved::Folder(_) => Err(VfsError::BadName),
        }
    }

    /// Makes a folder of a directory's handle, if it may be seen.
    pub(crate) fn adopt(&self, fd: Arc<OwnedFd>, path: &Path) -> Result<Folder, VfsError> {
        let (id, status) = identify(&fd, c"")?;
        if !is_directory(&status) {
            return Err(VfsError::NotADirectory);
        }
        let mount = self.mounts.of(&fd, id)?;
        if mount.is_staging(id.inode) {
            return Err(VfsError::NotFound);
        }
        let inherits = status.stx_mode & 0o2000 != 0;
        let inherited_group = inherits.then_some(status.stx_gid);
        Ok(Folder {
            fd,
            id,
            mount,
            path: path.to_owned(),
            inherited_group,
        })
    }
}

pub(crate) fn is_link(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Symlink
}

/// The path that the link at `place` leads to; the kernel judges it when it is opened.
fn follow(place: &Place) -> Result<PathBuf, VfsError> {
    let target = match readlinkat(&place.folder, place.leaf(), Vec::new()) {
        Ok(target) => target,
        // No link any more: the next look says what it is.
        Err(Errno::INVAL) => return Ok(place.path()),
        Err(e) => return Err(e.into()),
    };
    let target = PathBuf::from(OsString::from_vec(target.into_bytes()));
    jail::check(&target)?;
    Ok(place.folder.path.join(target))
}

/// Renames to a name that nothing has. The kernel refuses to replace; where the file system cannot
/// (EINVAL), a hard link does for files, and for directories the look under the mutation lock must
/// do: a directory replaces nothing but an empty one.
pub(crate) fn rename_new(
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
