//! Who writes what.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use skiff_quota::Amount;

use crate::VfsError;
use crate::jail::folder::{NameKey, Place};

/// Whether names may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gate {
    /// What the home holds is not known.
    Unknown,
    /// A scan is finding out.
    Scanning,
    Open,
    Closed,
}

/// What the mutation lock guards: held over {stat, rename or unlink, ledger post}, never over
/// data or a sync.
#[derive(Debug)]
pub(crate) struct Names {
    pub(crate) gate: Gate,
    pub(crate) writers: HashMap<NameKey, Arc<Writer>>,
    /// How often a directory was moved or removed: what was resolved before may lie elsewhere.
    pub(crate) moves: u64,
}

impl Names {
    pub(crate) fn new() -> Self {
        Self {
            gate: Gate::Unknown,
            writers: HashMap::new(),
            moves: 0,
        }
    }

    /// Refuses a name that is being written.
    pub(crate) fn check_idle(&self, key: &NameKey) -> Result<(), VfsError> {
        self.writers
            .get(key)
            .map_or(Ok(()), |writer| Err(writer.busy()))
    }
}

/// An upload that runs.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) place: Place,
    /// What its name was charged when it began, and is charged until it ends.
    pub(crate) charged: Amount,
    owner: u64,
    began: Instant,
    /// Milliseconds from `began` to the last byte.
    last: AtomicU64,
    cancelled: AtomicBool,
}

impl Writer {
    pub(crate) fn new(place: Place, charged: Amount, owner: u64) -> Self {
        Self {
            place,
            charged,
            owner,
            began: Instant::now(),
            last: AtomicU64::new(0),
            cancelled: AtomicBool::new(false),
        }
    }

    pub(crate) fn touch(&self) {
        self.last.store(self.age_ms(), Ordering::Relaxed);
    }

    pub(crate) fn cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    pub(crate) fn busy(&self) -> VfsError {
        VfsError::Busy {
            owner: self.owner,
            silent: self.silent(),
        }
    }

    /// Answers another upload of the name: a silent writer is told to give way.
    pub(crate) fn contest(&self, patience: Duration) -> VfsError {
        if self.silent() >= patience {
            self.cancelled.store(true, Ordering::Relaxed);
        }
        self.busy()
    }

    fn silent(&self) -> Duration {
        let last = self.last.load(Ordering::Relaxed);
        Duration::from_millis(self.age_ms().saturating_sub(last))
    }

    fn age_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}
