//! [`Reservation`]: room reserved in a ledger, extended while bytes flow, committed when they stay,
//! released when it is dropped.

use crate::{Amount, Exceeded, Ledger};

/// Room reserved in a [`Ledger`] for something that is not counted as used yet.
#[derive(Debug)]
#[must_use = "dropping a reservation gives its room back"]
pub struct Reservation {
    ledger: Ledger,
    held: Amount,
}

impl Reservation {
    pub(crate) fn new(ledger: Ledger, held: Amount) -> Self {
        Self { ledger, held }
    }

    /// The reserved amount.
    pub fn held(&self) -> Amount {
        self.held
    }

    /// Reserves `more` in addition. After an error the reservation is as it was.
    pub fn extend(&mut self, more: Amount) -> Result<(), Exceeded> {
        self.ledger.add_reserved(more)?;
        self.held = self.held.plus(more);
        Ok(())
    }

    /// Adds `kept` to what is used and releases the rest. `kept` is cut to what is reserved: more
    /// would have been written without a reservation, which the next count finds.
    pub fn commit(mut self, kept: Amount) {
        let held = std::mem::take(&mut self.held);
        debug_assert_eq!(kept.min(held), kept, "written without a reservation");
        self.ledger.settle(held, kept.min(held));
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if !self.held.is_zero() {
            self.ledger.settle(self.held, Amount::ZERO);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commit_keeps_a_part_and_releases_the_rest() {
        let ledger = Ledger::new(Amount::new(100, 10), Amount::ZERO);
        let held = ledger.reserve(Amount::new(60, 1)).unwrap();
        held.commit(Amount::new(25, 1));
        let usage = ledger.usage();
        assert_eq!(usage.used, Amount::new(25, 1));
        assert_eq!(usage.reserved, Amount::ZERO);
    }

    #[test]
    fn a_refused_extension_changes_nothing() {
        let ledger = Ledger::new(Amount::new(100, 10), Amount::ZERO);
        let mut held = ledger.reserve(Amount::bytes(60)).unwrap();
        assert!(held.extend(Amount::bytes(41)).is_err());
        assert_eq!(held.held(), Amount::bytes(60));
        held.extend(Amount::bytes(40)).unwrap();
        assert_eq!(ledger.usage().available(), Amount::new(0, 10));
    }
}
