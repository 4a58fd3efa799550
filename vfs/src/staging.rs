//! A staging directory: where uploads are written before they have their name.
//!
//! A stage is called after the inode of the target's directory and a hash of the target's last
//! name, so it is found again after a restart, and moves along when a directory above is renamed.
//! Its label holds the target's path for people and for accounting: an extended attribute, or a
//! file beside the stage where the file system has none.

use std::ffi::{CStr, OsStr, OsString};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, Stat, XattrFlags, fgetxattr, fremovexattr, fsetxattr, fstat,
    openat, renameat, statat, unlinkat,
};
use rustix::io::Errno;
use sha2::{Digest, Sha256};

use crate::VfsError;
use crate::dir_reader::DirReader;
use crate::entry;

const LABEL_ATTRIBUTE: &str = "user.skiff.stage";
const LABEL_FILE_SUFFIX: &str = ".path";
/// PATH_MAX: no label is longer.
const LABEL_MAX: usize = 4096;

/// Which name of which directory a stage is for, within one mount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct StageKey {
    pub(crate) parent: u64,
    leaf: u128,
}

impl StageKey {
    pub(crate) fn new(parent: u64, leaf: &OsStr) -> Self {
        let hash: [u8; 32] = Sha256::digest(leaf.as_bytes()).into();
        let half = hash.first_chunk().copied().unwrap_or_default();
        Self {
            parent,
            leaf: u128::from_be_bytes(half),
        }
    }

    /// The stage's file name: the directory's inode and the leaf's hash, in hexadecimal.
    pub(crate) fn file_name(self) -> String {
        format!("{:016x}-{:032x}", self.parent, self.leaf)
    }

    fn parse(name: &[u8]) -> Option<Self> {
        let (parent, leaf) = std::str::from_utf8(name).ok()?.split_once('-')?;
        let parent = u64::from_str_radix(parent, 16).ok()?;
        let key = Self {
            parent,
            leaf: u128::from_str_radix(leaf, 16).ok()?,
        };
        // Only what this very key is called: no other spelling of the same numbers.
        (key.file_name().as_bytes() == name).then_some(key)
    }
}

/// A stage as found in the directory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stage {
    pub(crate) key: StageKey,
    pub(crate) size: u64,
    pub(crate) modified: entry::Modified,
}

#[derive(Debug)]
pub(crate) struct StagingDir {
    fd: OwnedFd,
    inode: u64,
    /// About how many stages there are; zero is exact, so that nobody looks for none.
    count: AtomicUsize,
}

impl StagingDir {
    pub(crate) fn new(fd: OwnedFd, inode: u64) -> Result<Self, VfsError> {
        let staging = Self {
            fd,
            inode,
            count: AtomicUsize::new(0),
        };
        let mut count = 0;
        staging.for_each(|_| {
            count += 1;
            Ok(())
        })?;
        staging.count.store(count, Ordering::Relaxed);
        Ok(staging)
    }

    pub(crate) fn inode(&self) -> u64 {
        self.inode
    }

    pub(crate) fn fd(&self) -> impl AsFd {
        self.fd.as_fd()
    }

    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Whether the directory still has its name (an operator may have emptied the home).
    pub(crate) fn is_linked(&self) -> bool {
        fstat(&self.fd).is_ok_and(|stat| stat.st_nlink > 0)
    }

    /// The staged size, if there is a stage.
    pub(crate) fn size(&self, key: StageKey) -> Result<Option<u64>, VfsError> {
        if self.count() == 0 {
            return Ok(None);
        }
        Ok(self.find(key)?.map(|stage| stage.size))
    }

    pub(crate) fn find(&self, key: StageKey) -> Result<Option<Stage>, VfsError> {
        match statat(&self.fd, key.file_name(), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stage_from_stat(key, &stat))),
            Err(Errno::NOENT) => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    /// Opens a stage, new or old, to be read and written.
    pub(crate) fn open(
        &self,
        key: StageKey,
        mode: Mode,
        how: StageOpen,
    ) -> Result<OwnedFd, VfsError> {
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let flags = match how {
            StageOpen::Create => flags | OFlags::CREATE | OFlags::TRUNC,
            StageOpen::Existing => flags,
        };
        let file = openat(&self.fd, key.file_name(), flags, mode)?;
        if how == StageOpen::Create {
            self.count.fetch_add(1, Ordering::Relaxed);
        }
        Ok(file)
    }

    pub(crate) fn remove(&self, key: StageKey) -> Result<(), VfsError> {
        let name = key.file_name();
        match unlinkat(&self.fd, name.as_str(), AtFlags::empty()) {
            Ok(()) => self.decrement_count(),
            Err(Errno::NOENT) => {}
            Err(e) => return Err(e.into()),
        }
        self.remove_label_file(&name);
        Ok(())
    }

    /// Notes that a stage has left the directory by a rename of the caller's.
    pub(crate) fn note_renamed_away(&self) {
        self.decrement_count();
    }

    /// Takes the label off a file that was published. One that stays does no harm.
    pub(crate) fn unlabel(&self, key: StageKey, file: impl AsFd) {
        if fremovexattr(file, LABEL_ATTRIBUTE).is_err() {
            self.remove_label_file(&key.file_name());
        }
    }

    /// Gives a stage to another target, in place of any stage of it.
    pub(crate) fn rename(&self, from: StageKey, to: StageKey, path: &Path) -> Result<(), VfsError> {
        renameat(&self.fd, from.file_name(), &self.fd, to.file_name())?;
        self.remove_label_file(&from.file_name());
        self.relabel(to, path)
    }

