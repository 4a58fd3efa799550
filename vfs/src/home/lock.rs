//! The mutation lock of a home.

use parking_lot::MutexGuard;

use super::Home;
use super::writers::{HomeState, Phase};
use crate::VfsError;

/// How often a path is resolved anew because directories move under it.
const RESOLUTIONS_MAX: usize = 64;

impl Home {
    /// Takes the mutation lock, if names may change now.
    pub(crate) fn lock(&self) -> Result<MutexGuard<'_, HomeState>, VfsError> {
        let state = self.state.lock();
        match state.phase {
            Phase::Open => Ok(state),
            Phase::Uncounted | Phase::Scanning => Err(VfsError::Scanning),
            Phase::Closed => Err(VfsError::Stopped),
        }
    }

    /// Takes the mutation lock with what `resolve` finds, and no directory of the daemon's was
    /// moved or removed in between: the path of what was found is still its path.
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
