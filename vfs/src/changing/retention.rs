//! Removes old files by the operator's rules: those that were kept long enough, and the oldest ones
//! where a new upload has no room.

use std::collections::BinaryHeap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, FileType, Stat};
use skiff_quota::Amount;

use crate::dir_reader::DirReader;
use crate::entry::{self, Kind, Modified};
use crate::home::Home;
use crate::home::retention::{OldFile, OldFiles, WhenFull};
use crate::jail::descent::{Descent, Next, open_dir};
use crate::jail::is_staging_name;
use crate::jail::mount::identify;
use crate::syscalls::{statat, system_now};
use crate::{VfsError, Worker};

/// Old files that are known from one walk: each later one walks again.
const KNOWN_MAX: usize = 1024;
/// A directory that is left empty goes too, if nothing was put there for so long: a client may have
/// made it for what it sends next.
const EMPTY_AFTER: Duration = Duration::from_secs(60 * 60);

impl Home {
    /// Removes the files that were kept long enough; gives their number.
    pub fn expire(&self, worker: &Worker) -> Result<u64, VfsError> {
        let _acting = self.act(worker)?;
        let Some(keep) = self.retention.lock().keep else {
            return Ok(0);
        };
        let mut removed = 0;
        loop {
            let old = self.find_oldest(Some(keep))?;
            let mut progress = 0;
            for file in &old {
                progress += u64::from(self.remove_old(file)?);
            }
            removed += progress;
            if progress == 0 || old.len() < KNOWN_MAX {
                break;
            }
        }
        if removed > 0 {
            log::info!(
                "{}: {removed} files are removed that were kept long enough",
                self.user
            );
        }
        Ok(removed)
    }

    /// Removes the oldest files until `wanted` fits; false where none was removed, or it would not
    /// fit into an empty home. Before any walk for them, and where a file that is known is gone, the
    /// home is counted: other programs may have taken files away, and nothing is removed for those.
    pub(crate) fn remove_oldest(&self, wanted: Amount) -> Result<bool, VfsError> {
        let usage = self.ledger.usage();
        let could_fit = wanted.minus(usage.limit.minus(usage.reserved)).is_zero();
        if self.retention.lock().when_full == WhenFull::Refuse || !could_fit {
            return Ok(false);
        }
        // One thread at a time: two would remove twice as much as is needed.
        let mut known = self.old_files.lock();
        let mut removed = 0;
        let mut walks = 0;
        let mut counted = None;
        let fits = || wanted.minus(self.ledger.usage().available()).is_zero();
        while !fits() {
            let Some(oldest) = known.pop_front() else {
                if counted.is_none() {
                    counted = Some(self.count());
                    continue;
                }
                if walks > 0 && removed == 0 {
                    break;
                }
                walks += 1;
                *known = self.find_oldest(None)?;
                if known.is_empty() {
                    break;
                }
                continue;
            };
            match self.remove_old(&oldest)? {
                true => removed += 1,
                false if counted.is_none() => counted = Some(self.count()),
                false => {}
            }
        }
        if removed > 0 {
            log::info!(
                "{}: the {removed} oldest files are removed for a new one",
                self.user
            );
        }
        match (removed > 0 || fits(), counted) {
            // Whether there is room is known once that count is done.
            (false, Some(Err(VfsError::Scanning))) => Err(VfsError::Scanning),
            (has_room, _) => Ok(has_room),
        }
    }

    /// Removes the file, unless it was changed since or is being written; gives whether it did.
    fn remove_old(&self, file: &OldFile) -> Result<bool, VfsError> {
        let parent = file.path.parent().unwrap_or_else(|| Path::new(""));
        let Ok(folder) = self.folder(parent) else {
            return Ok(false);
        };
        let status = |path: &Path| statat(&folder, path, AtFlags::SYMLINK_NOFOLLOW);
        let Some(name) = file.path.file_name().map(Path::new) else {
            return Ok(false);
        };
        let is_same = |stat: &Stat| changed(stat) == file.changed;
        if !status(name).is_ok_and(|stat| is_same(&stat)) {
            return Ok(false);
        }
        let was_used = statat(&folder, c"", AtFlags::EMPTY_PATH).map(|stat| changed(&stat));
        match self.remove_published(&file.path) {
            Ok(()) => {}
            // Another one may go: this one is being written, or is gone.
            Err(VfsError::Busy { .. } | VfsError::NotFound | VfsError::Forbidden) => {
                return Ok(false);
            }
            Err(e) => return Err(e),
        }
        if was_used.is_ok_and(|at| age(at) >= EMPTY_AFTER) && !parent.as_os_str().is_empty() {
            // It fails where something is left in it.
            let _ = self.remove_empty(parent);
        }
        Ok(true)
    }

    /// Up to [`KNOWN_MAX`] files, the oldest first; of those that are as old as that, if it is said.
    fn find_oldest(&self, least: Option<Duration>) -> Result<OldFiles, VfsError> {
        let mut oldest = BinaryHeap::new();
        self.walk_files(|folder, name, stat| {
            let changed = changed(stat);
            let is_old = least.is_none_or(|least| age(changed) >= least);
            if !is_old || entry::kind(stat) != Kind::File {
                return;
            }
            let path = folder.join(name);
            oldest.push(OldFile { changed, path });
            if oldest.len() > KNOWN_MAX {
                oldest.pop();
            }
        })?;
        Ok(oldest.into_sorted_vec().into())
    }

    /// Calls `each` for every name that is no directory. What cannot be read is left out.
    fn walk_files(&self, mut each: impl FnMut(&Path, &OsStr, &Stat)) -> Result<(), VfsError> {
        let mut descent = Descent::new(Path::new(""));
        let mut next = Some(Arc::clone(self.jail.handle()));
        loop {
            if let Some(fd) = next.take()
                && let Ok((id, _)) = identify(&fd, c"")
                && let Ok(mut reader) = DirReader::open(&fd)
            {
                let mut below = Vec::new();
                while let Ok(Some((kind, name))) = reader.next() {
                    if is_staging_name(name.to_bytes()) {
                        continue;
                    }
                    if kind == FileType::Directory {
                        below.push(name.to_owned());
                        continue;
                    }
                    match statat(&fd, name, AtFlags::SYMLINK_NOFOLLOW) {
                        Ok(stat) if entry::kind(&stat) == Kind::Directory => {
                            below.push(name.to_owned());
                        }
                        Ok(stat) => {
                            each(descent.path(), OsStr::from_bytes(name.to_bytes()), &stat);
                        }
                        Err(_) => {}
                    }
                }
                descent.enter(fd, id, below);
            }
            match descent.next() {
                Next::Below { parent, name } => {
                    next = open_dir(parent, &name).ok().map(Arc::new);
                }
                // What is left is found by the next walk.
                Next::Lost | Next::End => return Ok(()),
            }
        }
    }
}

#[allow(
    clippy::unnecessary_cast,
    reason = "the kernel's types differ by architecture"
)]
fn changed(stat: &Stat) -> Modified {
    Modified {
        seconds: stat.st_ctime as i64,
        nanoseconds: stat.st_ctime_nsec as u32,
    }
}

fn age(changed: Modified) -> Duration {
    let at: SystemTime = changed.system_time();
    system_now().duration_since(at).unwrap_or_default()
}
