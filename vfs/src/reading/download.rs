//! [`Download`]: a file open for reading.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::fs::Stat;
use rustix::io::{Errno, pread};

use crate::entry::{self, Modified};
use crate::owner::{Owner, act_as};
use crate::syscalls::fstat;
use crate::{Digest, Digests, VfsError, Worker, digest};

/// An open regular file of a home. It stays readable when its name is removed or gets another
/// file.
#[derive(Debug)]
pub struct Download {
    file: File,
    stat: Stat,
    digests: Option<Digests>,
    /// The home's.
    owner: Option<Arc<Owner>>,
}

impl Download {
    pub(crate) fn new(file: OwnedFd, stat: Stat, owner: Option<Arc<Owner>>) -> Self {
        let digests = digest::load(&file, &stat);
        Self {
            file: file.into(),
            stat,
            digests,
            owner,
        }
    }

    pub(crate) fn without_digests(file: OwnedFd, stat: Stat) -> Self {
        Self {
            file: file.into(),
            stat,
            digests: None,
            owner: None,
        }
    }

    pub(crate) fn stat(&self) -> &Stat {
        &self.stat
    }

    /// Bytes of content when the file was opened.
    pub fn size(&self) -> u64 {
        entry::size(&self.stat)
    }

    /// The mtime when the file was opened.
    pub fn modified(&self) -> Modified {
        entry::modified(&self.stat)
    }

    /// The ctime when the file was opened, which every change of the file sets and no program can
    /// put back.
    pub fn changed(&self) -> Modified {
        entry::changed(&self.stat)
    }

    /// The digests that are stored with the file; `None` where there are none, the file has changed
    /// since, or it was opened without them.
    pub fn digests(&self) -> Option<Digests> {
        self.digests
    }

    /// The file, for sendfile(2).
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Reads at byte `offset` into `buffer` and gives the count, which may be less than asked; 0 is
    /// the end.
    pub fn read_at(
        &self,
        _worker: &Worker,
        offset: u64,
        buffer: &mut [u8],
    ) -> Result<usize, VfsError> {
        loop {
            match pread(&self.file, &mut *buffer, offset) {
                Err(Errno::INTR) => {}
                other => return Ok(other?),
            }
        }
    }

    /// Stores a digest of the whole content, computed from the disk, beside one that is there.
    /// Nothing is stored where the file has changed since it was opened or the file system has no
    /// attributes: that is no error.
    pub fn store_digest(&self, _worker: &Worker, read: Digest) -> Result<(), VfsError> {
        let _acting = act_as(self.owner.as_ref())?;
        let now = fstat(&self.file)?;
        if unchanged(&now, &self.stat) {
            let all = match self.digests {
                Some(known) => known.with(read),
                None => read.into(),
            };
            // An attribute that is written sets the ctime.
            if self.digests != Some(all) {
                digest::store(&self.file, &now, &all)?;
            }
        }
        Ok(())
    }

    /// Removes the stored digests, which differ from the content on the disk.
    pub fn remove_digests(&mut self, _worker: &Worker) -> Result<(), VfsError> {
        let _acting = act_as(self.owner.as_ref())?;
        self.digests = None;
        Ok(digest::remove(&self.file)?)
    }
}

fn unchanged(now: &Stat, then: &Stat) -> bool {
    now.st_size == then.st_size
        && now.st_ino == then.st_ino
        && (now.st_mtime, now.st_mtime_nsec) == (then.st_mtime, then.st_mtime_nsec)
}
