//! The mutation lock of a home.

use parking_lot::MutexGuard;

use super::Home;
use super::writers::{Gate, Names};
use crate::VfsError;

/// How often a path is resolved anew because directories move under it.
const RESOLUTIONS_MAX: usize = 64;

impl Home {
    /// Takes the mutation lock, if names may change now.
    pub(crate) fn lock(&self) -> Result<MutexGuard<'_, Names>, VfsError> {
        let names = self.names.lock();
        match names.gate {
            Gate::Open => Ok(names),
            Gate::Unknown | Gate::Scanning => Err(VfsError::Scanning),
            Gate::Closed => Err(VfsError::Stopped),
        }
    }

    /// Takes the mutation lock with what `resolve` finds, and no directory of the daemon's was
    /// moved or removed in between: the path of what was found is still its path.
    pub(crate) fn lock_with<T>(
        &self,
        resolve: impl Fn() -> Result<T, VfsError>,
    ) -> Result<(T, MutexGuard<'_, Names>), VfsError> {
        let mut moves = self.names.lock().moves;
        for _ in 0..RESOLUTIONS_MAX {
            let found = resolve()?;
            let names = self.lock()?;
            if names.moves == moves {
                return Ok((found, names));
            }
            moves = names.moves;
        }
        Err(VfsError::Scanning)
    }
}
