//! [`WriterGuard`]: keeps a name registered and its room reserved while an upload runs.

use std::sync::Arc;

use skiff_quota::{Amount, Reservation};

use crate::VfsError;
use crate::home::Home;
use crate::home::charge::Charge;
use crate::home::writers::{HomeState, Writer};

/// The registration of a [`Writer`] and its reservation in the ledger. Where it is dropped without
/// [`WriterGuard::settle`], the name keeps the charge it had before the upload.
#[derive(Debug)]
pub(crate) struct WriterGuard {
    home: Arc<Home>,
    pub(crate) writer: Arc<Writer>,
    reservation: Option<Reservation>,
}

impl WriterGuard {
    /// Registers a writer. The caller has checked, under the lock that `state` is behind, that the
    /// name has none.
    pub(crate) fn new(
        home: &Arc<Home>,
        state: &mut HomeState,
        writer: Writer,
    ) -> Result<Self, VfsError> {
        let reservation = Some(home.ledger.reserve(Amount::ZERO)?);
        let writer = Arc::new(writer);
        let folder = writer.name_at.folder.id;
        state.post(folder, writer.charge.published, Amount::ZERO);
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

    /// True until the upload is settled.
    pub(crate) fn is_open(&self) -> bool {
        self.reservation.is_some()
    }

    /// What the name may be charged in the end without a larger reservation.
    pub(crate) fn covered(&self) -> Amount {
        let held = self
            .reservation
            .as_ref()
            .map_or(Amount::ZERO, Reservation::held);
        self.writer.charged().plus(held)
    }

    /// Reserves `more`; [`VfsError::OverQuota`] where it does not fit.
    pub(crate) fn extend(&mut self, more: Amount) -> Result<(), VfsError> {
        match &mut self.reservation {
            Some(reservation) => Ok(reservation.extend(more)?),
            None => Err(VfsError::Stopped),
        }
    }

    /// Ends the registration and the reservation: the charge of the name is `now`.
    pub(crate) fn settle(&mut self, state: &mut HomeState, now: Charge) {
        let Some(reservation) = self.reservation.take() else {
            return;
        };
        let charged = self.writer.charged();
        reservation.commit(now.total().minus(charged));
        self.home.ledger.shrink(charged.minus(now.total()));
        state.writers.remove(&self.writer.name_at.key());
        let folder = self.writer.name_at.folder.id;
        state.post(folder, Amount::ZERO, now.published);
    }
}

impl Drop for WriterGuard {
    fn drop(&mut self) {
        if self.reservation.is_some() {
            let home = Arc::clone(&self.home);
            self.settle(&mut home.state.lock(), self.writer.charge);
        }
    }
}

impl Home {
    /// Reserves `more` for a running upload, and removes idle stages, and then old files where the
    /// operator wants that, where it would exceed the quota.
    pub(crate) fn extend(&self, guard: &mut WriterGuard, more: Amount) -> Result<(), VfsError> {
        loop {
            match self.retry_dropping_stages(more, || guard.extend(more)) {
                Err(VfsError::OverQuota { .. }) if self.remove_oldest(more)? => {}
                other => return other,
            }
        }
    }
}
