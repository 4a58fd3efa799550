//! [`HomeState`], which the lock of a home guards: the phase of the home and a [`Writer`] for each
//! running upload.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use skiff_quota::Amount;

use super::charge::Charge;
use super::recount::Recount;
use crate::VfsError;
use crate::jail::folder::{NameAt, NameKey};
use crate::syscalls::now;

/// Whether the names of a home may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// No: the home was never counted, and nobody knows what it holds.
    Uncounted,
    /// Yes.
    Open,
    /// No: the daemon is stopping.
    Closed,
}

/// The data behind the home's lock. The lock is held from stat(2) over rename or unlink to the
/// change of the ledger, and never while data is written or synced.
#[derive(Debug)]
pub(crate) struct HomeState {
    pub(crate) phase: Phase,
    pub(crate) writers: HashMap<NameKey, Arc<Writer>>,
    /// Counts renames and removals of directories, after which earlier resolved paths may be wrong.
    pub(crate) directory_moves: u64,
    /// What a count knows that is under way.
    pub(crate) recount: Option<Recount>,
    /// When the last count of the home ended; `None` before the first one since the start.
    pub(crate) counted_at: Option<Instant>,
}

impl HomeState {
    pub(crate) fn new() -> Self {
        Self {
            phase: Phase::Uncounted,
            writers: HashMap::new(),
            directory_moves: 0,
            recount: None,
            counted_at: None,
        }
    }

    /// [`VfsError::Busy`] where an upload of the name is running.
    pub(crate) fn check_idle(&self, key: &NameKey) -> Result<(), VfsError> {
        self.writers
            .get(key)
            .map_or(Ok(()), |writer| Err(writer.busy_error()))
    }
}

/// A running upload, as others see it.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) name_at: NameAt,
    /// The charge of the name when the upload began, which stays in the ledger until it ends.
    pub(crate) charge: Charge,
    owner: u64,
    began: Instant,
    /// Milliseconds from `began` to the last write.
    last_write_ms: AtomicU64,
    /// Set when another upload of the name is asked for and this one is silent.
    cancelled: AtomicBool,
}

impl Writer {
    pub(crate) fn new(name_at: NameAt, charge: Charge, owner: u64) -> Self {
        Self {
            name_at,
            charge,
            owner,
            began: now(),
            last_write_ms: AtomicU64::new(0),
            cancelled: AtomicBool::new(false),
        }
    }

    /// What the ledger has for the name while the upload runs, beside its reservation.
    pub(crate) fn charged(&self) -> Amount {
        self.charge.total()
    }

    /// Notes a write; gives the milliseconds since the upload began.
    pub(crate) fn touch(&self) -> u64 {
        let now_ms = self.age_ms();
        self.last_write_ms.store(now_ms, Ordering::Relaxed);
        now_ms
    }

    /// Whether the upload is to end for another one of the same name.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    /// The error for whoever else wants the name.
    pub(crate) fn busy_error(&self) -> VfsError {
        VfsError::Busy {
            owner: self.owner,
            silent: self.silence(),
        }
    }

    /// The error for another upload of the name. Cancels this one if nothing was written for
    /// `silence_max`.
    pub(crate) fn cancel_if_silent(&self, silence_max: Duration) -> VfsError {
        if self.silence() >= silence_max {
            self.cancelled.store(true, Ordering::Relaxed);
        }
        self.busy_error()
    }

    /// The time since the last write.
    fn silence(&self) -> Duration {
        let last_write_ms = self.last_write_ms.load(Ordering::Relaxed);
        Duration::from_millis(self.age_ms().saturating_sub(last_write_ms))
    }

    fn age_ms(&self) -> u64 {
        u64::try_from(now().duration_since(self.began).as_millis()).unwrap_or(u64::MAX)
    }
}
