//! A file open for reading.

use std::fs::File;
use std::os::fd::OwnedFd;

use rustix::fs::{Stat, fstat};
use rustix::io::{Errno, pread};

use crate::entry::{self, Modified};
use crate::{Digest, Digests, VfsError, Worker, digest};

/// A regular file of a home, as it was when it was opened: replacing or removing its name does
/// not touch what is read here.
#[derive(Debug)]
pub struct Download {
    file: File,
    stat: Stat,
    digests: Option<Digests>,
}

impl Download {
    pub(crate) fn new(file: OwnedFd, stat: Stat) -> Self {
        let digests = digest::load(&file, &stat);
        Self {
            file: file.into(),
            stat,
            digests,
        }
    }

    pub(crate) fn without_digests(file: OwnedFd, stat: Stat) -> Self {
        Self {
            file: file.into(),
            stat,
            digests: None,
        }
    }

    pub(crate) fn stat(&self) -> &Stat {
        &self.stat
    }

    /// Bytes of content when it was opened.
    pub fn size(&self) -> u64 {
        entry::size(&self.stat)
    }

    pub fn modified(&self) -> Modified {
        entry::modified(&self.stat)
    }

    /// The digests remembered with the file, if it has not changed since.
    pub fn digests(&self) -> Option<Digests> {
        self.digests
    }

    /// The file, for sendfile(2).
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Reads at `offset` into `buffer`; 0 is the end. May give less than asked.
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

    /// Remembers a digest of the whole content, read off the disk, beside the one there is, if the
    /// file is unchanged since it was opened. Whether it was and the file system could,
    /// [`Download::digests`] of the next says.
    pub fn remember(&self, _worker: &Worker, read: Digest) -> Result<(), VfsError> {
        let now = fstat(&self.file)?;
        if unchanged(&now, &self.stat) {
            let all = match self.digests {
                Some(known) => known.with(read),
                None => read.into(),
            };
            digest::store(&self.file, &now, &all)?;
        }
        Ok(())
    }

    /// Forgets the digests: the disk says otherwise.
    pub fn forget(&mut self, _worker: &Worker) -> Result<(), VfsError> {
        self.digests = None;
        Ok(digest::remove(&self.file)?)
    }
}

fn unchanged(now: &Stat, then: &Stat) -> bool {
    now.st_size == then.st_size
        && now.st_ino == then.st_ino
        && (now.st_mtime, now.st_mtime_nsec) == (then.st_mtime, then.st_mtime_nsec)
}
