//! Makes directories, with mkdirat(2).

use std::path::Path;

use rustix::fs::{Gid, Mode, OFlags};
use skiff_quota::Amount;

use crate::home::Home;
use crate::home::resolve::Links;
use crate::home::writers::HomeState;
use crate::jail::check_length;
use crate::jail::folder::NameAt;
use crate::syscalls;
use crate::syscalls::{fchmod, fchown, mkdirat};
use crate::{VfsError, Worker};

impl Home {
    /// Makes the directory `path`. [`VfsError::Exists`] where a file has the name,
    /// [`VfsError::NameTooLong`] for a path of more than 4095 bytes.
    pub fn make_dir(&self, worker: &Worker, path: &Path) -> Result<(), VfsError> {
        let _acting = self.act(worker)?;
        let name_at = self.resolve_name(path, Links::NoFollow)?;
        check_length(&name_at.path())?;
        let reservation = self.reserve(Amount::new(0, 1))?;
        let mut state = self.lock()?;
        state.check_idle(&name_at.key())?;
        mkdirat(
            &name_at.folder,
            name_at.leaf(),
            Mode::from_raw_mode(self.policy.dir_mode),
        )?;
        reservation.commit(Amount::new(0, 1));
        self.post_new_dir(&mut state, &name_at);
        drop(state);
        self.set_dir_attributes(&name_at);
        name_at.folder.sync(self.policy.durability)
    }

    /// Tells a running count of the new directory.
    fn post_new_dir(&self, state: &mut HomeState, name_at: &NameAt) {
        let folder = name_at.folder.id;
        state.post(folder, Amount::ZERO, Amount::new(0, 1));
        if !state.is_counting() {
            return;
        }
        match name_at.identify() {
            Ok(made) => state.post_made(folder, made),
            // Somebody outside the daemon has removed it: the next count corrects the rest.
            Err(e) => log::debug!("{}: a new directory is gone: {e}", self.user),
        }
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
                let stat = syscalls::fstat(&folder)?;
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
