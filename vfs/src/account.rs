//! Who writes what, and what each name of a home is charged.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::MutexGuard;
use rustix::fs::Stat;
use skiff_quota::{Amount, Reservation};

use crate::VfsError;
use crate::entry::{self, Kind};
use crate::folder::Place;
use crate::home::Home;
use crate::mount::MountId;
use crate::staging::{StageKey, Staging};

/// How often a path is resolved anew because directories move under it.
const RESOLUTIONS_MAX: usize = 64;

/// A name of a home, whatever its directory is called at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct NameKey {
    pub(crate) mount: MountId,
    pub(crate) stage: StageKey,
}

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

/// A running upload's hold on its name and on room in the ledger. Dropped unsettled, the name
/// stays charged as it was.
#[derive(Debug)]
pub(crate) struct Hold {
    home: Arc<Home>,
    pub(crate) writer: Arc<Writer>,
    reservation: Option<Reservation>,
}

impl Hold {
    /// Registers a writer; the caller has found the name idle under this same lock.
    pub(crate) fn new(
        home: &Arc<Home>,
        names: &mut Names,
        writer: Writer,
    ) -> Result<Self, VfsError> {
        let reservation = Some(home.ledger.reserve(Amount::ZERO)?);
        let writer = Arc::new(writer);
        names
            .writers
            .insert(writer.place.key(), Arc::clone(&writer));
        Ok(Self {
            home: Arc::clone(home),
            writer,
            reservation,
        })
    }

    pub(crate) fn home(&self) -> &Arc<Home> {
        &self.home
    }

    /// Whether the upload has not ended yet.
    pub(crate) fn is_open(&self) -> bool {
        self.reservation.is_some()
    }

    /// Bytes that the stage may reach without asking for more.
    pub(crate) fn room(&self) -> u64 {
        let held = self
            .reservation
            .as_ref()
            .map_or(Amount::ZERO, Reservation::held);
        self.writer.charged.plus(held).bytes
    }

    /// Holds `more`, or says what is missing.
    pub(crate) fn extend(&mut self, more: Amount) -> Result<(), VfsError> {
        match &mut self.reservation {
            Some(reservation) => Ok(reservation.extend(more)?),
            None => Err(VfsError::Stopped),
        }
    }

    /// Ends the hold: from now on the name is charged `now`.
    pub(crate) fn settle(&mut self, names: &mut Names, now: Amount) {
        let Some(reservation) = self.reservation.take() else {
            return;
        };
        let charged = self.writer.charged;
        reservation.commit(now.minus(charged));
        self.home.ledger.shrink(charged.minus(now));
        names.writers.remove(&self.writer.place.key());
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if self.reservation.is_some() {
            let home = Arc::clone(&self.home);
            self.settle(&mut home.names.lock(), self.writer.charged);
        }
    }
}

/// What a name is charged: the larger of what is published and staged, and one entry if it has
/// either. Directories, links and the rest are entries of no size.
pub(crate) fn charge(published: Option<&Stat>, staged: Option<u64>) -> Amount {
    let published_bytes = published.map_or(0, published_size);
    let entries = u64::from(published.is_some() || staged.is_some());
    Amount::new(published_bytes.max(staged.unwrap_or(0)), entries)
}

/// Bytes of content that count.
pub(crate) fn published_size(stat: &Stat) -> u64 {
    match entry::kind(stat) {
        Kind::File => entry::size(stat),
        Kind::Directory | Kind::Link | Kind::Other => 0,
    }
}

impl Home {
    /// Takes the mutation lock, if names may change now.
    pub(crate) fn lock(&self) -> Result<MutexGuard<'_, Names>, VfsError> {
        let names = self.names.lock();
        match names.gate {
            Gate::Open => Ok(names),
            Gate::Unknown | Gate::Scanning => Err(VfsError::Scanning),
            Gate::Closed => Err(VfsError::Stopped),
        }
    }

    /// Takes the mutation lock with what `resolve` finds, and no directory of the daemon's was
    /// moved or removed in between: the path of what was found is still its path.
    pub(crate) fn lock_with<T>(
        &self,
        resolve: impl Fn() -> Result<T, VfsError>,
    ) -> Result<(T, MutexGuard<'_, Names>), VfsError> {
        let mut moves = self.names.lock().moves;
        for _ in 0..RESOLUTIONS_MAX {
            let found = resolve()?;
            let names = self.lock()?;
            if names.moves == moves {
                return Ok((found, names));
            }
            moves = names.moves;
        }
        Err(VfsError::Scanning)
    }

    /// What a name is charged now, no writer on it.
    pub(crate) fn charge_of(
        &self,
        place: &Place,
        published: Option<&Stat>,
    ) -> Result<(Amount, Option<u64>), VfsError> {
        let staged = match place.folder.mount.staging() {
            Some(staging) => staging.size(place.key().stage)?,
            None => None,
        };
        Ok((charge(published, staged), staged))
    }
}

/// The stage of a name and the directory it lies in, if it has one.
pub(crate) fn staged(place: &Place) -> Result<Option<(Arc<Staging>, u64)>, VfsError> {
    let Some(staging) = place.folder.mount.staging() else {
        return Ok(None);
    };
    let size = staging.size(place.key().stage)?;
    Ok(size.map(|size| (staging, size)))
}
