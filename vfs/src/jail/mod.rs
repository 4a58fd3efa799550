//! The jail: one directory handle, and names that the kernel resolves beneath it.
//!
//! Resolution is openat2(2) with RESOLVE_BENEATH (cap-std's fallback walks handle by handle), so
//! links and `..` are judged while they are followed. What follows acts on an opened parent and a
//! last name that is never followed: nothing is checked first and used later.

pub(crate) mod cached;
pub(crate) mod folder;
pub(crate) mod mount;

use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};
use std::sync::Arc;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use rustix::fs::{Mode, openat};
use rustix::io::Errno;

use self::cached::AccessTime;
use crate::VfsError;
use crate::dir_reader::dir_read_flags;

/// The name of staging directories: no path has it, in any case.
pub(crate) const STAGING_NAME: &str = ".skiff-stage";

#[derive(Debug)]
pub(crate) struct Jail {
    root: Dir,
    /// Of the home itself, the directory of most names; it can be synced.
    handle: Arc<OwnedFd>,
    /// `None` where only a worker may ask.
    access_time: Option<AccessTime>,
}

impl Jail {
    /// Opens a home. The one place where a path of the host is opened.
    pub(crate) fn open(root: &Path) -> Result<Self, VfsError> {
        let root = Dir::open_ambient_dir(root, ambient_authority())?;
        let handle = match openat(&root, c".", dir_read_flags(), Mode::empty()) {
            Ok(handle) => handle,
            // Nobody may read it, but names in it may be used.
            Err(Errno::ACCESS) => root.open_dir(".")?.into_std_file().into(),
            Err(e) => return Err(e.into()),
        };
        let access_time = cached::probe(&handle);
        Ok(Self {
            root,
            handle: Arc::new(handle),
            access_time,
        })
    }

    pub(crate) fn handle(&self) -> &Arc<OwnedFd> {
        &self.handle
    }

    /// What reading does to it; `None` where the home cannot be asked at hand.
    pub(crate) fn access_time(&self) -> Option<AccessTime> {
        self.access_time
    }

    pub(crate) fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// Opens the directory at `path` beneath the home, links inside it followed. But for the
    /// home's own, the handle is O_PATH: good for the *at calls, not for reading or syncing.
    pub(crate) fn open_dir(&self, path: &Path) -> Result<Arc<OwnedFd>, VfsError> {
        check_path(path)?;
        if path.as_os_str().is_empty() {
            return Ok(Arc::clone(&self.handle));
        }
        let opened = self.root.open_dir(path)?;
        Ok(Arc::new(opened.into_std_file().into()))
    }
}

/// Refuses what no file of a home is called.
pub(crate) fn check_path(path: &Path) -> Result<(), VfsError> {
    path.components().try_for_each(|component| match component {
        Component::Normal(name) => check_name(name),
        // Above the home or not is for the kernel to say.
        Component::CurDir | Component::ParentDir => Ok(()),
        Component::RootDir | Component::Prefix(_) => Err(VfsError::Escapes),
    })
}

/// The parent and the last name of `path`, which need not exist; `None` where the path ends in
/// no name (the home itself, `..`).
pub(crate) fn split_leaf(path: &Path) -> Option<(&Path, &OsStr)> {
    let mut components = path.components();
    match components.next_back()? {
        Component::Normal(leaf) => Some((components.as_path(), leaf)),
        _ => None,
    }
}

/// Whether a name is a staging directory's, wherever it is met: one mount's may be seen through
/// another.
pub(crate) fn is_staging_name(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(STAGING_NAME.as_bytes())
}

/// Whether a name would forge a line of a listing or a reply.
pub(crate) fn has_line_break(name: &[u8]) -> bool {
    name.iter()
        .any(|byte| matches!(byte, b'\0' | b'\r' | b'\n'))
}

/// As [`check_path`], of one name.
pub(crate) fn check_name(name: &OsStr) -> Result<(), VfsError> {
    if is_staging_name(name.as_bytes()) {
        return Err(VfsError::NotFound);
    }
    if has_line_break(name.as_bytes()) {
        return Err(VfsError::BadName);
    }
    Ok(())
}
