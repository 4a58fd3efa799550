//! What an unclean end has left in a staging directory: bytes that never reached the disk, and
//! appends that were never confirmed.
//!
//! A file may have its length before its bytes, so that after a power loss the rest is zeros. Each
//! stage is cut to the length in its [`Label`](super::label::Label), up to which it was synced, and
//! one without a label, or with another name beside its own, is removed. A file that was being
//! appended to is cut to the length in its [`AppendRecord`]. Each of these can be done again, so
//! that a crash meanwhile does no harm.

use std::ffi::CStr;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::label::Label;
use super::{Stage, StageKey, StageOpen, StagingDir};
use crate::VfsError;
use crate::dir_reader::DirReader;
use crate::entry::{self, Modified, timestamps};
use crate::syscalls;
use crate::syscalls::{fstat, fsync, ftruncate, futimens, linkat, openat, statat, unlinkat};

const RECORD_SUFFIX: &str = ".append";

/// A published file as it was before an upload that appends to it. The record is a name of the file
/// itself in the staging directory, which holds these numbers: so it follows the file wherever it
/// is moved, and one sync of the directory makes it durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AppendRecord {
    pub(crate) key: StageKey,
    pub(crate) size: u64,
    pub(crate) modified: Modified,
}

impl AppendRecord {
    fn file_name(&self) -> String {
        let Self {
            key,
            size,
            modified,
        } = self;
        let (seconds, nanoseconds) = (modified.seconds, modified.nanoseconds);
        let key = key.file_name();
        format!("{key}.{size}.{seconds}.{nanoseconds}{RECORD_SUFFIX}")
    }

    fn parse(name: &[u8]) -> Option<Self> {
        let name = std::str::from_utf8(name).ok()?;
        let mut parts = name.strip_suffix(RECORD_SUFFIX)?.split('.');
        let record = Self {
            key: StageKey::parse(parts.next()?.as_bytes())?,
            size: parts.next()?.parse().ok()?,
            modified: Modified {
                seconds: parts.next()?.parse().ok()?,
                nanoseconds: parts.next()?.parse().ok()?,
            },
        };
        (record.file_name() == name).then_some(record)
    }
}

impl StagingDir {
    /// Cuts and removes what is not known to be on the disk; gives the number of files that were.
    pub(super) fn recover(&self) -> Result<usize, VfsError> {
        let (mut stages, mut records) = (Vec::new(), Vec::new());
        self.for_each(|stage| {
            stages.push(stage);
            Ok(())
        })?;
        let mut reader = DirReader::open(&self.fd)?;
        while let Some((_, name)) = reader.next()? {
            records.extend(AppendRecord::parse(name.to_bytes()));
        }
        let mut cut = 0;
        for stage in stages {
            cut += usize::from(self.cut_stage(stage)?);
        }
        for record in &records {
            cut += usize::from(self.cut_appended(record)?);
        }
        if cut > 0 || !records.is_empty() {
            self.sync()?;
        }
        Ok(cut)
    }

    /// Cuts a stage to what was synced; gives whether it had more.
    fn cut_stage(&self, stage: Stage) -> Result<bool, VfsError> {
        let key = stage.key;
        if stage.has_other_names() {
            return self.remove(key).map(|()| true);
        }
        let Some(label) = self.label(key)?.filter(|label| label.synced > 0) else {
            return self.remove(key).map(|()| true);
        };
        if label.synced == stage.size {
            return Ok(false);
        }
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = openat(&self.fd, key.file_name(), flags, Mode::empty())?;
        if label.synced > stage.size {
            let synced = stage.size;
            self.set_label(key, file, &Label { synced, ..label })?;
            return Ok(false);
        }
        ftruncate(&file, label.synced)?;
        // The age of a stage decides when it is swept.
        let _ = futimens(&file, &timestamps(stage.modified));
        Ok(true)
    }

