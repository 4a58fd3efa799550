//! [`Jail`]: the directory handle of a home, beneath which the kernel resolves all its paths.
//!
//! This folder holds what opens and identifies directories and names beneath that handle. It knows
//! no user, quota, lock or upload: those are in `home/` and above.
//!
//! Paths are resolved by openat2(2) with RESOLVE_BENEATH (cap-std's fallback opens one component
//! after the other), so that the kernel judges links and `..` while it follows them. Later calls
//! act on an open parent directory and a last name that is never followed: no path is checked
//! first and used later.

pub(crate) mod cached;
pub(crate) mod descent;
pub(crate) mod folder;
pub(crate) mod mount;
pub(crate) mod subfolders;

use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};
use std::sync::Arc;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use rustix::fs::{FlockOperation, Mode, flock};
use rustix::io::Errno;

use self::cached::AccessTime;
use crate::VfsError;
use crate::dir_reader::dir_read_flags;
use crate::owner::{Owner, act_as};
use crate::syscalls::openat;

/// The name of staging directories. Paths with a component of this name, in upper or lower case,
/// are refused.
pub(crate) const STAGING_NAME: &str = ".skiff-stage";

/// Bytes of the longest path, below the home, that the daemon gives a name: what path_resolution(7)
/// allows without the NUL. Names with longer paths can be counted, but nobody could reach them.
pub(crate) const PATH_LEN_MAX: usize = 4095;

/// Whether other processes are kept out of a home.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Locked {
    Alone,
    /// Its file system has no locks for it.
    Unnoticed,
}

/// The open directory of a home.
#[derive(Debug)]
pub(crate) struct Jail {
    root: Dir,
    /// The home's directory, open for reading where that is permitted, so that it can be synced.
    handle: Arc<OwnedFd>,
    /// `None` where cached look-ups are not supported.
    access_time: Option<AccessTime>,
}

impl Jail {
    /// Opens the home at `root`, the only path of the host that this crate opens for a home.
    /// The owner needs rights to it, and none to the folders above.
    pub(crate) fn open(root: &Path, owner: Option<&Arc<Owner>>) -> Result<Self, VfsError> {
        // Opened by O_PATH, which asks for no right to the directory itself.
        let root = Dir::open_ambient_dir(root, ambient_authority())?;
        let _acting = act_as(owner)?;
        let handle = match openat(&root, c".", dir_read_flags(), Mode::empty()) {
            Ok(handle) => handle,
            // The directory may not be read, but names in it may be used.
            Err(Errno::ACCESS) => root.open_dir(".")?.into_std_file().into(),
            Err(e) => return Err(e.into()),
        };
        // Only threads that act as the owner may look, and those may wait.
        let access_time = match owner {
            None => cached::probe(&handle),
            Some(_) => None,
        };
        Ok(Self {
            root,
            handle: Arc::new(handle),
            access_time,
        })
    }

    /// Locks the home's directory against other processes, by flock(2). A directory that may not
    /// be read, or is on a network file system, cannot be locked.
    pub(crate) fn lock(&self) -> Result<Locked, VfsError> {
        match flock(&self.handle, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Locked::Alone),
            Err(Errno::WOULDBLOCK) => Err(VfsError::InUse),
            Err(e) => {
                log::debug!("a home is not locked against other processes: {e}");
                Ok(Locked::Unnoticed)
            }
        }
    }

    /// Undoes [`Jail::lock`], also where files below are open still.
    pub(crate) fn unlock(&self) {
        // Fails only where there was no lock.
        let _ = flock(&self.handle, FlockOperation::Unlock);
    }

    pub(crate) fn handle(&self) -> &Arc<OwnedFd> {
        &self.handle
    }

    /// How reading updates the atime; `None` where cached look-ups are not supported.
    pub(crate) fn access_time(&self) -> Option<AccessTime> {
        self.access_time
    }

    pub(crate) fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// Opens the directory at `path`; links are followed where they stay in the home. All handles
    /// but the home's own are O_PATH: they serve the *at(2) calls, not reading or syncing.
    pub(crate) fn open_dir(&self, path: &Path) -> Result<Arc<OwnedFd>, VfsError> {
        check_path(path)?;
        if path.as_os_str().is_empty() {
            return Ok(Arc::clone(&self.handle));
        }
        let opened = self.root.open_dir(path)?;
        Ok(Arc::new(opened.into_std_file().into()))
    }
}

/// Refuses absolute paths, and paths with a component that no file of a home may have.
pub(crate) fn check_path(path: &Path) -> Result<(), VfsError> {
    path.components().try_for_each(|component| match component {
        Component::Normal(name) => check_name(name),
        // Whether `..` leads above the home, the kernel decides.
        Component::CurDir | Component::ParentDir => Ok(()),
        Component::RootDir | Component::Prefix(_) => Err(VfsError::Escapes),
    })
}

/// [`VfsError::NameTooLong`] for a path with more bytes than a path may have.
pub(crate) fn check_length(path: &Path) -> Result<(), VfsError> {
    match path.as_os_str().len() {
        0..=PATH_LEN_MAX => Ok(()),
        _ => Err(VfsError::NameTooLong),
    }
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

/// Whether `name` is that of staging directories. Such names are hidden everywhere, as one mount's
/// staging directory may be seen through another mount.
pub(crate) fn is_staging_name(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(STAGING_NAME.as_bytes())
}

/// Whether `name` holds a CR or LF, and so could forge a line where names are not escaped.
pub(crate) fn has_line_break(name: &[u8]) -> bool {
    name.iter().any(|byte| matches!(byte, b'\r' | b'\n'))
}

/// Refuses the name of staging directories and names with a NUL, which no system call takes.
pub(crate) fn check_name(name: &OsStr) -> Result<(), VfsError> {
    if is_staging_name(name.as_bytes()) {
        return Err(VfsError::NotFound);
    }
    if name.as_bytes().contains(&0) {
        return Err(VfsError::BadName);
    }
    Ok(())
}
