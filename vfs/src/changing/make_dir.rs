//! Makes directories, with mkdirat(2).

use std::path::Path;

use rustix::fs::{Gid, Mode, OFlags, fchmod, fchown, mkdirat};
use skiff_quota::Amount;

use crate::home::Home;
use crate::home::resolve::Links;
use crate::jail::folder::NameAt;
use crate::{VfsError, Worker};

impl Home {
    /// Makes the directory `path`. [`VfsError::Exists`] where a file has the name.
    pub fn make_dir(&self, _worker: &Worker, path: &Path) -> Result<(), VfsError> {
        let name_at = self.resolve_name(path, Links::NoFollow)?;
        let reservation = self.reserve(Amount::new(0, 1))?;
        let state = self.lock()?;
        state.check_idle(&name_at.key())?;
        let (before, _) = self.current_charge(&name_at, name_at.stat()?.as_ref())?;
        mkdirat(
            &name_at.folder,
            name_at.leaf(),
            Mode::from_raw_mode(self.policy.dir_mode),
        )?;
        reservation.commit(Amount::new(0, 1).minus(before));
        drop(state);
        self.set_dir_attributes(&name_at);
        name_at.folder.sync(self.policy.durability)
    }

    /// Sets the mode of a new directory, despite the umask, and its group. The directory is usable
    /// without them, so a failure is only logged.
    fn set_dir_attributes(&self, name_at: &NameAt) {
        let result = name_at
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
        if let Err(e) = result {
            log::warn!(
                "{}: a new directory keeps the system's mode or group: {e}",
                self.user
            );
        }
    }
}
