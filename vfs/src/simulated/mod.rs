//! A simulated disk: the kernel's own file system in memory (tmpfs), beside a model of what of it
//! a power cut would leave. It also fails calls, and its clocks go as fast as its owner wants.
//!
//! The model is the weakest that local file systems give, so that what holds here holds on them:
//! bytes that were not synced may be there, or not, or be zeros, each block for itself; names and
//! attributes are there up to a commit of the journal, which any fsync(2) causes, or on btrfs as
//! far as an fsync(2) of just that file or directory says.

pub(crate) mod calls;
mod disk;
mod image;
mod node;
mod random;

pub use self::disk::{Disk, FileSystem};
pub use self::random::Random;

use parking_lot::Mutex;

static DISK: Mutex<Option<Disk>> = Mutex::new(None);

/// Lets the calls of this process go to `disk` from now on; gives the one before.
pub fn install(disk: Option<Disk>) -> Option<Disk> {
    std::mem::replace(&mut *DISK.lock(), disk)
}

/// Calls `act` with the simulated disk; `None` where there is none.
pub fn with_disk<T>(act: impl FnOnce(&mut Disk) -> T) -> Option<T> {
    DISK.lock().as_mut().map(act)
}
