//! Locks the folders that a daemon works on against a second daemon, with flock(2): two would each
//! allow the whole quota and remove each other's stages.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, FlockOperation, access, flock};
use rustix::io::Errno;

/// The file in the state folder that is locked and holds the process's number.
const LOCK_FILE: &str = "lock";

/// A folder that another process has locked, or that cannot be locked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LockError {
    #[error("{}: {} works on it already; stop that one, or choose another folder", path.display(), process(*holder))]
    InUse { path: PathBuf, holder: Option<u32> },
    #[error("{}: cannot be locked: {error}", path.display())]
    Failed { path: PathBuf, error: io::Error },
}

/// The locks of a daemon's folders; dropping them unlocks, but for a process that has descriptors of
/// them too (flock(2)).
#[derive(Debug)]
pub(crate) struct FolderLocks {
    state: File,
    /// `None` where the folder is not there, or its file system has no locks for it.
    homes: Option<File>,
}

impl FolderLocks {
    /// Locks the existing folder `state`, and `homes` if it is there.
    pub(crate) fn take(state: &Path, homes: &Path) -> Result<Self, LockError> {
        let file = lock_state_file(state, Missing::IsMade)?.ok_or_else(|| no_lock_file(state))?;
        let locks = Self {
            state: file,
            homes: lock_homes(homes)?,
        };
        locks.sign(state)?;
        Ok(locks)
    }

    /// The locks of the process before, which has them until it ends. `homes` may be another folder by
    /// now.
    pub(crate) fn take_over(
        state: OwnedFd,
        homes_before: Option<OwnedFd>,
        homes: &Path,
    ) -> Result<Self, LockError> {
        let same = homes_before.map(File::from).filter(|before| {
            let found = before.metadata().ok().zip(homes.metadata().ok());
            found.is_some_and(|(a, b)| (a.dev(), a.ino()) == (b.dev(), b.ino()))
        });
        Ok(Self {
            state: state.into(),
            homes: match same {
                Some(same) => Some(same),
                None => lock_homes(homes)?,
            },
        })
    }

    /// Writes the number of this process into the lock file of `state`.
    pub(crate) fn sign(&self, state: &Path) -> Result<(), LockError> {
        let number = format!("{}\n", std::process::id());
        let signed = self.state.set_len(0);
        let signed = signed.and_then(|()| self.state.write_all_at(number.as_bytes(), 0));
        signed.map_err(|error| LockError::Failed {
            path: state.join(LOCK_FILE),
            error,
        })
    }

    /// Other descriptors of the state folder's lock and of that of the homes, if there is one.
    pub(crate) fn descriptors(&self) -> io::Result<(OwnedFd, Option<OwnedFd>)> {
        let homes = self.homes.as_ref();
        Ok((
            self.state.as_fd().try_clone_to_owned()?,
            homes
                .map(|homes| homes.as_fd().try_clone_to_owned())
                .transpose()?,
        ))
    }

    /// Whether [`Self::take`] would succeed; makes and changes nothing.
    pub(crate) fn try_out(state: &Path, homes: &Path) -> Result<(), LockError> {
        drop(lock_state_file(state, Missing::IsNotMade)?);
        lock_homes(homes).map(drop)
    }
}

/// What becomes of a lock file that is not there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Missing {
    IsMade,
    IsNotMade,
}

/// The number of the process that has locked `folder`, as far as the system tells. It tells the one
/// that took the lock, which may have left it to another and have ended.
pub(crate) fn holder_of(folder: &Path) -> Option<u32> {
    let found = folder.metadata().ok()?;
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    let holder = holder_in(&locks, found.dev(), found.ino());
    holder.filter(|holder| Path::new("/proc").join(holder.to_string()).exists())
}

/// `process 12`, or what is said where its number is not known.
pub(crate) fn process(holder: Option<u32>) -> String {
    match holder {
        Some(pid) => format!("process {pid}"),
        None => "another process".to_owned(),
    }
}

fn no_lock_file(state: &Path) -> LockError {
    LockError::Failed {
        path: state.join(LOCK_FILE),
        error: io::ErrorKind::NotFound.into(),
    }
}

/// `None` where there is none and none is made.
fn lock_state_file(state: &Path, missing: Missing) -> Result<Option<File>, LockError> {
    let path = state.join(LOCK_FILE);
    let failed = |error: io::Error| LockError::Failed {
        path: path.clone(),
        error,
    };
    let mut options = OpenOptions::new();
    options.read(true).write(true).truncate(false);
    options.create(missing == Missing::IsMade);
    let file = match options.mode(0o600).open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && missing == Missing::IsNotMade => {
            let needed = Access::WRITE_OK | Access::EXEC_OK;
            return match access(state, needed) {
                Ok(()) => Ok(None),
                Err(error) => Err(failed(error.into())),
            };
        }
        other => other.map_err(failed)?,
    };
    match try_lock(&file) {
        Ok(true) => {}
        Ok(false) => {
            let mut number = String::new();
            let _ = (&file).take(20).read_to_string(&mut number);
            return Err(LockError::InUse {
                path: state.to_owned(),
                holder: number.trim().parse().ok(),
            });
        }
        Err(error) if has_no_locks(&error) => log::warn!(
            "{}: its file system has no locks ({error}), so a second daemon would not be noticed",
            state.display()
        ),
        Err(error) => return Err(failed(error)),
    }
    Ok(Some(file))
}

