//! Sets the mtime and the permission bits of files and directories.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::SystemTime;

use parking_lot::MutexGuard;
use rustix::fs::{Mode, OFlags, Stat, fchmod, fstat, futimens};

use crate::entry::{self, Kind, timestamps};
use crate::home::Home;
use crate::home::resolve::Links;
use crate::home::writers::HomeState;
use crate::{VfsError, Worker, digest};

/// Set-group-ID and sticky bit, which a directory keeps: operators share directories by them.
const KEPT_ON_DIRECTORIES: u32 = 0o3000;

impl Home {
    /// Sets the mtime of the file or directory at `path`; links are followed where they stay in the
    /// home. Stored digests of a file stay valid.
    pub fn set_modified(
        &self,
        _worker: &Worker,
        path: &Path,
        modified: SystemTime,
    ) -> Result<(), VfsError> {
        let (file, before, _idle) = self.open_idle(path)?;
        let digests = digest::load(&file, &before);
        futimens(&file, &timestamps(modified.into()))?;
        let Some(digests) = digests else {
            return Ok(());
        };
        // The digests are void with the old mtime in them, which costs a hash later.
        if let Err(e) = digest::store(&file, &fstat(&file)?, &digests) {
            log::debug!("{}: the digests of a file are void: {e}", self.user);
        }
        Ok(())
    }

    /// Sets the permission bits, `0o777` of `mode`, of the file or directory at `path`; links are
    /// followed where they stay in the home. A file loses its set-ID and sticky bits.
    pub fn set_mode(&self, _worker: &Worker, path: &Path, mode: u32) -> Result<(), VfsError> {
        let (file, stat, _idle) = self.open_idle(path)?;
        let kept = match entry::kind(&stat) {
            Kind::Directory => stat.st_mode & KEPT_ON_DIRECTORIES,
            Kind::File | Kind::Link | Kind::Other => 0,
        };
        fchmod(&file, Mode::from_raw_mode(mode & 0o777 | kept))?;
        Ok(())
    }

    /// Opens a file or directory that no upload is writing; the lock keeps new uploads away.
    fn open_idle(
        &self,
        path: &Path,
    ) -> Result<(OwnedFd, Stat, MutexGuard<'_, HomeState>), VfsError> {
        let name_at = self.resolve_name(path, Links::Follow)?;
        let state = self.lock()?;
        state.check_idle(&name_at.key())?;
        let is_file = match entry::kind(&name_at.stat()?.ok_or(VfsError::NotFound)?) {
            Kind::File => true,
            Kind::Directory => false,
            Kind::Link | Kind::Other => return Err(VfsError::NotRegular),
        };
        let opened = match name_at.open(OFlags::RDONLY) {
            // The daemon may change a file that it may only write.
            Err(VfsError::Forbidden) if is_file => name_at.open(OFlags::WRONLY)?,
            other => other?,
        };
        let stat = fstat(&opened)?;
        match entry::kind(&stat) {
            Kind::File | Kind::Directory => Ok((opened, stat, state)),
            Kind::Link | Kind::Other => Err(VfsError::NotRegular),
        }
    }
}
