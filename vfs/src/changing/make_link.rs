//! Makes symbolic links, with symlinkat(2).
//!
//! A link is refused where it could lead out of the home: the jail would refuse its use, but other
//! programs that serve the same files (Samba, a web server) follow it. So a target is relative, its
//! `..` all come first, and they climb no higher than the home from the directory that the link is
//! really in. Behind them are names only, which lead deeper, or over links that stay in the home
//! themselves: no later change of a directory on the way to a link can turn it outwards. Moving the
//! link, or a directory that it is in, closer to the home can.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

use rustix::fs::{Mode, OFlags};
use skiff_quota::Amount;

use crate::home::Home;
use crate::home::resolve::Links;
use crate::jail::folder::Folder;
use crate::jail::mount::identify;
use crate::jail::{self, check_length};
use crate::syscalls::{openat, symlinkat};
use crate::{VfsError, Worker};

impl Home {
    /// Makes the link `path`, which leads to `target`, whether that is there or not.
    /// [`VfsError::TargetEscapes`] where it could lead out of the home, [`VfsError::Exists`] where
    /// the name is taken.
    pub fn make_link(&self, worker: &Worker, path: &Path, target: &[u8]) -> Result<(), VfsError> {
        let _acting = self.act(worker)?;
        let target = Path::new(OsStr::from_bytes(target));
        let climbs = count_climbs(target)?;
        let name_at = self.resolve_name(path, Links::NoFollow)?;
        check_length(&name_at.path())?;
        let reservation = self.reserve(Amount::new(0, 1))?;
        let mut state = self.lock()?;
        state.check_idle(&name_at.key())?;
        self.check_climbs(&name_at.folder, climbs)?;
        symlinkat(target, &name_at.folder, name_at.leaf())?;
        reservation.commit(Amount::new(0, 1));
        state.post(name_at.folder.id, Amount::ZERO, Amount::new(0, 1));
        drop(state);
        name_at.folder.sync(self.policy.durability)
    }

    /// [`VfsError::TargetEscapes`] where so many `..` climb above the home from `folder`. The home
    /// is locked meanwhile, so that the daemon moves no directory.
    fn check_climbs(&self, folder: &Folder, climbs: usize) -> Result<(), VfsError> {
        let mut id = folder.id;
        let mut above: Option<OwnedFd> = None;
        for _ in 0..climbs {
            if id == self.mounts.root() {
                return Err(VfsError::TargetEscapes);
            }
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let next = match &above {
                Some(above) => openat(above, c"..", flags, Mode::empty()),
                None => openat(folder, c"..", flags, Mode::empty()),
            }?;
            id = identify(&next, c"")?.0;
            above = Some(next);
        }
        Ok(())
    }
}

/// The number of `..` at the beginning of a target. [`VfsError::TargetEscapes`] for one that is
/// absolute or has others: behind a name they climb from wherever that leads.
fn count_climbs(target: &Path) -> Result<usize, VfsError> {
    let mut climbs = 0;
    let mut is_behind_name = false;
    for component in target.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir if !is_behind_name => climbs += 1,
            Component::Normal(name) => {
                jail::check_name(name)?;
                is_behind_name = true;
            }
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => {
                return Err(VfsError::TargetEscapes);
            }
        }
    }
    Ok(climbs)
}