fn lock_homes(homes: &Path) -> Result<Option<File>, LockError> {
    let Ok(folder) = File::open(homes) else {
        return Ok(None);
    };
    match try_lock(&folder) {
        Ok(true) => Ok(Some(folder)),
        Ok(false) => Err(LockError::InUse {
            path: homes.to_owned(),
            holder: holder_of(homes),
        }),
        // Network file systems lock no directories.
        Err(error) => {
            log::debug!("{}: not locked: {error}", homes.display());
            Ok(None)
        }
    }
}

/// NFS without its lock daemon, and some of FUSE's.
fn has_no_locks(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    errno.is_some_and(|errno| matches!(errno, Errno::NOLCK | Errno::NOTSUP | Errno::NOSYS))
}

/// Locks without waiting; false where another process has the lock.
fn try_lock(file: &File) -> io::Result<bool> {
    loop {
        match flock(file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(true),
            Err(Errno::WOULDBLOCK) => return Ok(false),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Finds the holder of a flock(2) lock in the text of /proc/locks (proc_locks(5)). Some file systems
/// tell another device number there than stat(2) does, so the inode number alone may have to do.
fn holder_in(locks: &str, device: u64, inode: u64) -> Option<u32> {
    let rows = locks.lines().filter_map(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let [_, "FLOCK", _, _, pid, file, ..] = fields[..] else {
            return None;
        };
        let mut parts = file.split(':');
        let mut hex = || u32::from_str_radix(parts.next()?, 16).ok();
        let its_device = rustix::fs::makedev(hex()?, hex()?);
        let its_inode: u64 = parts.next()?.parse().ok()?;
        Some((
            its_inode,
            its_device,
            pid.parse().ok().filter(|pid| *pid > 0)?,
        ))
    });
    let mut same: Vec<_> = rows.filter(|(its, ..)| *its == inode).collect();
    same.sort_by_key(|(_, its, _)| *its != device);
    same.first().map(|(_, _, pid)| *pid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_told_who_is_the_first() {
        let place = tempfile::tempdir().unwrap();
        let (state, homes) = (place.path().join("state"), place.path().join("homes"));
        std::fs::create_dir(&state).unwrap();
        std::fs::create_dir(&homes).unwrap();
        let locks = FolderLocks::take(&state, &homes).unwrap();
        let own = process(Some(std::process::id()));
        let said = FolderLocks::take(&state, &homes).unwrap_err().to_string();
        assert!(
            said.starts_with(&format!("{}: {own} works", state.display())),
            "{said}"
        );
        let other = place.path().join("other");
        std::fs::create_dir(&other).unwrap();
        let said = FolderLocks::take(&other, &homes).unwrap_err().to_string();
        assert!(
            said.starts_with(&format!("{}: ", homes.display())),
            "{said}"
        );
        drop(locks);
        FolderLocks::take(&state, &homes).unwrap();
        FolderLocks::take(&other, &place.path().join("missing")).unwrap();
    }

    #[test]
    fn a_lock_that_is_taken_over_outlives_the_one_before() {
        let place = tempfile::tempdir().unwrap();
        let (state, homes) = (place.path().join("state"), place.path().join("homes"));
        std::fs::create_dir(&state).unwrap();
        std::fs::create_dir(&homes).unwrap();
        let before = FolderLocks::take(&state, &homes).unwrap();
        let (own, of_homes) = before.descriptors().unwrap();
        let after = FolderLocks::take_over(own, of_homes, &homes).unwrap();
        std::fs::write(state.join(LOCK_FILE), "a longer text").unwrap();
        after.sign(&state).unwrap();
        drop(before);
        let own = format!("{}\n", std::process::id());
        assert_eq!(std::fs::read_to_string(state.join(LOCK_FILE)).unwrap(), own);
        FolderLocks::take(&state, &place.path().join("missing")).unwrap_err();
        assert!(after.homes.is_some() && lock_homes(&homes).is_err());
        drop(after);
        FolderLocks::take(&state, &homes).unwrap();
    }

    #[test]
    fn other_homes_are_locked_anew() {
        let place = tempfile::tempdir().unwrap();
        let folders = ["state", "homes", "others"].map(|name| place.path().join(name));
        for folder in &folders {
            std::fs::create_dir(folder).unwrap();
        }
        let [state, homes, others] = &folders;
        let before = FolderLocks::take(state, homes).unwrap();
        let (own, of_homes) = before.descriptors().unwrap();
        let _after = FolderLocks::take_over(own, of_homes, others).unwrap();
        lock_homes(others).unwrap_err();
        drop(before);
        lock_homes(homes).unwrap();
    }

    #[test]
    fn the_holder_is_found_by_device_and_inode() {
        let locks = "1: POSIX  ADVISORY  WRITE 7 08:01:55 0 EOF\n\
                     2: FLOCK  ADVISORY  WRITE 8 08:02:55 0 EOF\n\
                     2: -> FLOCK  ADVISORY  WRITE 11 08:01:55 0 EOF\n\
                     3: FLOCK  ADVISORY  WRITE 9 08:01:55 0 EOF\n\
                     4: FLOCK  ADVISORY  WRITE 0 08:01:66 0 EOF\n";
        let device = rustix::fs::makedev(8, 1);
        assert_eq!(holder_in(locks, device, 55), Some(9));
        assert_eq!(holder_in(locks, rustix::fs::makedev(0, 40), 55), Some(8));
        assert_eq!(holder_in(locks, device, 56), None);
        assert_eq!(holder_in(locks, device, 66), None);
    }
}
