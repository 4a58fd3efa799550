//! [`StagingDir`]: the directory in which uploads are written until they are published.
//!
//! The file name of a stage is made of the inode of the target's directory and a hash of the
//! target's last name. So a restarted daemon finds the stage again, and it still belongs to its
//! target after a directory above was renamed. A stage's label is the target's path, which
//! operators and scans need: it is an extended attribute, or a file beside the stage where the
//! file system has no attributes.

use std::ffi::{CStr, OsStr, OsString};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, Stat, XattrFlags, fchmod, fgetxattr, fremovexattr, fsetxattr,
    fstat, openat, renameat, statat, unlinkat,
};
use rustix::io::Errno;
use sha2::{Digest, Sha256};

use crate::VfsError;
use crate::dir_reader::DirReader;
use crate::entry;

const LABEL_ATTRIBUTE: &str = "user.skiff.stage";
const LABEL_FILE_SUFFIX: &str = ".path";
/// Bytes of the longest label: PATH_MAX.
const LABEL_MAX: usize = 4096;

/// Identifies the target of a stage within one mount: the inode of its directory and a hash of its
/// last name.
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
        // Refuses other spellings of the same numbers, such as upper case.
        (key.file_name().as_bytes() == name).then_some(key)
    }
}

/// How much of what came a kept stage holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// All of it. Only for clients that compare digests before they continue.
    Whole,
    /// All but the last byte: a client that resumes by size alone then sends at least that byte,
    /// and never takes the stage for its whole, published file.
    ButLastByte,
}

/// The mode bit of a stage that is kept as [`Kept::ButLastByte`]. Linux gives it no meaning on a
/// regular file (inode(7)), it comes with the stat(2) that tells the size, and a file system that
/// does not store it only costs one byte more.
const LAST_BYTE_CUT: Mode = Mode::SVTX;

/// The metadata of one stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stage {
    pub(crate) key: StageKey,
    pub(crate) size: u64,
    pub(crate) modified: entry::Modified,
    pub(crate) kept: Kept,
}

impl Stage {
    /// The size that a client which resumes by size alone is told: one byte less than came, also
    /// where a crash, or a client that compares digests, left all bytes.
    pub(crate) fn told_size(&self) -> u64 {
        match self.kept {
            Kept::Whole => self.size.saturating_sub(1),
            Kept::ButLastByte => self.size,
        }
    }
}

/// Notes with `stage`, an open stage, what it holds.
pub(crate) fn mark_kept(stage: impl AsFd, kept: Kept) -> Result<(), VfsError> {
    let mark = match kept {
        Kept::Whole => Mode::empty(),
        Kept::ButLastByte => LAST_BYTE_CUT,
    };
    Ok(fchmod(stage, Mode::RUSR | Mode::WUSR | mark)?)
}

/// An open staging directory.
#[derive(Debug)]
pub(crate) struct StagingDir {
    fd: OwnedFd,
    inode: u64,
    /// About how many stages there are. Zero is exact, and saves the look for a stage.
    count: AtomicUsize,
}

impl StagingDir {
    /// Takes over the open directory `fd`, whose inode number is `inode`, and counts its stages.
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

    /// Whether the directory has a name still: an operator may have removed it.
    pub(crate) fn is_linked(&self) -> bool {
        fstat(&self.fd).is_ok_and(|stat| stat.st_nlink > 0)
    }

    /// The metadata of the stage of `key`; `None` where there is no stage.
    pub(crate) fn find(&self, key: StageKey) -> Result<Option<Stage>, VfsError> {
        if self.count() == 0 {
            return Ok(None);
        }
        match statat(&self.fd, key.file_name(), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stage_from_stat(key, &stat))),
            Err(Errno::NOENT) => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    /// Opens the stage of `key` for reading and writing; `mode` is that of a new one.
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

    /// Removes the stage of `key` and its label; does nothing where there is no stage.
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

    /// Counts one stage less, after the caller has renamed a stage out of the directory.
    pub(crate) fn note_renamed_away(&self) {
        self.decrement_count();
    }

    /// Removes the label of a file that was published. A label that stays does no harm.
    pub(crate) fn unlabel(&self, key: StageKey, file: impl AsFd) {
        if fremovexattr(file, LABEL_ATTRIBUTE).is_err() {
            self.remove_label_file(&key.file_name());
        }
    }

    /// Renames the stage of `from` to that of `to`, whose path is `path`, and replaces one that is
    /// there.
    pub(crate) fn rename(&self, from: StageKey, to: StageKey, path: &Path) -> Result<(), VfsError> {
        renameat(&self.fd, from.file_name(), &self.fd, to.file_name())?;
        self.remove_label_file(&from.file_name());
        self.relabel(to, path)
    }

    /// Calls `visit` with each stage, in no order, and stops at its first error.
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

    /// The path of the target of `key`'s stage, relative to the home; `None` where there is no
    /// stage or no label.
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

    /// Labels `stage`, an open stage, with its target's path.
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

    /// Changes the label of the stage of `key` to `path`.
    pub(crate) fn relabel(&self, key: StageKey, path: &Path) -> Result<(), VfsError> {
        let file = self.open(key, Mode::empty(), StageOpen::Existing)?;
        self.set_label(key, &file, path)
    }

    /// The stage called `name`; `None` for files that are no stages.
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
        // A label is at most a page, so one write(2) takes it whole.
        rustix::io::write(file, label)?;
        Ok(())
    }

    /// Reads a label from the file beside the stage; gives its length, 0 where there is none.
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
        // A label file that stays is overwritten by the next label of the same name.
        let _ = unlinkat(
            &self.fd,
            format!("{name}{LABEL_FILE_SUFFIX}"),
            AtFlags::empty(),
        );
    }
}

/// How a stage is opened: a new one is created and an old one of the name truncated, or the
/// existing one is opened as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StageOpen {
    Create,
    Existing,
}

fn stage_from_stat(key: StageKey, stat: &Stat) -> Stage {
    let is_cut = Mode::from_raw_mode(stat.st_mode).contains(LAST_BYTE_CUT);
    Stage {
        key,
        size: entry::size(stat),
        modified: entry::modified(stat),
        kept: match is_cut {
            true => Kept::ButLastByte,
            false => Kept::Whole,
        },
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
