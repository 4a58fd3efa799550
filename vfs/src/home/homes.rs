//! [`Homes`]: the registry of open homes, one shared [`Home`] for each root directory, and the
//! snapshots of their ledgers.

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

/// The registry of homes. A home that was opened once stays in it.
#[derive(Debug)]
pub struct Homes {
    policy: Policy,
    snapshots: Snapshots<Folder>,
    homes: Mutex<HashMap<RootId, Arc<RegisteredHome>>>,
}

/// Device and inode number of a home's root directory.
type RootId = (u64, u64);

#[derive(Debug)]
struct RegisteredHome {
    home: Arc<Home>,
    snapshot_name: String,
    /// True once the snapshot of the last clean stop was taken. The lock is held while it is.
    snapshot_loaded: Mutex<bool>,
}

impl Homes {
    /// A registry without homes. `state` is an existing folder of the host, which keeps what the
    /// ledgers say between a clean stop and the next start.
    pub fn new(state: impl Into<PathBuf>, policy: Policy) -> Self {
        let snapshots = Snapshots::new(Folder::new(state));
        Self {
            policy,
            snapshots,
            homes: Mutex::default(),
        }
    }

    /// Opens the home at `root`, an existing directory of the host. Users of one root share one
    /// home, which has the latest `limit`. Where [`Home::needs_scan`] is true the caller must scan
    /// the home before it can change.
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

    /// Refuses all changes from now on and stores a snapshot of each ledger for the next start.
    /// The caller ends all uploads first: for a home with a running upload no snapshot is stored,
    /// so that the next start counts it.
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
        // Opened before the registry is locked: a dead network mount blocks its own users only.
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
        // Without this sync a power loss could leave the snapshot and lose files that it counts.
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

/// The file name of a root's snapshot: a hash of the path, which may hold any bytes.
fn snapshot_name(root: &Path) -> String {
    let hash = Sha256::digest(root.as_os_str().as_bytes());
    hash[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
