//! [`StagingDir`]: the directory in which uploads are written until they are published.
//!
//! The file name of a stage is made of the inode of the target's directory and a hash of the
//! target's last name. So a restarted daemon finds the stage again, and it still belongs to its
//! target after a directory above was renamed. Everything else is in its label (`label.rs`). What
//! an unclean end leaves is put right when the directory is opened (`recovery.rs`).

pub(crate) mod label;
pub(crate) mod recovery;

use std::ffi::{CStr, OsStr};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use sha2::{Digest, Sha256};

use self::label::Born;
use self::recovery::renames_in_one_transaction;
use crate::VfsError;
use crate::dir_reader::DirReader;
use crate::entry;
use crate::syscalls::{fchmod, fstat, openat, renameat, statat, unlinkat};

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
    /// Nothing: the stage goes with the upload.
    Nothing,
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
    pub(crate) inode: u64,
    /// Number of hard links.
    pub(crate) links: u64,
}

impl Stage {
    /// Whether the file has another name too. Then it is not to be written to: a power loss has
    /// undone half of a rename, and the other name is the published one; or a program that copies
    /// by hard links has given it one.
    pub(crate) fn has_other_names(&self) -> bool {
        self.links != 1
    }

    /// The size that a client which resumes by size alone is told: one byte less than came, also
    /// where a crash, or a client that compares digests, left all bytes.
    pub(crate) fn told_size(&self) -> u64 {
        match self.kept {
            Kept::Whole | Kept::Nothing => self.size.saturating_sub(1),
            Kept::ButLastByte => self.size,
        }
    }
}

/// Notes with `stage`, an open stage, what it holds.
pub(crate) fn mark_kept(stage: impl AsFd, kept: Kept) -> Result<(), VfsError> {
    let mark = match kept {
        Kept::Whole | Kept::Nothing => Mode::empty(),
        Kept::ButLastByte => LAST_BYTE_CUT,
    };
    Ok(fchmod(stage, Mode::RUSR | Mode::WUSR | mark)?)
}

/// What is believed of the stages in a directory that is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Belief {
    /// Their sizes: this process has seen to them already, or the last one ended cleanly.
    Sizes,
    /// Only what their labels say: the machine may have stopped since they were written.
    Labels,
}

/// An open staging directory.
#[derive(Debug)]
pub(crate) struct StagingDir {
    fd: OwnedFd,
    inode: u64,
    /// Whether the file system makes a rename durable in both directories when one is synced.
    renames_in_one_transaction: bool,
    /// About how many stages there are. Zero is exact, and saves the look for a stage.
    count: AtomicUsize,
    /// What was cut or removed when the directory was opened.
    recovered: usize,
}

impl StagingDir {
    /// Takes over the open directory `fd`, whose inode number is `inode`, and counts its stages,
    /// after it has recovered them where only their labels are believed.
    pub(crate) fn new(fd: OwnedFd, inode: u64, belief: Belief) -> Result<Self, VfsError> {
        let mut staging = Self {
            renames_in_one_transaction: renames_in_one_transaction(&fd),
            fd,
            inode,
            count: AtomicUsize::new(0),
            recovered: 0,
        };
        if belief == Belief::Labels {
            staging.recovered = staging.recover()?;
        }
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

    /// How many files were cut or removed when the directory was opened, see `recovery.rs`.
    pub(crate) fn recovered(&self) -> usize {
        self.recovered
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
        let name = key.file_name();
        match how {
            StageOpen::Create => {
                let create = flags | OFlags::CREATE | OFlags::EXCL;
                let file = match openat(&self.fd, &name, create, mode) {
                    // Never truncated: it may have another name.
                    Err(Errno::EXIST) => {
                        self.remove(key)?;
                        openat(&self.fd, &name, create, mode)?
                    }
                    other => other?,
                };
                self.count.fetch_add(1, Ordering::Relaxed);
                Ok(file)
            }
            StageOpen::Existing => Ok(openat(&self.fd, &name, flags, mode)?),
        }
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

    /// Makes it durable that a stage was renamed out of the directory, after its new directory was
    /// synced: in the other order a power loss could leave neither name. Btrfs writes what is synced
    /// of the one directory, and may leave the file its old name too. File systems that commit the
    /// whole rename need not wait for the disk again.
    pub(crate) fn sync_renamed_away(&self) -> Result<(), VfsError> {
        match self.renames_in_one_transaction {
            true => Ok(()),
            false => self.sync(),
        }
    }

    /// Renames the stage of `from` to that of `to`, whose path is `path` in a directory that was made
    /// at `born`, and replaces one that is there.
    pub(crate) fn rename(
        &self,
        from: StageKey,
        to: StageKey,
        (path, born): (&Path, Option<Born>),
    ) -> Result<(), VfsError> {
        renameat(&self.fd, from.file_name(), &self.fd, to.file_name())?;
        self.rename_label_file(from, to);
        self.relabel(to, path, born)
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
}

/// How a stage is opened: a new one is created and an old one of the name removed, or the existing
/// one is opened as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StageOpen {
    Create,
    Existing,
}

#[allow(
    clippy::unnecessary_cast,
    reason = "the kernel's types differ by architecture"
)]
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
        inode: stat.st_ino,
        links: stat.st_nlink as u64,
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
}
