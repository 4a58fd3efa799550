//! [`Home`]: a jail with a quota ledger, shared by all sessions of its user.
//!
//! This folder holds what all operations on a home need: path resolution, the lock, the table of
//! running uploads, charges, stages and counts. The operations themselves are in `reading/`,
//! `upload/` and `changing/`, which import this folder and are not imported here.

pub(crate) mod charge;
pub(crate) mod homes;
mod lock;
pub(crate) mod recount;
pub(crate) mod resolve;
pub(crate) mod retention;
pub(crate) mod scan;
pub(crate) mod space;
pub(crate) mod stages;
pub(crate) mod writers;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use skiff_quota::{Ledger, Usage};

use self::retention::{HomeRules, OldFiles, Retention};
use self::writers::HomeState;
use crate::jail::Jail;
use crate::jail::mount::{Mounts, Recovery};
use crate::owner::{Acting, Owner, act_as};
use crate::permissions::Credentials;
use crate::{Entry, Limit, Permissions, Policy, VfsError, Worker};

/// A user's home. All paths are relative to it; the empty path is the home itself.
#[derive(Debug)]
pub struct Home {
    pub(crate) jail: Jail,
    pub(crate) mounts: Mounts,
    pub(crate) ledger: Ledger,
    pub(crate) policy: Policy,
    pub(crate) retention: Mutex<Retention>,
    pub(crate) old_files: Mutex<OldFiles>,
    pub(crate) state: Mutex<HomeState>,
    /// True while the ledger may differ from the disk, until the next scan.
    pub(crate) ledger_stale: AtomicBool,
    /// Set once counts are to end early.
    pub(crate) stop_counts: Arc<AtomicBool>,
    /// Who the daemon is to the file permissions.
    pub(crate) credentials: Credentials,
    /// Whose the files are; `None`: the daemon's own.
    pub(crate) owner: Option<Arc<Owner>>,
    /// The user's name, for log lines.
    pub(crate) user: String,
}

impl Home {
    /// A home that has not been counted yet.
    pub(crate) fn new(
        jail: Jail,
        policy: Policy,
        user: &str,
        rules: HomeRules,
        stop_counts: Arc<AtomicBool>,
        recovery: Recovery,
    ) -> Result<Self, VfsError> {
        let HomeRules {
            limit,
            retention,
            owner,
        } = rules;
        let _acting = act_as(owner.as_ref())?;
        let mounts = Mounts::new(jail.root().try_clone_to_owned()?, recovery)?;
        Ok(Self {
            jail,
            mounts,
            ledger: Ledger::new(limit, Limit::ZERO),
            policy: Policy {
                // What the owner makes has the owner's group.
                group: policy.group.filter(|_| owner.is_none()),
                ..policy
            },
            retention: Mutex::new(retention),
            old_files: Mutex::default(),
            state: Mutex::new(HomeState::new()),
            ledger_stale: AtomicBool::new(false),
            stop_counts,
            credentials: owner
                .as_deref()
                .map_or_else(Credentials::of_process, Credentials::of),
            owner,
            user: user.to_owned(),
        })
    }

    /// Has this thread act as the home's owner, as long as what this gives lives. Every operation
    /// on the home's files begins with it.
    pub(crate) fn act(&self, _worker: &Worker) -> Result<Acting, VfsError> {
        act_as(self.owner.as_ref())
    }

    /// The ledger's limit, used and reserved amounts. `used` means nothing while
    /// [`Home::is_uncounted`].
    pub fn usage(&self) -> Usage {
        self.ledger.usage()
    }

    /// What the file permissions let the daemon do with `entry`, which is in the directory `folder`;
    /// the home itself is in none.
    pub fn permissions(&self, entry: &Entry, folder: Option<&Entry>) -> Permissions {
        self.credentials.permissions(entry, folder)
    }

    pub(crate) fn is_ledger_stale(&self) -> bool {
        self.ledger_stale.load(Ordering::Relaxed) || self.mounts.has_cut().load(Ordering::Relaxed)
    }

    /// Passes `result` on; an error marks the ledger as stale, because the disk has changed and the
    /// ledger has not. The next scan corrects it.
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

impl Drop for Home {
    fn drop(&mut self) {
        self.jail.unlock();
    }
}
