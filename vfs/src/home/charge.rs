//! What each name of a home is charged.

use std::sync::Arc;

use rustix::fs::Stat;
use skiff_quota::Amount;

use super::Home;
use crate::VfsError;
use crate::entry::{self, Kind};
use crate::jail::folder::NameAt;
use crate::staging::StagingDir;

/// What a name is charged: the larger of what is published and staged, and one entry if it has
/// either. Directories, links and the rest are entries of no size.
pub(crate) fn charge(published: Option<&Stat>, staged: Option<u64>) -> Amount {
    let published_bytes = published.map_or(0, published_size);
    let entries = u64::from(published.is_some() || staged.is_some());
    Amount::new(published_bytes.max(staged.unwrap_or(0)), entries)
}

/// Bytes of content that count.
pub(crate) fn published_size(stat: &Stat) -> u64 {
    match entry::kind(stat) {
        Kind::File => entry::size(stat),
        Kind::Directory | Kind::Link | Kind::Other => 0,
    }
}

impl Home {
    /// What a name is charged now, no writer on it.
    pub(crate) fn current_charge(
        &self,
        name_at: &NameAt,
        published: Option<&Stat>,
    ) -> Result<(Amount, Option<u64>), VfsError> {
        let staged = match name_at.folder.mount.staging() {
            Some(staging) => staging.size(name_at.key().stage)?,
            None => None,
        };
        Ok((charge(published, staged), staged))
    }
}

/// The stage of a name and the directory it lies in, if it has one.
pub(crate) fn find_stage(name_at: &NameAt) -> Result<Option<(Arc<StagingDir>, u64)>, VfsError> {
    let Some(staging) = name_at.folder.mount.staging() else {
        return Ok(None);
    };
    let size = staging.size(name_at.key().stage)?;
    Ok(size.map(|size| (staging, size)))
}
