//! [`Entry`]: the metadata of one file or directory, from stat(2).

use std::ffi::{CStr, OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, SystemTime};

use rustix::fs::{FileType, Stat, Timespec, Timestamps, UTIME_OMIT};

use crate::VfsError;

/// The type of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    File,
    Directory,
    /// A symbolic link, wherever it leads.
    Link,
    /// A FIFO, socket or device: never opened.
    Other,
}

/// The time of the last change to a file's content (mtime): seconds since 1970, negative before,
/// and nanoseconds after that second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Modified {
    pub seconds: i64,
    pub nanoseconds: u32,
}

impl Modified {
    /// The same time as a [`SystemTime`]; 1970 where that type cannot hold it.
    pub fn system_time(self) -> SystemTime {
        let whole = Duration::from_secs(self.seconds.unsigned_abs());
        let start = if self.seconds < 0 {
            SystemTime::UNIX_EPOCH.checked_sub(whole)
        } else {
            SystemTime::UNIX_EPOCH.checked_add(whole)
        };
        start
            .and_then(|time| time.checked_add(Duration::from_nanos(self.nanoseconds.into())))
            .unwrap_or(SystemTime::UNIX_EPOCH)
    }
}

impl From<SystemTime> for Modified {
    fn from(time: SystemTime) -> Self {
        match time.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(after) => Self {
                seconds: i64::try_from(after.as_secs()).unwrap_or(i64::MAX),
                nanoseconds: after.subsec_nanos(),
            },
            Err(before) => {
                let before = before.duration();
                let borrowed = u32::from(before.subsec_nanos() > 0);
                let seconds = i64::try_from(before.as_secs()).unwrap_or(i64::MAX);
                Self {
                    seconds: -seconds - i64::from(borrowed),
                    nanoseconds: borrowed * 1_000_000_000 - before.subsec_nanos(),
                }
            }
        }
    }
}

/// A name and the metadata of its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub name: OsString,
    pub kind: Kind,
    /// Where a link leads, as it was written; `None` for everything else, and for a link that leads
    /// out of the home or cannot be written in a line.
    pub target: Option<OsString>,
    /// Bytes of content for a file; st_size for everything else.
    pub size: u64,
    pub modified: Modified,
    /// Permission bits, `0o7777` of the mode.
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    /// Number of hard links.
    pub links: u64,
    /// Device and inode number, equal for two names of one file.
    pub unique: (u64, u64),
}

impl Entry {
    #[allow(
        clippy::unnecessary_cast,
        reason = "the kernel's types differ by architecture"
    )]
    pub(crate) fn new(name: OsString, stat: &Stat) -> Self {
        Self {
            name,
            kind: kind(stat),
            target: None,
            size: size(stat),
            modified: modified(stat),
            mode: (stat.st_mode as u32) & 0o7777,
            uid: stat.st_uid,
            gid: stat.st_gid,
            links: stat.st_nlink as u64,
            unique: (stat.st_dev as u64, stat.st_ino as u64),
        }
    }

    /// An entry without a name, to be filled with [`Entry::set`].
    pub(crate) fn blank() -> Self {
        Self {
            name: OsString::new(),
            kind: Kind::Other,
            target: None,
            size: 0,
            modified: Modified {
                seconds: 0,
                nanoseconds: 0,
            },
            mode: 0,
            uid: 0,
            gid: 0,
            links: 0,
            unique: (0, 0),
        }
    }

    /// Overwrites this entry with `name` and `stat`; the memory of the old name is used again.
    pub(crate) fn set(&mut self, name: &CStr, stat: &Stat) {
        let mut buffer = std::mem::take(&mut self.name);
        buffer.clear();
        buffer.push(OsStr::from_bytes(name.to_bytes()));
        *self = Self::new(buffer, stat);
    }
}

pub(crate) fn kind(stat: &Stat) -> Kind {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Kind::File,
        FileType::Directory => Kind::Directory,
        FileType::Symlink => Kind::Link,
        _ => Kind::Other,
    }
}

pub(crate) fn size(stat: &Stat) -> u64 {
    u64::try_from(stat.st_size).unwrap_or(0)
}

#[allow(
    clippy::unnecessary_cast,
    reason = "the kernel's types differ by architecture"
)]
pub(crate) fn modified(stat: &Stat) -> Modified {
    Modified {
        seconds: stat.st_mtime as i64,
        nanoseconds: stat.st_mtime_nsec as u32,
    }
}

#[allow(
    clippy::unnecessary_cast,
    reason = "the kernel's types differ by architecture"
)]
pub(crate) fn changed(stat: &Stat) -> Modified {
    Modified {
        seconds: stat.st_ctime as i64,
        nanoseconds: stat.st_ctime_nsec as u32,
    }
}

/// The argument of futimens(2) that sets the mtime and leaves the atime.
pub(crate) fn timestamps(modified: Modified) -> Timestamps {
    Timestamps {
        last_access: Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_OMIT,
        },
        last_modification: Timespec {
            tv_sec: modified.seconds,
            tv_nsec: modified.nanoseconds.into(),
        },
    }
}

/// Refuses everything but regular files: to open a FIFO or a device may block or have effects.
pub(crate) fn check_regular(kind: Kind) -> Result<(), VfsError> {
    match kind {
        Kind::File => Ok(()),
        Kind::Directory => Err(VfsError::IsADirectory),
        Kind::Link | Kind::Other => Err(VfsError::NotRegular),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_before_1970_survive_the_round() {
        for modified in [
            Modified {
                seconds: 0,
                nanoseconds: 0,
            },
            Modified {
                seconds: 1_700_000_000,
                nanoseconds: 999_999_999,
            },
            Modified {
                seconds: -1,
                nanoseconds: 1,
            },
            Modified {
                seconds: -86_400,
                nanoseconds: 0,
            },
        ] {
            assert_eq!(Modified::from(modified.system_time()), modified);
        }
    }
}
