//! Sets the mtime and the permission bits of files and directories.

use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::time::SystemTime;

use parking_lot::MutexGuard;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, Stat, Timestamps};

use crate::entry::{self, Kind, Modified, timestamps};
use crate::home::Home;
use crate::home::resolve::Links;
use crate::home::writers::HomeState;
use crate::syscalls::{chmodat, fchmod, fstat, futimens, utimensat};
use crate::{VfsError, Worker, digest};

/// Set-group-ID and sticky bit, which a directory keeps: operators share directories by them.
const KEPT_ON_DIRECTORIES: u32 = 0o3000;

impl Home {
    /// Sets the mtime of the file or directory at `path` and gives the one that the file system has
    /// stored, which may be coarser; links are followed where they stay in the home. Stored digests
    /// of a file stay valid.
    pub fn set_modified(
        &self,
        worker: &Worker,
        path: &Path,
        modified: SystemTime,
    ) -> Result<Modified, VfsError> {
        let _acting = self.act(worker)?;
        let idle = self.open_idle(path)?;
        let file = idle.handle.fd();
        let digests = digest::load(file, &idle.stat);
        idle.handle.set_times(&timestamps(modified.into()))?;
        let stored = fstat(file)?;
        if let Some(digests) = digests
            && let Err(e) = digest::store(file, &stored, &digests)
        {
            // They are void with the old mtime in them, which costs a hash later.
            log::debug!("{}: the digests of a file are void: {e}", self.user);
        }
        Ok(entry::modified(&stored))
    }

    /// Sets the permission bits, `0o777` of `mode`, of the file or directory at `path`; links are
    /// followed where they stay in the home. A file loses its set-ID and sticky bits.
    pub fn set_mode(&self, worker: &Worker, path: &Path, mode: u32) -> Result<(), VfsError> {
        let _acting = self.act(worker)?;
        let idle = self.open_idle(path)?;
        let kept = match entry::kind(&idle.stat) {
            Kind::Directory => idle.stat.st_mode & KEPT_ON_DIRECTORIES,
            Kind::File | Kind::Link | Kind::Other => 0,
        };
        Ok(idle.handle.set_mode(mode & 0o777 | kept)?)
    }

    /// Opens a file or directory that no upload is writing; the lock keeps new uploads away.
    fn open_idle(&self, path: &Path) -> Result<Idle<'_>, VfsError> {
        let name_at = self.resolve_name(path, Links::Follow)?;
        let lock = self.lock()?;
        lock.check_idle(&name_at.key())?;
        let is_file = match entry::kind(&name_at.stat()?.ok_or(VfsError::NotFound)?) {
            Kind::File => true,
            Kind::Directory => false,
            Kind::Link | Kind::Other => return Err(VfsError::NotRegular),
        };
        let mut handle = match name_at.open(OFlags::RDONLY) {
            // The daemon may change a file that it may only write.
            Err(VfsError::Forbidden) if is_file => name_at.open(OFlags::WRONLY),
            other => other,
        }
        .map(Handle::Open);
        if matches!(handle, Err(VfsError::Forbidden)) {
            handle = name_at.open(OFlags::PATH).map(Handle::Path);
        }
        let handle = handle?;
        let stat = fstat(handle.fd())?;
        match entry::kind(&stat) {
            Kind::File | Kind::Directory => Ok(Idle {
                handle,
                stat,
                _lock: lock,
            }),
            Kind::Link | Kind::Other => Err(VfsError::NotRegular),
        }
    }
}

/// A file or directory whose attributes are to be changed, and the home's lock.
struct Idle<'a> {
    handle: Handle,
    stat: Stat,
    _lock: MutexGuard<'a, HomeState>,
}

/// An open file, or an O_PATH handle of one that may be neither read nor written: its owner may
/// change its attributes all the same. fchmod(2) and futimens(2) refuse such a handle, and its name
/// may be another file's by now, but the name that proc(5) gives it cannot.
enum Handle {
    Open(OwnedFd),
    Path(OwnedFd),
}

impl Handle {
    fn fd(&self) -> &OwnedFd {
        match self {
            Self::Open(fd) | Self::Path(fd) => fd,
        }
    }

    fn set_mode(&self, mode: u32) -> rustix::io::Result<()> {
        let mode = Mode::from_raw_mode(mode);
        match self {
            Self::Open(fd) => fchmod(fd, mode),
            Self::Path(fd) => chmodat(CWD, proc_name(fd), mode, AtFlags::empty()),
        }
    }

    fn set_times(&self, times: &Timestamps) -> rustix::io::Result<()> {
        match self {
            Self::Open(fd) => futimens(fd, times),
            Self::Path(fd) => utimensat(CWD, proc_name(fd), times, AtFlags::empty()),
        }
    }
}

fn proc_name(fd: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", fd.as_raw_fd())
}
