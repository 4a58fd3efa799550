//! Charges: the bytes and entries that the ledger counts for each name of a home.

use std::sync::Arc;

use rustix::fs::Stat;
use skiff_quota::Amount;

use super::Home;
use crate::VfsError;
use crate::entry::{self, Kind};
use crate::jail::folder::NameAt;
use crate::staging::{Stage, StagingDir};

/// The charge of a name: the bytes of its published file or of its stage, whichever has more, and
/// one entry if it has either. Everything but regular files counts 0 bytes.
pub(crate) fn charge(published: Option<&Stat>, staged: Option<u64>) -> Amount {
    let published_bytes = published.map_or(0, published_size);
    let entries = u64::from(published.is_some() || staged.is_some());
    Amount::new(published_bytes.max(staged.unwrap_or(0)), entries)
}

/// Bytes of a file that the ledger counts; 0 for everything but regular files.
pub(crate) fn published_size(stat: &Stat) -> u64 {
    match entry::kind(stat) {
        Kind::File => entry::size(stat),
        Kind::Directory | Kind::Link | Kind::Other => 0,
    }
}

impl Home {
    /// The charge of a name that no upload is writing, and the bytes of its stage if there is one.
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

/// The stage of `name_at` and its staging directory; `None` where there is no stage.
pub(crate) fn find_stage(name_at: &NameAt) -> Result<Option<(Arc<StagingDir>, Stage)>, VfsError> {
    let Some(staging) = name_at.folder.mount.staging() else {
        return Ok(None);
    };
    let stage = staging.find(name_at.key().stage)?;
    Ok(stage.map(|stage| (staging, stage)))
}
