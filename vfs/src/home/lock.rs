//! The lock of a home: whoever changes a name holds it from the look at the name to the change of
//! the ledger.

use parking_lot::MutexGuard;

use super::Home;
use super::writers::{HomeState, Phase};
use crate::VfsError;

/// How often a path is resolved again because directories were renamed meanwhile.
const RESOLUTIONS_MAX: usize = 64;

impl Home {
    /// Takes the lock. [`VfsError::Scanning`] before the home is counted, [`VfsError::Stopped`]
    /// after the registry was closed.
    pub(crate) fn lock(&self) -> Result<MutexGuard<'_, HomeState>, VfsError> {
        let state = self.state.lock();
        match state.phase {
            Phase::Open => Ok(state),
            Phase::Uncounted => Err(VfsError::Scanning),
            Phase::Closed => Err(VfsError::Stopped),
        }
    }

    /// Calls `resolve` and takes the lock, again until the daemon renames and removes no directory
    /// in between: then the paths that `resolve` has found still hold. [`VfsError::Scanning`] after
    /// 64 attempts.
    pub(crate) fn resolve_and_lock<T>(
        &self,
        resolve: impl Fn() -> Result<T, VfsError>,
    ) -> Result<(T, MutexGuard<'_, HomeState>), VfsError> {
        let mut directory_moves = self.state.lock().directory_moves;
        for _ in 0..RESOLUTIONS_MAX {
            let found = resolve()?;
            let state = self.lock()?;
            if state.directory_moves == directory_moves {
                return Ok((found, state));
            }
            directory_moves = state.directory_moves;
        }
        Err(VfsError::Scanning)
    }
}
