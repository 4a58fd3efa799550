//! A running upload's hold on its name and on room in the ledger.

use std::sync::Arc;

use skiff_quota::{Amount, Reservation};

use crate::VfsError;
use crate::home::Home;
use crate::home::writers::{Names, Writer};

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

impl Home {
    /// Extends a hold, dropping idle stages before refusing.
    pub(crate) fn extend(&self, hold: &mut Hold, more: Amount) -> Result<(), VfsError> {
        self.until_it_fits(more, || hold.extend(more))
    }
}
