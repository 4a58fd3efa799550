//! Resolves a path of a home to an open directory, or to a name in one.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Stat, readlinkat};
use rustix::io::Errno;
use rustix::path::Arg;

use super::Home;
use crate::VfsError;
use crate::jail;
use crate::jail::folder::{Control, Folder, NameAt, is_link};
use crate::jail::mount::{born, identify, is_directory};

/// Links that are followed for one path, as many as Linux follows (path_resolution(7)).
const LINKS_MAX: usize = 40;

/// Whether a symbolic link is followed where it is the last component of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Links {
    Follow,
    NoFollow,
}

/// What a path was resolved to.
#[derive(Debug)]
pub(crate) enum Resolved {
    /// The directory of a path with no last name: the empty path, or one that ends in `..`.
    Folder(Folder),
    /// A name, and the metadata of its file; `None` where no file has it.
    Name(NameAt, Option<Stat>),
}

impl Home {
    /// Opens the directory at `path`; links are followed where they stay in the home.
    pub(crate) fn folder(&self, path: &Path) -> Result<Folder, VfsError> {
        let fd = self.jail.open_dir(path)?;
        self.folder_from_fd(fd, path)
    }

    /// Opens the directory of the last name of `path`. With [`Links::Follow`] a link there is
    /// followed, and the result is the name that it leads to.
    pub(crate) fn resolve(&self, path: &Path, links: Links) -> Result<Resolved, VfsError> {
        jail::check_path(path)?;
        let mut path = path.to_owned();
        for _ in 0..LINKS_MAX {
            let Some((parent, leaf)) = jail::split_leaf(&path) else {
                return Ok(Resolved::Folder(self.folder(&path)?));
            };
            let leaf = leaf
                .into_c_str()
                .map_err(|_| VfsError::BadName)?
                .into_owned();
            let folder = Arc::new(self.folder(parent)?);
            let name_at = NameAt::new(folder, leaf);
            let stat = name_at.stat()?;
            match &stat {
                Some(stat) if links == Links::Follow && is_link(stat) => {
                    path = read_link_path(&name_at)?;
                }
                _ => return Ok(Resolved::Name(name_at, stat)),
            }
        }
        Err(VfsError::NotFound)
    }

    /// Resolves a path that ends in a name, whether a file has it or not. [`VfsError::TheHome`]
    /// for the home itself, [`VfsError::BadName`] for a path that ends in `..`.
    pub(crate) fn resolve_name(&self, path: &Path, links: Links) -> Result<NameAt, VfsError> {
        match self.resolve(path, links)? {
            Resolved::Name(name_at, _) => Ok(name_at),
            Resolved::Folder(folder) if folder.id == self.mounts.root() => Err(VfsError::TheHome),
            Resolved::Folder(_) => Err(VfsError::BadName),
        }
    }

    /// Identifies the directory `fd`, which was opened at `path`. [`VfsError::NotFound`] for a
    /// staging directory.
    pub(crate) fn folder_from_fd(&self, fd: Arc<OwnedFd>, path: &Path) -> Result<Folder, VfsError> {
        let (id, status) = identify(&fd, c"")?;
        if !is_directory(&status) {
            return Err(VfsError::NotADirectory);
        }
        let mount = self.mounts.mount_of(&fd, id)?;
        if mount.is_staging_inode(id.inode) {
            return Err(VfsError::NotFound);
        }
        let inherits = status.stx_mode & 0o2000 != 0;
        let inherited_group = inherits.then_some(status.stx_gid);
        Ok(Folder {
            fd,
            id,
            mount,
            path: path.to_owned(),
            born: born(&status),
            inherited_group,
            control: Control::of(&status, self.credentials.user),
        })
    }
}

/// The path, relative to the home, that the link `name_at` leads to. It may lead out of the home:
/// the kernel refuses it when it is opened.
fn read_link_path(name_at: &NameAt) -> Result<PathBuf, VfsError> {
    let target = match readlinkat(&name_at.folder, name_at.leaf(), Vec::new()) {
        Ok(target) => target,
        // Another file has the name since it was looked at: the caller looks again.
        Err(Errno::INVAL) => return Ok(name_at.path()),
        Err(e) => return Err(e.into()),
    };
    let target = PathBuf::from(OsString::from_vec(target.into_bytes()));
    jail::check_path(&target)?;
    Ok(name_at.folder.path.join(target))
}
