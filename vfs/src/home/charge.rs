//! Charges: the bytes and entries that the ledger counts for each name of a home.
//!
//! A name at rest is charged for its published file and, beside that, for its stage. What is
//! published changes the ledger together with a count that is under way, so whoever changes it
//! goes through [`Home::shrink_published`] or a settled upload.

use std::sync::Arc;

use rustix::fs::Stat;
use skiff_quota::Amount;

use super::Home;
use super::writers::HomeState;
use crate::VfsError;
use crate::entry::{self, Kind};
use crate::jail::folder::NameAt;
use crate::jail::mount::FolderId;
use crate::staging::{Stage, StagingDir};

/// The charge of a name that no upload is writing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Charge {
    pub(crate) published: Amount,
    pub(crate) staged: Amount,
}

impl Charge {
    /// The charge of a name whose published file and stage have so many bytes; `None` where there
    /// is none.
    pub(crate) fn of_sizes(published: Option<u64>, staged: Option<u64>) -> Self {
        let charge = |bytes: Option<u64>| bytes.map_or(Amount::ZERO, |bytes| Amount::new(bytes, 1));
        Self {
            published: charge(published),
            staged: charge(staged),
        }
    }

    pub(crate) fn total(self) -> Amount {
        self.published.plus(self.staged)
    }
}

/// The charge of a published file, directory or link. Everything but regular files counts 0 bytes.
pub(crate) fn published_charge(stat: &Stat) -> Amount {
    Amount::new(published_size(stat), 1)
}

/// The charge of a stage of `size` bytes.
pub(crate) fn stage_charge(size: u64) -> Amount {
    Amount::new(size, 1)
}

/// Bytes of a file that the ledger counts; 0 for everything but regular files.
pub(crate) fn published_size(stat: &Stat) -> u64 {
    match entry::kind(stat) {
        Kind::File => entry::size(stat),
        Kind::Directory | Kind::Link | Kind::Other => 0,
    }
}

impl Home {
    /// Takes off the ledger what was published in the directory `folder` and is no more.
    pub(crate) fn shrink_published(&self, state: &mut HomeState, folder: FolderId, by: Amount) {
        self.ledger.shrink(by);
        state.post(folder, by, Amount::ZERO);
    }

    /// Takes a removed stage of `size` bytes off the ledger. A count looks at the stages when it
    /// ends, so it need not be told.
    pub(crate) fn shrink_staged(&self, _state: &HomeState, size: u64) {
        self.ledger.shrink(stage_charge(size));
    }
}

/// The stage of `name_at` and its staging directory; `None` where there is no stage.
pub(crate) fn find_stage(name_at: &NameAt) -> Result<Option<(Arc<StagingDir>, Stage)>, VfsError> {
    let Some(staging) = name_at.folder.mount.staging() else {
        return Ok(None);
    };
    match staging.find(name_at.key().stage)? {
        Some(stage) if is_stage_of(&staging, stage, name_at)? => Ok(Some((staging, stage))),
        _ => Ok(None),
    }
}

/// Whether `stage`, which has the key of `name_at`, is that of `name_at` and may be gone on with:
/// its label must say so, as the inode numbers of removed directories are used again.
pub(crate) fn is_stage_of(
    staging: &StagingDir,
    stage: Stage,
    name_at: &NameAt,
) -> Result<bool, VfsError> {
    if stage.has_other_names() {
        return Ok(false);
    }
    let label = staging.label(stage.key)?;
    Ok(label.is_some_and(|label| label.is_of(name_at.folder.born, &name_at.path())))
}