    /// Calls `visit` with each stage, in no order.
    pub(crate) fn for_each(
        &self,
        mut visit: impl FnMut(Stage) -> Result<(), VfsError>,
    ) -> Result<(), VfsError> {
        let mut reader = DirReader::open(&self.fd)?;
        while let Some((_, name)) = reader.next()? {
            let Some(stage) = self.parse_entry(name)? else {
                continue;
            };
            visit(stage)?;
        }
        Ok(())
    }

    /// The home-relative path of a stage's target, as far as it was noted.
    pub(crate) fn label(&self, key: StageKey) -> Result<Option<PathBuf>, VfsError> {
        let mut buffer = vec![0; LABEL_MAX];
        let file = match self.open(key, Mode::empty(), StageOpen::Existing) {
            Ok(file) => file,
            Err(VfsError::NotFound) => return Ok(None),
            Err(e) => return Err(e),
        };
        let length = match fgetxattr(&file, LABEL_ATTRIBUTE, &mut buffer) {
            Ok(length) => length,
            Err(Errno::NODATA | Errno::NOTSUP) => match self.read_label_file(key, &mut buffer)? {
                0 => return Ok(None),
                length => length,
            },
            Err(e) => return Err(e.into()),
        };
        buffer.truncate(length);
        Ok(Some(PathBuf::from(OsString::from_vec(buffer))))
    }

    /// Notes the target's path with an open stage.
    pub(crate) fn set_label(
        &self,
        key: StageKey,
        stage: impl AsFd,
        path: &Path,
    ) -> Result<(), VfsError> {
        let label = path.as_os_str().as_bytes();
        match fsetxattr(stage, LABEL_ATTRIBUTE, label, XattrFlags::empty()) {
            Ok(()) => Ok(()),
            Err(Errno::NOTSUP | Errno::NOSPC | Errno::TOOBIG | Errno::RANGE) => {
                self.write_label_file(key, label)
            }
            Err(e) => Err(e.into()),
        }
    }

    pub(crate) fn relabel(&self, key: StageKey, path: &Path) -> Result<(), VfsError> {
        let file = self.open(key, Mode::empty(), StageOpen::Existing)?;
        self.set_label(key, &file, path)
    }

    fn parse_entry(&self, name: &CStr) -> Result<Option<Stage>, VfsError> {
        let Some(key) = StageKey::parse(name.to_bytes()) else {
            return Ok(None);
        };
        match statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile => {
                Ok(Some(stage_from_stat(key, &stat)))
            }
            Ok(_) | Err(Errno::NOENT) => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    fn decrement_count(&self) {
        let less = |count: usize| Some(count.saturating_sub(1));
        let _ = self
            .count
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }

    fn write_label_file(&self, key: StageKey, label: &[u8]) -> Result<(), VfsError> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW;
        let name = key.file_name() + LABEL_FILE_SUFFIX;
        let file = openat(
            &self.fd,
            name,
            flags | OFlags::CLOEXEC,
            Mode::RUSR | Mode::WUSR,
        )?;
        // A label is at most a page, which is written whole or not at all.
        rustix::io::write(file, label)?;
        Ok(())
    }

    fn read_label_file(&self, key: StageKey, buffer: &mut [u8]) -> Result<usize, VfsError> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        match openat(
            &self.fd,
            key.file_name() + LABEL_FILE_SUFFIX,
            flags,
            Mode::empty(),
        ) {
            Ok(file) => Ok(rustix::io::read(file, buffer)?),
            Err(Errno::NOENT) => Ok(0),
            Err(e) => Err(e.into()),
        }
    }

    fn remove_label_file(&self, name: &str) {
        // One left over is overwritten by the next label of the name.
        let _ = unlinkat(
            &self.fd,
            format!("{name}{LABEL_FILE_SUFFIX}"),
            AtFlags::empty(),
        );
    }
}

/// Whether a stage is to be made or continued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StageOpen {
    Create,
    Existing,
}

fn stage_from_stat(key: StageKey, stat: &Stat) -> Stage {
    Stage {
        key,
        size: entry::size(stat),
        modified: entry::modified(stat),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_back_from_its_file_name() {
        let key = StageKey::new(u64::MAX - 3, OsStr::from_bytes(b"caf\xe9"));
        assert_eq!(StageKey::parse(key.file_name().as_bytes()), Some(key));
        for foreign in [
            "",
            "-",
            "notes.txt",
            "0000000000000001-",
            "0000000000000001-é0000000000000000000000000000000",
        ] {
            assert_eq!(StageKey::parse(foreign.as_bytes()), None, "{foreign}");
        }
    }

    #[test]
    fn a_label_survives_where_attributes_do_not_fit() {
        let folder = tempfile::tempdir().unwrap();
        let fd = OwnedFd::from(std::fs::File::open(folder.path()).unwrap());
        let staging = StagingDir::new(fd, 1).unwrap();
        let key = StageKey::new(7, OsStr::new("a"));
        staging
            .open(key, Mode::RUSR | Mode::WUSR, StageOpen::Create)
            .unwrap();
        staging.write_label_file(key, b"dir/a").unwrap();
        assert_eq!(staging.label(key).unwrap(), Some(PathBuf::from("dir/a")));
        staging.remove(key).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        assert_eq!(staging.count(), 0);
    }
}