    /// Cuts a published file to what it was before an append that was never confirmed; gives
    /// whether it had more.
    fn cut_appended(&self, record: &AppendRecord) -> Result<bool, VfsError> {
        let name = record.file_name();
        let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = openat(&self.fd, &name, flags, Mode::empty())?;
        let stat = fstat(&file)?;
        let is_longer = entry::size(&stat) > record.size;
        if is_longer && FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile {
            ftruncate(&file, record.size)?;
            let _ = futimens(&file, &timestamps(record.modified));
            fsync(&file)?;
        }
        unlinkat(&self.fd, name, AtFlags::empty())?;
        Ok(is_longer)
    }

    /// Records that the file `name` in `folder`, which is open as `file`, is about to be appended
    /// to; gives whether that is so. A file system without hard links can record nothing.
    pub(crate) fn record_append(
        &self,
        (folder, name): (impl AsFd, &CStr),
        file: impl AsFd,
        record: &AppendRecord,
    ) -> Result<bool, VfsError> {
        let record_name = record.file_name();
        match self.link_record(folder, name, &record_name) {
            Ok(()) => {}
            // XDEV: as for files of another project, see quota(5).
            Err(Errno::PERM | Errno::NOTSUP | Errno::NOSYS | Errno::MLINK | Errno::XDEV) => {
                return Ok(false);
            }
            Err(e) => return Err(e.into()),
        }
        let linked = statat(&self.fd, &record_name, AtFlags::SYMLINK_NOFOLLOW)?;
        let opened = fstat(file)?;
        if (linked.st_dev, linked.st_ino) == (opened.st_dev, opened.st_ino) {
            return Ok(true);
        }
        // Somebody outside the daemon has replaced the file since it was opened.
        unlinkat(&self.fd, record_name, AtFlags::empty())?;
        Err(VfsError::NotFound)
    }

    fn link_record(
        &self,
        folder: impl AsFd,
        name: &CStr,
        record_name: &str,
    ) -> rustix::io::Result<()> {
        let link = || linkat(&folder, name, &self.fd, record_name, AtFlags::empty());
        match link() {
            // Of another file: this one has no unconfirmed append, or it would have been cut.
            Err(Errno::EXIST) => {
                unlinkat(&self.fd, record_name, AtFlags::empty())?;
                link()
            }
            other => other,
        }
    }

    /// Removes a record, after the append was synced or cut off.
    pub(crate) fn remove_record(&self, record: &AppendRecord) -> Result<(), VfsError> {
        match unlinkat(&self.fd, record.file_name(), AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(e) => Err(e.into()),
        }
    }

    /// Syncs a stage that no upload is writing, and says so in its label.
    pub(crate) fn sync_stage(&self, stage: Stage) -> Result<(), VfsError> {
        let Some(label) = self.label(stage.key)? else {
            return Ok(());
        };
        if label.synced >= stage.size {
            return Ok(());
        }
        let file = self.open(stage.key, Mode::empty(), StageOpen::Existing)?;
        fsync(&file)?;
        let synced = stage.size;
        self.set_label(stage.key, file, &Label { synced, ..label })
    }

    /// Syncs the names in the directory. A file system that syncs no directories (that of
    /// VirtualBox) answers EINVAL, and there is nothing to be done about it.
    pub(crate) fn sync(&self) -> Result<(), VfsError> {
        match fsync(&self.fd) {
            Err(Errno::INVAL) => Ok(()),
            other => Ok(other?),
        }
    }
}

/// Bytes of `directory`'s file system that name its kind (statfs(2)).
#[allow(clippy::unnecessary_cast, reason = "the type differs by architecture")]
pub(super) fn renames_in_one_transaction(directory: &OwnedFd) -> bool {
    /// ext2 to ext4, XFS, F2FS, tmpfs.
    const ONE_TRANSACTION: [u64; 4] = [0xEF53, 0x5846_5342, 0xF2F5_2010, 0x0102_1994];
    syscalls::fstatfs(directory).is_ok_and(|disk| ONE_TRANSACTION.contains(&(disk.f_type as u64)))
}
