//! Opens files without waiting for a disk: openat2(2) with RESOLVE_CACHED fails where a name is
//! not in the kernel's caches.

use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::syscalls::fstatfs;
use rustix::fs::{Mode, OFlags, ResolveFlags, Stat, StatVfsMountFlags, fstatvfs, openat2};
use rustix::io::{self, Errno};

/// The statfs(2) numbers of file systems that never ask another machine or process whether a
/// cached name still holds: ext2 to ext4, XFS, Btrfs, F2FS, tmpfs.
const LOCAL_FILE_SYSTEMS: [u64; 5] = [0xEF53, 0x5846_5342, 0x9123_683E, 0xF2F5_2010, 0x0102_1994];

/// A day in seconds.
const DAY: i64 = 24 * 60 * 60;

/// What reading a file does to its atime: an update may wait for the disk. See mount(8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AccessTime {
    /// No update.
    NoAtime,
    /// An update where the atime is older than the mtime or ctime, or than a day.
    Relatime,
}

/// Whether names beneath `home` can be looked up in the caches, and how reading updates the atime
/// there; `None` where cached look-ups are not supported.
pub(crate) fn probe(home: &OwnedFd) -> Option<AccessTime> {
    #[allow(clippy::unnecessary_cast, reason = "the type differs by architecture")]
    let kind = fstatfs(home).ok()?.f_type as u64;
    if !LOCAL_FILE_SYSTEMS.contains(&kind) {
        return None;
    }
    // RESOLVE_CACHED came with Linux 5.12, and a seccomp filter may forbid openat2.
    open_cached(home, OsStr::new("."), OFlags::PATH)?;
    let flags = fstatvfs(home).ok()?.f_flag;
    if flags.contains(StatVfsMountFlags::NOATIME) {
        Some(AccessTime::NoAtime)
    } else if flags.contains(StatVfsMountFlags::RELATIME) {
        Some(AccessTime::Relatime)
    } else {
        None
    }
}

/// Opens `path` beneath `directory` from the caches, following no link and entering no other
/// mount; `None` says only that this cannot be done without waiting.
pub(crate) fn open_cached(directory: impl AsFd, path: &OsStr, flags: OFlags) -> Option<OwnedFd> {
    try_open_cached(directory, path, flags).ok()
}

/// Whether the caches know that no file has the name `path` beneath `directory`; false says nothing.
pub(crate) fn is_missing(directory: impl AsFd, path: &OsStr) -> bool {
    matches!(
        try_open_cached(directory, path, OFlags::PATH),
        Err(Errno::NOENT)
    )
}

fn try_open_cached(directory: impl AsFd, path: &OsStr, flags: OFlags) -> io::Result<OwnedFd> {
    let mut flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    if !flags.contains(OFlags::PATH) {
        flags |= OFlags::NONBLOCK | OFlags::NOCTTY;
    }
    let resolve = ResolveFlags::CACHED
        | ResolveFlags::BENEATH
        | ResolveFlags::NO_SYMLINKS
        | ResolveFlags::NO_XDEV;
    openat2(directory, path, flags, Mode::empty(), resolve)
}

/// Whether a read of the file would update its atime on a mount with relatime.
#[allow(
    clippy::unnecessary_cast,
    reason = "the kernel's types differ by architecture"
)]
pub(crate) fn read_updates_atime(stat: &Stat) -> bool {
    let read = (stat.st_atime, stat.st_atime_nsec);
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_or(i64::MAX, |since| since.as_secs() as i64);
    read <= (stat.st_mtime, stat.st_mtime_nsec)
        || read <= (stat.st_ctime, stat.st_ctime_nsec)
        || now.saturating_sub(stat.st_atime as i64) >= DAY
}
