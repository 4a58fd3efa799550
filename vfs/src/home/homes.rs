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
use super::writers::Phase;
use crate::jail::Jail;
use crate::{Limit, Policy, VfsError, Worker};

/// The registry of homes. Homes live as long as it does.
#[derive(Debug)]
pub struct Homes {
    policy: Policy,
    snapshots: Snapshots<Folder>,
    homes: Mutex<HashMap<RootId, Arc<RegisteredHome>>>,
}

/// Device and inode of a root.
type RootId = (u64, u64);

#[derive(Debug)]
struct RegisteredHome {
    home: Arc<Home>,
    snapshot_name: String,
    /// Whether the snapshot of the last clean stop was asked for. Held over that.
    snapshot_loaded: Mutex<bool>,
}

impl Homes {
    /// Homes under `policy`, whose ledgers are kept in the existing folder `state` of the host
    /// between a clean stop and the next start.
    pub fn new(state: impl Into<PathBuf>, policy: Policy) -> Self {
        let snapshots = Snapshots::new(Folder::new(state));
        Self {
            policy,
            snapshots,
            homes: Mutex::default(),
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
        let registered = self.find_or_register(user, root, limit)?;
        registered.home.ledger.set_limit(limit);
        let mut snapshot_loaded = registered.snapshot_loaded.lock();
        if !*snapshot_loaded {
            self.load_snapshot(&registered)?;
            *snapshot_loaded = true;
        }
        Ok(Arc::clone(&registered.home))
    }

    /// Stops cleanly: no home changes any more, and what each ledger says is kept for the next
    /// start. End all uploads first: a home that is being written is counted anew instead.
    pub fn close(&self, _worker: &Worker) -> Result<(), VfsError> {
        let registered: Vec<_> = self.homes.lock().values().cloned().collect();
        let results: Vec<_> = registered
            .iter()
            .map(|registered| self.store_snapshot(registered))
            .collect();
        results.into_iter().collect()
    }

    fn find_or_register(
        &self,
        user: &str,
        root: &Path,
        limit: Limit,
    ) -> Result<Arc<RegisteredHome>, VfsError> {
        // Opened before the registry is locked: a dead network mount stops its own users only.
        let jail = Jail::open(root)?;
        let stat = statat(jail.root(), c"", AtFlags::EMPTY_PATH)?;
        let root_id = (stat.st_dev, stat.st_ino);
        if let Some(registered) = self.homes.lock().get(&root_id) {
            return Ok(Arc::clone(registered));
        }
        let home = Arc::new(Home::new(jail, self.policy.clone(), user, limit)?);
        let registered = RegisteredHome {
            home,
            snapshot_name: snapshot_name(root),
            snapshot_loaded: Mutex::new(false),
        };
        Ok(Arc::clone(
            self.homes
                .lock()
                .entry(root_id)
                .or_insert_with(|| Arc::new(registered)),
        ))
    }

    fn load_snapshot(&self, registered: &RegisteredHome) -> Result<(), VfsError> {
        let mark = registered.home.mounts.root().inode;
        if let Some(snapshot) = self
            .snapshots
            .take(&registered.snapshot_name)?
            .filter(|s| s.mark == mark)
        {
            registered.home.ledger.set_used(snapshot.used);
            registered.home.state.lock().phase = Phase::Open;
        }
        Ok(())
    }

    fn store_snapshot(&self, registered: &RegisteredHome) -> Result<(), VfsError> {
        let home = &registered.home;
        let used = {
            let mut state = home.state.lock();
            let trusted = state.phase == Phase::Open && state.writers.is_empty();
            state.phase = Phase::Closed;
            if !trusted || home.is_ledger_stale() {
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
        Ok(self.snapshots.store(&registered.snapshot_name, &snapshot)?)
    }
}

/// What a root's snapshot is called: a hash, as any path of the host may be a root.
fn snapshot_name(root: &Path) -> String {
    let hash = Sha256::digest(root.as_os_str().as_bytes());
    hash[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
