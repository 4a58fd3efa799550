//! [`Homes`]: the registry of homes, one shared [`Home`] for each root directory, opened when it is
//! needed and closed when it is idle, and the snapshots of their ledgers.

use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustix::fs::AtFlags;
use rustix::process::{Resource, getrlimit};
use sha2::{Digest, Sha256};
use skiff_quota::{Amount, Folder, Snapshot, Snapshots, Usage};

use super::Home;
use super::retention::HomeRules;
use super::writers::{HomeState, Phase};
use crate::jail::mount::{OpenedStagings, Recovery};
use crate::jail::{Jail, Locked};
use crate::owner::act_as;
use crate::staging::Belief;
use crate::syscalls::{now, statat};
use crate::{Durability, Owner, Policy, VfsError, Worker};

/// Idle homes are closed at once where this many are open: each holds some descriptors.
const OPEN_MAX: u64 = 64;
/// The same where the process may have few descriptors: that many for each open home.
const DESCRIPTORS_PER_HOME: u64 = 16;

/// The registry of homes.
#[derive(Debug)]
pub struct Homes {
    policy: Policy,
    snapshots: Snapshots<Folder>,
    places: Mutex<HashMap<RootId, Arc<Place>>>,
    open_count: AtomicUsize,
    opened_stagings: Arc<OpenedStagings>,
    /// Set once counts are to end early.
    stop_counts: Arc<AtomicBool>,
    /// The number of open homes below which idle ones are not looked for, as most are in use.
    trim_at: AtomicUsize,
    /// Set while another process, which this one replaces, may have homes open.
    is_in_handover: AtomicBool,
}

/// Device and inode number of a home's root directory.
type RootId = (u64, u64);

/// The place of one root directory, which stays when its home is closed.
#[derive(Debug)]
struct Place {
    snapshot_name: String,
    /// The lock is held while the home is opened or closed.
    slot: Mutex<Slot>,
}

#[derive(Debug)]
enum Slot {
    Closed {
        /// When the home was last counted.
        counted_at: Option<Instant>,
    },
    Open {
        home: Arc<Home>,
        /// The user who opened it last, whose limit holds.
        user: String,
        /// When it was first seen without a user; `None` while it has some.
        idle_since: Option<Instant>,
    },
}

impl Homes {
    /// A registry without homes. `state` is an existing folder of the host, which keeps what the
    /// ledgers say while their homes are closed.
    pub fn new(state: impl Into<PathBuf>, policy: Policy) -> Self {
        let snapshots = Snapshots::new(Folder::new(state));
        Self {
            policy,
            snapshots,
            places: Mutex::default(),
            open_count: AtomicUsize::new(0),
            opened_stagings: Arc::default(),
            stop_counts: Arc::default(),
            trim_at: AtomicUsize::new(0),
            is_in_handover: AtomicBool::new(false),
        }
    }

    /// Says that another process still has homes open, and closes one after the other: until
    /// [`Self::end_handover`], a home that cannot be locked is [`VfsError::InUse`] too.
    pub fn begin_handover(&self) {
        self.is_in_handover.store(true, Ordering::Relaxed);
    }

    /// Says that the other process has ended.
    pub fn end_handover(&self) {
        self.is_in_handover.store(false, Ordering::Relaxed);
    }

    /// Whether a home that is in use will be free.
    pub fn is_in_handover(&self) -> bool {
        self.is_in_handover.load(Ordering::Relaxed)
    }

    /// Opens the home at `root`, an existing directory of the host. Users of one root share one
    /// home, which has the latest `rules`. Where [`Home::needs_scan`] is true the caller must have
    /// the home scanned; before the first scan it cannot change. [`VfsError::InUse`] where another
    /// process works on it.
    pub fn open(
        &self,
        worker: &Worker,
        user: &str,
        root: &Path,
        rules: impl Into<HomeRules>,
    ) -> Result<Arc<Home>, VfsError> {
        self.trim(worker);
        let rules = rules.into();
        match self.open_root(user, root, rules.clone()) {
            Err(VfsError::TooManyOpen) if self.close_idle(worker, Duration::ZERO) > 0 => {
                self.open_root(user, root, rules)
            }
            other => other,
        }
    }

    /// Closes the homes that nobody has used for `idle`, and gives their number. Nobody has a home
    /// whose [`Arc`] is held by the registry alone; that time begins when this is called first
    /// without a user.
    pub fn close_idle(&self, _worker: &Worker, idle: Duration) -> usize {
        let places: Vec<_> = self.places.lock().values().cloned().collect();
        let now = now();
        let closed = places.iter().filter(|place| {
            // Whoever opens it at the moment uses it.
            let slot = place.slot.try_lock();
            slot.is_some_and(|mut slot| self.close_if_idle(place, &mut slot, now, idle))
        });
        closed.count()
    }

