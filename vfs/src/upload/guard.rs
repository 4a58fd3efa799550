//! A running upload's hold on its name and on room in the ledger.

use std::sync::Arc;

use skiff_quota::{Amount, Reservation};

use crate::VfsError;
use crate::home::Home;
use crate::home::writers::{HomeState, Writer};

/// A running upload's hold on its name and on room in the ledger. Dropped unsettled, the name
/// stays charged as it was.
#[derive(Debug)]
pub(crate) struct WriterGuard {
    home: Arc<Home>,
    pub(crate) writer: Arc<Writer>,
    reservation: Option<Reservation>,
}

impl WriterGuard {
    /// Registers a writer; the caller has found the name idle under this same lock.
    pub(crate) fn new(
        home: &Arc<Home>,
        state: &mut HomeState,
        writer: Writer,
    ) -> Result<Self, VfsError> {
        let reservation = Some(home.ledger.reserve(Amount::ZERO)?);
        let writer = Arc::new(writer);
        state
            .writers
            .insert(writer.name_at.key(), Arc::clone(&writer));
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
    pub(crate) fn reserved_len(&self) -> u64 {
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
    pub(crate) fn settle(&mut self, state: &mut HomeState, now: Amount) {
        let Some(reservation) = self.reservation.take() else {
            return;
        };
        let charged = self.writer.charged;
        reservation.commit(now.minus(charged));
        self.home.ledger.shrink(charged.minus(now));
        state.writers.remove(&self.writer.name_at.key());
    }
}

impl Drop for WriterGuard {
    fn drop(&mut self) {
        if self.reservation.is_some() {
            let home = Arc::clone(&self.home);
            self.settle(&mut home.state.lock(), self.writer.charged);
        }
    }
}

impl Home {
    /// Extends a hold, dropping idle stages before refusing.
    pub(crate) fn extend(&self, guard: &mut WriterGuard, more: Amount) -> Result<(), VfsError> {
        self.retry_dropping_stages(more, || guard.extend(more))
    }
}
