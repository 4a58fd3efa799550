//! [`Position`]: how far the runner has come with a hook's journal, kept beside it.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

const NAME: &str = "position";
const NEW: &str = "position.new";

/// What is neither here nor behind the bytes that were read is done.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Position {
    /// Bytes of each segment that were read.
    pub(super) read: BTreeMap<u64, u64>,
    /// Events before those that are not done.
    pub(super) waiting: Vec<Waiting>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Waiting {
    pub(super) place: Place,
    pub(super) tries: u32,
}

/// Where an event lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Place {
    pub(super) segment: u64,
    pub(super) offset: u64,
}

impl Position {
    /// The one that was kept; the beginning, where there is none or it was lost to a power cut.
    pub(super) fn load(folder: &Path) -> Self {
        let kept = std::fs::read(folder.join(NAME)).ok();
        let kept = kept.and_then(|kept| serde_json::from_slice(&kept).ok());
        kept.unwrap_or_default()
    }

    /// It is not synced: what a power cut loses of it is done a second time.
    pub(super) fn save(&self, folder: &Path) -> io::Result<()> {
        let new = folder.join(NEW);
        std::fs::write(&new, serde_json::to_vec(self)?)?;
        std::fs::rename(new, folder.join(NAME))
    }
}
