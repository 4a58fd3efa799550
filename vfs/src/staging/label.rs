//! [`Label`]: what a stage's name does not say: whose it is, and how much of it is on the disk.
//!
//! A label is an extended attribute of the stage, or a file beside it where the file system has no
//! attributes or no room for one. It reads `2 <synced> <born> <path>`; operators can read it too.

use std::os::fd::AsFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::{ffi::OsString, fmt};

use rustix::fs::{AtFlags, Mode, OFlags, StatxTimestamp, XattrFlags, fgetxattr};
use rustix::io::Errno;

use super::{StageKey, StageOpen, StagingDir};
use crate::VfsError;
use crate::syscalls;
use crate::syscalls::{fremovexattr, fsetxattr, fsync, openat, renameat, unlinkat};

const ATTRIBUTE: &str = "user.skiff.stage";
const FILE_SUFFIX: &str = ".path";
const TEMPORARY_SUFFIX: &str = ".path.new";
const VERSION: &str = "2";
/// Bytes of the longest label: PATH_MAX, and the numbers before the path.
const LABEL_MAX: usize = 4096 + 96;

/// When a directory was made (statx(2), STATX_BTIME). With the inode number it identifies a
/// directory also after another one was removed, whose number it got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Born {
    seconds: i64,
    nanoseconds: u32,
}

impl From<StatxTimestamp> for Born {
    fn from(time: StatxTimestamp) -> Self {
        Self {
            seconds: time.tv_sec,
            nanoseconds: time.tv_nsec,
        }
    }
}

impl fmt::Display for Born {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.seconds, self.nanoseconds)
    }
}

impl Born {
    fn parse(text: &str) -> Option<Self> {
        let (seconds, nanoseconds) = text.split_once('.')?;
        Some(Self {
            seconds: seconds.parse().ok()?,
            nanoseconds: nanoseconds.parse().ok()?,
        })
    }
}

/// What is noted with a stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Label {
    /// Bytes of the stage that were synced: after a power loss the rest may be zeros, or those of
    /// another file. Never more than the stage has.
    pub(crate) synced: u64,
    /// When the target's directory was made; `None` where the file system does not tell.
    pub(crate) born: Option<Born>,
    /// The target's path, relative to the home.
    pub(crate) path: PathBuf,
}

impl Label {
    /// Whether the stage is that of the name `path` in a directory that was made at `born`, and has
    /// the inode number of the stage's key.
    pub(crate) fn is_of(&self, born: Option<Born>, path: &Path) -> bool {
        match (self.born, born) {
            (Some(then), Some(now)) => then == now,
            // Without the time there is the path, which other programs may have changed: then the
            // stage is given up too soon.
            _ => self.path == path,
        }
    }

    fn encode(&self) -> Vec<u8> {
        let born = self
            .born
            .map_or_else(|| "-".to_owned(), |born| born.to_string());
        let mut bytes = format!("{VERSION} {} {born} ", self.synced).into_bytes();
        bytes.extend_from_slice(self.path.as_os_str().as_bytes());
        bytes
    }

    /// `None` for what is no label, or one of another version.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let mut parts = bytes.splitn(4, |byte| *byte == b' ');
        let mut word = || std::str::from_utf8(parts.next()?).ok();
        if word()? != VERSION {
            return None;
        }
        let synced = word()?.parse().ok()?;
        let born = match word()? {
            "-" => None,
            born => Some(Born::parse(born)?),
        };
        let path = PathBuf::from(OsString::from_vec(parts.next()?.to_vec()));
        Some(Self { synced, born, path })
    }
}

