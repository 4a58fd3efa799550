//! [`Retention`]: how long files stay, and the old ones that are known. What removes them is in
//! `changing/`.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::Home;
use crate::entry::Modified;
use crate::{Limit, Owner};

/// How long files stay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// Files go that were not changed for so long; `None`: never.
    pub keep: Option<Duration>,
    pub when_full: WhenFull,
}

/// What a home may hold, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HomeRules {
    pub limit: Limit,
    pub retention: Retention,
    /// Whose its files are, and as whom threads work in it; `None`: the daemon's own. It holds from
    /// the opening of the home on.
    pub owner: Option<Arc<Owner>>,
}

impl From<Limit> for HomeRules {
    fn from(limit: Limit) -> Self {
        Self {
            limit,
            retention: Retention::default(),
            owner: None,
        }
    }
}

/// What becomes of an upload that the quota has no room for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenFull {
    #[default]
    Refuse,
    /// The oldest files go for it.
    RemoveOldest,
}

/// A file that may go. The time is that of the last change of anything of it (ctime), which no
/// client sets: a camera's clock may be wrong by years.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct OldFile {
    pub(crate) changed: Modified,
    pub(crate) path: PathBuf,
}

/// The oldest files of a home, as the last walk found them.
pub(crate) type OldFiles = VecDeque<OldFile>;

impl Home {
    /// Has these rules from now on.
    pub(super) fn set_rules(&self, rules: &HomeRules) {
        self.ledger.set_limit(rules.limit);
        self.set_retention(rules.retention);
    }

    /// Says how long files stay from now on.
    pub fn set_retention(&self, retention: Retention) {
        *self.retention.lock() = retention;
    }
}
