//! The system calls by which this crate looks at a disk and changes it, and its clocks: rustix's
//! own, or under the feature `simulation` those of a simulated disk (`simulated/`).

#[cfg(not(feature = "simulation"))]
pub(crate) use self::system::{now, system_now};
#[cfg(not(feature = "simulation"))]
pub(crate) use rustix::fs::{
    chmodat, copy_file_range, fallocate, fchmod, fchown, fdatasync, fremovexattr, fsetxattr, fstat,
    fstatfs, fsync, ftruncate, futimens, linkat, mkdirat, openat, renameat, renameat_with, statat,
    statx, symlinkat, syncfs, unlinkat, utimensat,
};
#[cfg(not(feature = "simulation"))]
pub(crate) use rustix::io::{pwrite, write};
#[cfg(not(feature = "simulation"))]
pub(crate) use rustix::pipe::splice;

#[cfg(feature = "simulation")]
pub(crate) use crate::simulated::calls::*;

#[cfg(not(feature = "simulation"))]
mod system {
    use std::time::{Instant, SystemTime};

    pub(crate) fn now() -> Instant {
        Instant::now()
    }

    pub(crate) fn system_now() -> SystemTime {
        SystemTime::now()
    }
}
