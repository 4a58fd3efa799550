//! Making directories.

use std::path::Path;

use rustix::fs::{Gid, Mode, OFlags, fchmod, fchown, mkdirat};
use skiff_quota::Amount;

use crate::home::Home;
use crate::home::resolve::Links;
use crate::jail::folder::Place;
use crate::{VfsError, Worker};

impl Home {
    /// Makes a directory.
    pub fn make_dir(&self, _worker: &Worker, path: &Path) -> Result<(), VfsError> {
        let place = self.place(path, Links::Keep)?;
        let reservation = self.reserve(Amount::new(0, 1))?;
        let names = self.lock()?;
        names.check_idle(&place.key())?;
        let (before, _) = self.charge_of(&place, place.stat()?.as_ref())?;
        mkdirat(
            &place.folder,
            place.leaf(),
            Mode::from_raw_mode(self.policy.dir_mode),
        )?;
        reservation.commit(Amount::new(0, 1).minus(before));
        drop(names);
        self.dress_directory(&place);
        place.folder.sync(self.policy.durability)
    }

    /// Gives a new directory its exact mode, whatever the process's umask, and its group. It is
    /// usable without either, so failures are told to the log only.
    fn dress_directory(&self, place: &Place) {
        let dressed = place
            .open(OFlags::RDONLY | OFlags::DIRECTORY)
            .and_then(|folder| {
                if let Some(group) = self.policy.group {
                    fchown(&folder, None, Some(Gid::from_raw(group)))?;
                }
                let stat = rustix::fs::fstat(&folder)?;
                let mode = self.policy.dir_mode & 0o777 | stat.st_mode & 0o2000;
                if stat.st_mode & 0o7777 != mode {
                    fchmod(&folder, Mode::from_raw_mode(mode))?;
                }
                Ok(())
            });
        if let Err(e) = dressed {
            log::warn!(
                "{}: a new directory keeps the system's mode or group: {e}",
                self.user
            );
        }
    }
}