    /// Has counts that are under way, or begin, end soon with [`VfsError::Stopped`].
    pub fn stop_counts(&self) {
        self.stop_counts.store(true, Ordering::Relaxed);
    }

    /// How many homes are open.
    pub fn open_count(&self) -> usize {
        self.open_count.load(Ordering::Relaxed)
    }

    /// Gives each open home the rules that `rules_of` has for its latest user; `None` leaves them as
    /// they are. Running uploads meet a new limit when they reserve the next bytes.
    pub fn refresh_rules<R: Into<HomeRules>>(
        &self,
        _worker: &Worker,
        rules_of: impl Fn(&str) -> Option<R>,
    ) {
        let places: Vec<_> = self.places.lock().values().cloned().collect();
        for place in places {
            // Whoever opens it at the moment brings the limit along.
            if let Some(Slot::Open { home, user, .. }) = place.slot.try_lock().as_deref()
                && let Some(rules) = rules_of(user)
            {
                home.set_rules(&rules.into());
            }
        }
    }

    /// What each open home uses that is counted, with its latest user. No disk is asked.
    pub fn usages(&self, _worker: &Worker) -> Vec<(String, Usage)> {
        let places: Vec<_> = self.places.lock().values().cloned().collect();
        let usage = |place: Arc<Place>| match place.slot.try_lock().as_deref() {
            Some(Slot::Open { home, user, .. }) if !home.is_uncounted() => {
                Some((user.clone(), home.usage()))
            }
            _ => None,
        };
        places.into_iter().filter_map(usage).collect()
    }

    /// Refuses all changes from now on and stores a snapshot of each ledger for the next start.
    /// The caller ends all uploads first: for a home with a running upload no snapshot is stored,
    /// so that the next start counts it.
    pub fn close(&self, _worker: &Worker) -> Result<(), VfsError> {
        let places: Vec<_> = self.places.lock().values().cloned().collect();
        let results: Vec<_> = places
            .iter()
            .map(|place| match &*place.slot.lock() {
                Slot::Open { home, .. } => self.close_for_good(&place.snapshot_name, home),
                Slot::Closed { .. } => Ok(()),
            })
            .collect();
        results.into_iter().collect()
    }

    /// Closes all idle homes where too many are open, and looks again when there are twice as many
    /// as are in use.
    fn trim(&self, worker: &Worker) {
        let trim_at = self.trim_at.load(Ordering::Relaxed).max(open_max());
        if self.open_count() < trim_at {
            return;
        }
        self.close_idle(worker, Duration::ZERO);
        let trim_at = self.open_count().saturating_mul(2);
        self.trim_at.store(trim_at, Ordering::Relaxed);
    }

    fn open_root(&self, user: &str, root: &Path, rules: HomeRules) -> Result<Arc<Home>, VfsError> {
        // Opened before anything is locked: a dead network mount blocks its own users only.
        let jail = Jail::open(root, rules.owner.as_ref())?;
        let stat = statat(jail.root(), c"", AtFlags::EMPTY_PATH)?;
        let place = self.place((stat.st_dev, stat.st_ino), root);
        let mut slot = place.slot.lock();
        self.close_for_owner(&place, &mut slot, &rules);
        match &mut *slot {
            Slot::Open { home, .. } if !same_user(home, &rules) => Err(VfsError::OtherOwner),
            Slot::Open {
                home,
                user: last_user,
                idle_since,
            } => {
                *idle_since = None;
                user.clone_into(last_user);
                home.set_rules(&rules);
                Ok(Arc::clone(home))
            }
            Slot::Closed { counted_at } => {
                if jail.lock()? == Locked::Unnoticed && self.is_in_handover() {
                    return Err(VfsError::InUse);
                }
                let used = self.load_snapshot(&place.snapshot_name, stat.st_ino)?;
                let stop = Arc::clone(&self.stop_counts);
                let recovery = self.recovery(used);
                let home = Home::new(jail, self.policy.clone(), user, rules, stop, recovery)?;
                {
                    let mut state = home.state.lock();
                    state.counted_at = *counted_at;
                    // What was cut is counted in the snapshot.
                    if let Some(used) = used.filter(|_| !home.is_ledger_stale()) {
                        home.ledger.set_used(used);
                        state.phase = Phase::Open;
                    }
                }
                let home = Arc::new(home);
                *slot = Slot::Open {
                    home: Arc::clone(&home),
                    user: user.to_owned(),
                    idle_since: None,
                };
                self.open_count.fetch_add(1, Ordering::Relaxed);
                Ok(home)
            }
        }
    }

    /// Closes a home that nobody uses and that is open for another owner.
    fn close_for_owner(&self, place: &Place, slot: &mut Slot, rules: &HomeRules) {
        if matches!(slot, Slot::Open { home, .. } if !same_user(home, rules)) {
            self.close_if_idle(place, slot, now(), Duration::ZERO);
        }
    }

