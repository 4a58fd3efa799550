//! Who writes what.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use skiff_quota::Amount;

use crate::VfsError;
use crate::jail::folder::{NameAt, NameKey};

/// Whether names may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// What the home holds is not known.
    Uncounted,
    /// A scan is finding out.
    Scanning,
    Open,
    Closed,
}

/// What the mutation lock guards: held over {stat, rename or unlink, ledger post}, never over
/// data or a sync.
#[derive(Debug)]
pub(crate) struct HomeState {
    pub(crate) phase: Phase,
    pub(crate) writers: HashMap<NameKey, Arc<Writer>>,
    /// How often a directory was moved or removed: what was resolved before may lie elsewhere.
    pub(crate) directory_moves: u64,
}

impl HomeState {
    pub(crate) fn new() -> Self {
        Self {
            phase: Phase::Uncounted,
            writers: HashMap::new(),
            directory_moves: 0,
        }
    }

    /// Refuses a name that is being written.
    pub(crate) fn check_idle(&self, key: &NameKey) -> Result<(), VfsError> {
        self.writers
            .get(key)
            .map_or(Ok(()), |writer| Err(writer.busy_error()))
    }
}

/// An upload that runs.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) name_at: NameAt,
    /// What its name was charged when it began, and is charged until it ends.
    pub(crate) charged: Amount,
    owner: u64,
    began: Instant,
    /// Milliseconds from `began` to the last byte.
    last_write_ms: AtomicU64,
    cancelled: AtomicBool,
}

impl Writer {
    pub(crate) fn new(name_at: NameAt, charged: Amount, owner: u64) -> Self {
        Self {
            name_at,
            charged,
            owner,
            began: Instant::now(),
            last_write_ms: AtomicU64::new(0),
            cancelled: AtomicBool::new(false),
        }
    }

    pub(crate) fn touch(&self) {
        self.last_write_ms.store(self.age_ms(), Ordering::Relaxed);
    }

    pub(crate) fn cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    pub(crate) fn busy_error(&self) -> VfsError {
        VfsError::Busy {
            owner: self.owner,
            silent: self.silence(),
        }
    }

    /// Answers another upload of the name: a silent writer is told to give way.
    pub(crate) fn cancel_if_silent(&self, silence_max: Duration) -> VfsError {
        if self.silence() >= silence_max {
            self.cancelled.store(true, Ordering::Relaxed);
        }
        self.busy_error()
    }

    fn silence(&self) -> Duration {
        let last_write_ms = self.last_write_ms.load(Ordering::Relaxed);
        Duration::from_millis(self.age_ms().saturating_sub(last_write_ms))
    }

    fn age_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}
