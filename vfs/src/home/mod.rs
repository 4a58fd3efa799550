//! A user's home: a jail and an account.

pub(crate) mod charge;
pub(crate) mod homes;
mod lock;
pub(crate) mod resolve;
mod scan;
mod space;
pub(crate) mod stages;
pub(crate) mod writers;

use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use skiff_quota::{Ledger, Usage};

use self::writers::HomeState;
use crate::jail::Jail;
use crate::jail::mount::Mounts;
use crate::{Limit, Policy, VfsError};

/// A home, shared by all sessions of its user. Paths are relative to it; empty means the home.
#[derive(Debug)]
pub struct Home {
    pub(crate) jail: Jail,
    pub(crate) mounts: Mounts,
    pub(crate) ledger: Ledger,
    pub(crate) policy: Policy,
    pub(crate) state: Mutex<HomeState>,
    /// Whether something was found that the ledger cannot account for until the next scan.
    pub(crate) ledger_stale: AtomicBool,
    /// Who the log speaks of.
    pub(crate) user: String,
}

impl Home {
    pub(crate) fn new(
        jail: Jail,
        policy: Policy,
        user: &str,
        limit: Limit,
    ) -> Result<Self, VfsError> {
        let mounts = Mounts::new(jail.root().try_clone_to_owned()?)?;
        Ok(Self {
            jail,
            mounts,
            ledger: Ledger::new(limit, Limit::ZERO),
            policy,
            state: Mutex::new(HomeState::new()),
            ledger_stale: AtomicBool::new(false),
            user: user.to_owned(),
        })
    }

    /// What the home may hold, holds and has promised. Before the first scan `used` is zero.
    pub fn usage(&self) -> Usage {
        self.ledger.usage()
    }

    pub(crate) fn is_ledger_stale(&self) -> bool {
        self.ledger_stale.load(Ordering::Relaxed)
    }

    /// Remembers that a failure left the ledger behind the disk: the next scan heals it.
    pub(crate) fn mark_stale_on_error<T>(
        &self,
        result: Result<T, VfsError>,
    ) -> Result<T, VfsError> {
        if result.is_err() {
            self.ledger_stale.store(true, Ordering::Relaxed);
        }
        result
    }
}