    fn place(&self, root_id: RootId, root: &Path) -> Arc<Place> {
        let mut places = self.places.lock();
        let place = places.entry(root_id).or_insert_with(|| {
            Arc::new(Place {
                snapshot_name: snapshot_name(root),
                slot: Mutex::new(Slot::Closed { counted_at: None }),
            })
        });
        Arc::clone(place)
    }

    fn close_if_idle(&self, place: &Place, slot: &mut Slot, now: Instant, idle: Duration) -> bool {
        let Slot::Open {
            home, idle_since, ..
        } = slot
        else {
            return false;
        };
        if Arc::strong_count(home) > 1 {
            *idle_since = None;
            return false;
        }
        let since = *idle_since.get_or_insert(now);
        if now.duration_since(since) < idle {
            return false;
        }
        let counted_at = home.state.lock().counted_at;
        let closed = std::mem::replace(slot, Slot::Closed { counted_at });
        let Slot::Open {
            home,
            user,
            idle_since,
        } = closed
        else {
            return false;
        };
        // A new handle needs the slot's lock, but for one from a `Weak`, which may be just made.
        match Arc::try_unwrap(home) {
            Ok(home) => {
                self.store_unsynced(&place.snapshot_name, &home);
                self.open_count.fetch_sub(1, Ordering::Relaxed);
                true
            }
            Err(home) => {
                *slot = Slot::Open {
                    home,
                    user,
                    idle_since,
                };
                false
            }
        }
    }

    /// What the home whose directory has the inode number `mark` uses; `None` after an unclean end.
    fn load_snapshot(&self, name: &str, mark: u64) -> Result<Option<Amount>, VfsError> {
        let taken = self.snapshots.take(name)?;
        let taken = taken.filter(|snapshot| snapshot.mark == mark);
        Ok(taken.map(|snapshot| snapshot.used))
    }

    /// How stages are recovered that this process has not seen yet. Where stages are synced, their
    /// labels say how much of them there is, whatever the end was: the snapshot of an idle home may
    /// be older than a power loss. Where nothing is synced, only a snapshot says that the last end
    /// was clean.
    fn recovery(&self, snapshot: Option<Amount>) -> Recovery {
        let belief = match (self.policy.durability, snapshot) {
            (Durability::None, Some(_)) => Belief::Sizes,
            (Durability::Fsync, _) | (Durability::None, None) => Belief::Labels,
        };
        Recovery {
            opened: Arc::clone(&self.opened_stagings),
            belief,
            has_cut: Arc::default(),
        }
    }

    /// Stores what an idle home uses, where that is known. Whoever closes it may be a login that
    /// needs its descriptors, and does not wait for the disk.
    fn store_unsynced(&self, name: &str, home: &Home) {
        let Some(used) = known_use(home, &home.state.lock()) else {
            return;
        };
        if let Err(e) = self.snapshots.store_unsynced(name, &snapshot(home, used)) {
            log::warn!("{}: the next session has the home counted: {e}", home.user);
        }
    }

    fn close_for_good(&self, name: &str, home: &Home) -> Result<(), VfsError> {
        let used = {
            let mut state = home.state.lock();
            let used = known_use(home, &state);
            state.phase = Phase::Closed;
            used
        };
        let store = |used| -> Result<(), VfsError> {
            let acting = act_as(home.owner.as_ref())?;
            home.sync_stages()?;
            // Without this sync a power loss could leave the snapshot and lose files that it
            // counts.
            home.mounts
                .all()
                .iter()
                .try_for_each(|mount| mount.sync())?;
            // The snapshot is the daemon's.
            drop(acting);
            Ok(self.snapshots.store(name, &snapshot(home, used))?)
        };
        let stored = used.map_or(Ok(()), store);
        home.jail.unlock();
        stored
    }
}

fn snapshot(home: &Home, used: Amount) -> Snapshot {
    let mark = home.mounts.root().inode;
    Snapshot { used, mark }
}

/// What `home` uses; `None` where the ledger cannot be believed.
fn known_use(home: &Home, state: &HomeState) -> Option<Amount> {
    let is_known = state.phase == Phase::Open && state.writers.is_empty();
    (is_known && !home.is_ledger_stale()).then(|| home.usage().used)
}

/// Whether `home` is open for the user of the system that `rules` says, whose groups may have changed.
fn same_user(home: &Home, rules: &HomeRules) -> bool {
    let ids = |owner: &Option<Arc<Owner>>| owner.as_ref().map(|owner| (owner.uid(), owner.gid()));
    ids(&home.owner) == ids(&rules.owner)
}

/// How many homes may be open, if some of them are idle.
fn open_max() -> usize {
    let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    (descriptors / DESCRIPTORS_PER_HOME).min(OPEN_MAX) as usize
}

/// The file name of a root's snapshot: a hash of the path, which may hold any bytes.
fn snapshot_name(root: &Path) -> String {
    let hash = Sha256::digest(root.as_os_str().as_bytes());
    hash[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
