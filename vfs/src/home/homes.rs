//! The homes of all users: one shared [`Home`] for each root.

use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use rustix::fs::{AtFlags, statat};
use sha2::{Digest, Sha256};
use skiff_quota::{Folder, Snapshot, Snapshots};

use super::Home;
use super::writers::Gate;
use crate::jail::Jail;
use crate::{Limit, Policy, VfsError, Worker};

/// The registry of homes. Homes live as long as it does.
#[derive(Debug)]
pub struct Homes {
    policy: Policy,
    snapshots: Snapshots<Folder>,
    known: Mutex<HashMap<Unique, Arc<Known>>>,
}

/// Device and inode of a root.
type Unique = (u64, u64);

#[derive(Debug)]
struct Known {
    home: Arc<Home>,
    state: String,
    /// Whether the snapshot of the last clean stop was asked for. Held over that.
    loaded: Mutex<bool>,
}

impl Homes {
    /// Homes under `policy`, whose ledgers are kept in the existing folder `state` of the host
    /// between a clean stop and the next start.
    pub fn new(state: impl Into<PathBuf>, policy: Policy) -> Self {
        let snapshots = Snapshots::new(Folder::new(state));
        Self {
            policy,
            snapshots,
            known: Mutex::default(),
        }
    }

    /// The home at `root`, an existing directory of the host; for users of one root the same one,
    /// with the latest limit. If [`Home::needs_scan`], a scan must follow before it can change.
    pub fn open(
        &self,
        _worker: &Worker,
        user: &str,
        root: &Path,
        limit: Limit,
    ) -> Result<Arc<Home>, VfsError> {
        let known = self.find(user, root, limit)?;
        known.home.ledger.set_limit(limit);
        let mut loaded = known.loaded.lock();
        if !*loaded {
            self.load(&known)?;
            *loaded = true;
        }
        Ok(Arc::clone(&known.home))
    }

    /// Stops cleanly: no home changes any more, and what each ledger says is kept for the next
    /// start. End all uploads first: a home that is being written is counted anew instead.
    pub fn close(&self, _worker: &Worker) -> Result<(), VfsError> {
        let known: Vec<_> = self.known.lock().values().cloned().collect();
        let results: Vec<_> = known.iter().map(|known| self.keep(known)).collect();
        results.into_iter().collect()
    }

    fn find(&self, user: &str, root: &Path, limit: Limit) -> Result<Arc<Known>, VfsError> {
        // Opened before the registry is locked: a dead network mount stops its own users only.
        let jail = Jail::open(root)?;
        let stat = statat(jail.root(), c"", AtFlags::EMPTY_PATH)?;
        let unique = (stat.st_dev, stat.st_ino);
        if let Some(known) = self.known.lock().get(&unique) {
            return Ok(Arc::clone(known));
        }
        let home = Arc::new(Home::new(jail, self.policy.clone(), user, limit)?);
        let known = Known {
            home,
            state: state_name(root),
            loaded: Mutex::new(false),
        };
        Ok(Arc::clone(
            self.known
                .lock()
                .entry(unique)
                .or_insert_with(|| Arc::new(known)),
        ))
    }

    fn load(&self, known: &Known) -> Result<(), VfsError> {
        let mark = known.home.mounts.root().inode;
        if let Some(snapshot) = self
            .snapshots
            .take(&known.state)?
            .filter(|s| s.mark == mark)
        {
            known.home.ledger.set_used(snapshot.used);
            known.home.names.lock().gate = Gate::Open;
        }
        Ok(())
    }

    fn keep(&self, known: &Known) -> Result<(), VfsError> {
        let home = &known.home;
        let used = {
            let mut names = home.names.lock();
            let trusted = names.gate == Gate::Open && names.writers.is_empty();
            names.gate = Gate::Closed;
            if !trusted || home.has_drifted() {
                return Ok(());
            }
            home.usage().used
        };
        // The snapshot must not outlive, in a power loss, the files it counts.
        home.mounts
            .all()
            .iter()
            .try_for_each(|mount| mount.sync())?;
        let snapshot = Snapshot {
            used,
            mark: home.mounts.root().inode,
        };
        Ok(self.snapshots.store(&known.state, &snapshot)?)
    }
}

/// What a root's snapshot is called: a hash, as any path of the host may be a root.
fn state_name(root: &Path) -> String {
    let hash = Sha256::digest(root.as_os_str().as_bytes());
    hash[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