impl StagingDir {
    /// The label of `key`'s stage; `None` where there is no stage or no label.
    pub(crate) fn label(&self, key: StageKey) -> Result<Option<Label>, VfsError> {
        match self.open(key, Mode::empty(), StageOpen::Existing) {
            Ok(stage) => self.label_of(key, stage),
            Err(VfsError::NotFound) => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// The label of `stage`, the open stage of `key`.
    pub(super) fn label_of(
        &self,
        key: StageKey,
        stage: impl AsFd,
    ) -> Result<Option<Label>, VfsError> {
        let mut buffer = vec![0; LABEL_MAX];
        let length = match fgetxattr(stage, ATTRIBUTE, &mut buffer) {
            Ok(length) => length,
            Err(Errno::NODATA | Errno::NOTSUP) => self.read_label_file(key, &mut buffer)?,
            Err(e) => return Err(e.into()),
        };
        Ok(Label::parse(&buffer[..length]))
    }

    /// Labels `stage`, the open stage of `key`. On the disk is the label once the stage is synced.
    pub(crate) fn set_label(
        &self,
        key: StageKey,
        stage: impl AsFd,
        label: &Label,
    ) -> Result<(), VfsError> {
        let label = label.encode();
        match fsetxattr(&stage, ATTRIBUTE, &label, XattrFlags::empty()) {
            Ok(()) => Ok(()),
            Err(Errno::NOTSUP | Errno::NOSPC | Errno::TOOBIG | Errno::RANGE) => {
                self.write_label_file(key, &label)?;
                // A shorter label from before would be read first.
                let _ = fremovexattr(stage, ATTRIBUTE);
                Ok(())
            }
            Err(e) => Err(e.into()),
        }
    }

    /// Changes the path in the label of the stage of `key`, if it has one. A stage that is renamed
    /// to another directory has that one's time of birth.
    pub(crate) fn relabel(
        &self,
        key: StageKey,
        path: &Path,
        born: Option<Born>,
    ) -> Result<(), VfsError> {
        let stage = self.open(key, Mode::empty(), StageOpen::Existing)?;
        let Some(old) = self.label_of(key, &stage)? else {
            return Ok(());
        };
        let label = Label {
            path: path.to_owned(),
            born,
            ..old
        };
        self.set_label(key, stage, &label)
    }

    /// Removes the label of a file that was published. A label that stays does no harm.
    pub(crate) fn unlabel(&self, key: StageKey, file: impl AsFd) {
        if fremovexattr(file, ATTRIBUTE).is_err() {
            self.remove_label_file(&key.file_name());
        }
    }

    /// Writes a label whole or not at all: half of one could tell more bytes than there are.
    fn write_label_file(&self, key: StageKey, label: &[u8]) -> Result<(), VfsError> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW;
        let name = key.file_name();
        let (temporary, name) = (name.clone() + TEMPORARY_SUFFIX, name + FILE_SUFFIX);
        let file = openat(
            &self.fd,
            &temporary,
            flags | OFlags::CLOEXEC,
            Mode::RUSR | Mode::WUSR,
        )?;
        // A label is at most two pages, so one write(2) takes it whole.
        syscalls::write(&file, label)?;
        fsync(file)?;
        Ok(renameat(&self.fd, temporary, &self.fd, name)?)
    }

    /// Reads a label from the file beside the stage; gives its length, 0 where there is none.
    fn read_label_file(&self, key: StageKey, buffer: &mut [u8]) -> Result<usize, VfsError> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let name = key.file_name() + FILE_SUFFIX;
        match openat(&self.fd, name, flags, Mode::empty()) {
            Ok(file) => Ok(rustix::io::read(file, buffer)?),
            Err(Errno::NOENT) => Ok(0),
            Err(e) => Err(e.into()),
        }
    }

    pub(super) fn remove_label_file(&self, name: &str) {
        // A label file that stays is overwritten by the next label of the same name.
        let _ = unlinkat(&self.fd, format!("{name}{FILE_SUFFIX}"), AtFlags::empty());
    }

    /// Moves the label file of a stage that was renamed, if its label is a file.
    pub(super) fn rename_label_file(&self, from: StageKey, to: StageKey) {
        let from = from.file_name() + FILE_SUFFIX;
        let to = to.file_name() + FILE_SUFFIX;
        if renameat(&self.fd, from, &self.fd, &to).is_err() {
            // Of a stage that was replaced.
            let _ = unlinkat(&self.fd, to, AtFlags::empty());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::fd::OwnedFd;

    use super::*;
    use crate::staging::Belief;

    #[test]
    fn a_label_is_read_back_whatever_bytes_its_path_has() {
        let born = Some(Born {
            seconds: -3,
            nanoseconds: 999_999_999,
        });
        for (born, path) in [
            (born, &b"d/caf\xe9 au lait"[..]),
            (None, b"a  b "),
            (born, b""),
        ] {
            let path = PathBuf::from(OsStr::from_bytes(path));
            let label = Label {
                synced: u64::MAX,
                born,
                path,
            };
            assert_eq!(Label::parse(&label.encode()), Some(label));
        }
    }

    #[test]
    fn what_is_no_label_is_none() {
        for text in [
            "", "dir/file", "1 5 - a", "2 5 - ", "2 -5 - a", "2 5 7 a", "2 5",
        ] {
            let parsed = Label::parse(text.as_bytes());
            assert_eq!(parsed.is_some(), text == "2 5 - ", "{text}");
        }
    }

    #[test]
    fn a_directory_of_another_birth_is_another_one() {
        let born = |seconds| {
            Some(Born {
                seconds,
                nanoseconds: 1,
            })
        };
        let label = |born| Label {
            synced: 0,
            born,
            path: PathBuf::from("a/b"),
        };
        let (same, other) = (Path::new("a/b"), Path::new("c/b"));
        assert!(label(born(1)).is_of(born(1), other), "it was renamed");
        assert!(!label(born(1)).is_of(born(2), same));
        assert!(label(None).is_of(born(2), same));
        assert!(!label(born(1)).is_of(None, other));
    }

    #[test]
    fn a_label_survives_where_attributes_do_not_fit() {
        let folder = tempfile::tempdir().unwrap();
        let fd = OwnedFd::from(std::fs::File::open(folder.path()).unwrap());
        let staging = StagingDir::new(fd, 1, Belief::Sizes).unwrap();
        let key = StageKey::new(7, OsStr::new("a"));
        staging
            .open(key, Mode::RUSR | Mode::WUSR, StageOpen::Create)
            .unwrap();
        let label = Label {
            synced: 5,
            born: None,
            path: PathBuf::from("dir/a"),
        };
        staging.write_label_file(key, &label.encode()).unwrap();
        assert_eq!(staging.label(key).unwrap(), Some(label));
        staging.remove(key).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        assert_eq!(staging.count(), 0);
    }
}
