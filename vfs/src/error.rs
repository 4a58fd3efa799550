//! [`VfsError`]: why an operation on a home fails, in messages that name no path of the host.

use std::io;
use std::time::Duration;

use rustix::io::Errno;
use skiff_quota::{Amount, Exceeded};

/// Why an operation on a home failed.
#[derive(Debug, thiserror::Error)]
pub enum VfsError {
    #[error("there is no such file or directory")]
    NotFound,
    #[error("not a directory")]
    NotADirectory,
    #[error("is a directory")]
    IsADirectory,
    #[error("there is something of that name already")]
    Exists,
    #[error("the directory is not empty")]
    NotEmpty,
    /// The name, or a link on the way, leads above the home or is absolute.
    #[error("leads out of the home")]
    Escapes,
    /// A name of the path is a symbolic link, which [`crate::Home::check_plain`] does not take.
    #[error("a link is on the way")]
    Link,
    /// The target of a new link is absolute, climbs above the home, or climbs behind a name.
    #[error("a link to there could lead out of the home")]
    TargetEscapes,
    #[error("not a symbolic link")]
    NotALink,
    #[error("the server may not do that there")]
    Forbidden,
    #[error("not a regular file")]
    NotRegular,
    #[error("not a usable name")]
    BadName,
    #[error("a name has at most 255 bytes, and a path 4095")]
    NameTooLong,
    #[error("that is the home itself")]
    TheHome,
    #[error("a directory cannot be moved into itself")]
    IntoItself,
    #[error("cannot be moved to another file system; copy it and remove the old one")]
    OtherDevice,
    #[error("over quota: {needed} are needed and {available} are left")]
    OverQuota { needed: Amount, available: Amount },
    /// The upload was to continue at byte `offset`, but the file or stage ends at byte `size`.
    #[error("there are {size} bytes: nothing can be continued at {offset}; start over at 0")]
    BadOffset { offset: u64, size: u64 },
    #[error("the file system is mounted read-only")]
    ReadOnlyDisk,
    #[error("the disk is full")]
    DiskFull,
    /// Another upload of this name runs; `owner` began it and has written nothing for `silent`.
    #[error("being written by another session")]
    Busy { owner: u64, silent: Duration },
    /// A scan is counting the home, or directories are renamed faster than paths can be resolved.
    #[error("the home is being counted, try again")]
    Scanning,
    /// No staging directory can be made on the target's file system.
    #[error("nothing can be uploaded there: no staging directory can be made on its file system")]
    NoStaging,
    /// [`crate::Homes::close`] was called, or the upload's stop flag is set.
    #[error("the server is stopping")]
    Stopped,
    /// Another process has locked the home's directory.
    #[error("another server process works on this home")]
    InUse,
    /// Sessions have the home open as that of another user of the system.
    #[error("the home is open for another owner; this one gets it when those sessions have ended")]
    OtherOwner,
    /// The process or the system has as many files open as it may.
    #[error("too many files are open; raise the limit of open files (ulimit -n, LimitNOFILE=)")]
    TooManyOpen,
    #[error("the disk failed: {0}")]
    Io(#[source] io::Error),
}

impl From<Exceeded> for VfsError {
    fn from(Exceeded { needed, available }: Exceeded) -> Self {
        Self::OverQuota { needed, available }
    }
}

impl From<Errno> for VfsError {
    fn from(errno: Errno) -> Self {
        match errno {
            // ELOOP: links that lead in a circle lead to no file.
            Errno::NOENT | Errno::LOOP => Self::NotFound,
            Errno::NOTDIR => Self::NotADirectory,
            Errno::ISDIR => Self::IsADirectory,
            Errno::EXIST => Self::Exists,
            Errno::NOTEMPTY => Self::NotEmpty,
            // A mount point answers EBUSY to rename and removal.
            Errno::ACCESS | Errno::PERM | Errno::BUSY => Self::Forbidden,
            Errno::ROFS => Self::ReadOnlyDisk,
            Errno::NAMETOOLONG => Self::NameTooLong,
            Errno::ILSEQ => Self::BadName,
            Errno::XDEV => Self::OtherDevice,
            Errno::MFILE | Errno::NFILE => Self::TooManyOpen,
            Errno::NOSPC | Errno::DQUOT => Self::DiskFull,
            Errno::NXIO | Errno::NODEV => Self::NotRegular,
            other => Self::Io(other.into()),
        }
    }
}

impl From<io::Error> for VfsError {
    fn from(error: io::Error) -> Self {
        match Errno::from_io_error(&error) {
            Some(errno) => errno.into(),
            // cap-std reports an escape from the jail as PermissionDenied without an errno.
            None if error.kind() == io::ErrorKind::PermissionDenied => Self::Escapes,
            None => Self::Io(error),
        }
    }
}
