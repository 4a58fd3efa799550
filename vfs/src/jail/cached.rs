//! Opening what the kernel has in memory.

use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::{Mode, OFlags, ResolveFlags, Stat, StatVfsMountFlags, fstatfs, fstatvfs, openat2};

/// File systems that ask nobody else about what they have looked up (the numbers are statfs(2)'s):
/// ext2 to ext4, XFS, Btrfs, F2FS, tmpfs.
const LOCAL_FILE_SYSTEMS: [u64; 5] = [0xEF53, 0x5846_5342, 0x9123_683E, 0xF2F5_2010, 0x0102_1994];

/// Seconds.
const DAY: i64 = 24 * 60 * 60;

/// What reading a file does to its time of access, which may go to the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AccessTime {
    NoAtime,
    /// Written where it is older than the last change, or than a day.
    Relatime,
}

/// Whether a home can be asked like this, and what reading does there.
pub(crate) fn probe(home: &OwnedFd) -> Option<AccessTime> {
    #[allow(clippy::unnecessary_cast, reason = "the type differs by architecture")]
    let kind = fstatfs(home).ok()?.f_type as u64;
    if !LOCAL_FILE_SYSTEMS.contains(&kind) {
        return None;
    }
    // Older kernels do not know the flag (5.12), and a filter may forbid the call.
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

pub(crate) fn open_cached(directory: impl AsFd, path: &OsStr, flags: OFlags) -> Option<OwnedFd> {
    let mut flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    if !flags.contains(OFlags::PATH) {
        flags |= OFlags::NONBLOCK | OFlags::NOCTTY;
    }
    let resolve = ResolveFlags::CACHED
        | ResolveFlags::BENEATH
        | ResolveFlags::NO_SYMLINKS
        | ResolveFlags::NO_XDEV;
    openat2(directory, path, flags, Mode::empty(), resolve).ok()
}

/// Whether a read would write the time of access.
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
