//! [`Ledger`]: the limit of one home, what it uses, and what is reserved.

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::Reservation;

/// Bytes of content and number of entries (files, directories, links).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    pub bytes: u64,
    pub entries: u64,
}

impl Amount {
    /// No bytes and no entries.
    pub const ZERO: Self = Self {
        bytes: 0,
        entries: 0,
    };

    pub const fn new(bytes: u64, entries: u64) -> Self {
        Self { bytes, entries }
    }

    /// So many bytes and no entries.
    pub const fn bytes(bytes: u64) -> Self {
        Self { bytes, entries: 0 }
    }

    pub fn is_zero(self) -> bool {
        self == Self::ZERO
    }

    /// The sum, part by part, at most `u64::MAX` each.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            bytes: self.bytes.saturating_add(other.bytes),
            entries: self.entries.saturating_add(other.entries),
        }
    }

    /// The difference, part by part, at least 0 each.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self {
            bytes: self.bytes.saturating_sub(other.bytes),
            entries: self.entries.saturating_sub(other.entries),
        }
    }

    /// The smaller bytes and the smaller entries.
    #[must_use]
    pub fn min(self, other: Self) -> Self {
        Self {
            bytes: self.bytes.min(other.bytes),
            entries: self.entries.min(other.entries),
        }
    }

    fn fits_in(self, room: Self) -> bool {
        self.bytes <= room.bytes && self.entries <= room.entries
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes and {} entries", self.bytes, self.entries)
    }
}

/// A ledger's numbers at one moment: what the home may use, uses, and has reserved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    pub limit: Amount,
    pub used: Amount,
    pub reserved: Amount,
}

impl Usage {
    /// What can still be reserved; zero where the limit was lowered below what is used.
    pub fn available(&self) -> Amount {
        self.limit.minus(self.used.plus(self.reserved))
    }
}

/// The error of a reservation that does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("over quota: {needed} are needed and {available} are left")]
pub struct Exceeded {
    pub needed: Amount,
    pub available: Amount,
}

/// The accounting of one home. Clones are handles to the same ledger.
#[derive(Clone, Debug)]
pub struct Ledger {
    // Locked for a few additions, never across a call out of this crate.
    usage: Arc<Mutex<Usage>>,
}

impl Ledger {
    /// A ledger with nothing reserved.
    pub fn new(limit: Amount, used: Amount) -> Self {
        let usage = Usage {
            limit,
            used,
            reserved: Amount::ZERO,
        };
        Self {
            usage: Arc::new(Mutex::new(usage)),
        }
    }

    /// The numbers now.
    pub fn usage(&self) -> Usage {
        *self.usage.lock()
    }

    /// Sets the limit. Where more is used already, nothing is removed, but nothing can be reserved.
    pub fn set_limit(&self, limit: Amount) {
        self.usage.lock().limit = limit;
    }

    /// Sets what is used to what a count of the home has found; reservations stay.
    pub fn set_used(&self, used: Amount) {
        self.usage.lock().used = used;
    }

    /// Reserves `wanted`, beside what is used and reserved already; [`Exceeded`] where the limit
    /// does not allow that. Where one part of `wanted` is 0 that part's limit is not checked.
    pub fn reserve(&self, wanted: Amount) -> Result<Reservation, Exceeded> {
        self.add_reserved(wanted)?;
        Ok(Reservation::new(self.clone(), wanted))
    }

    /// Subtracts from what is used, after something was removed or got smaller.
    pub fn shrink(&self, by: Amount) {
        let mut usage = self.usage.lock();
        usage.used = usage.used.minus(by);
    }

    /// Adds `wanted` to what is reserved, if it fits.
    pub(crate) fn add_reserved(&self, wanted: Amount) -> Result<(), Exceeded> {
        let mut usage = self.usage.lock();
        let available = usage.available();
        let asked = |part: u64, left: u64| if part == 0 { 0 } else { left };
        let room = Amount {
            bytes: asked(wanted.bytes, available.bytes),
            entries: asked(wanted.entries, available.entries),
        };
        if !wanted.fits_in(room) {
            return Err(Exceeded {
                needed: wanted,
                available,
            });
        }
        usage.reserved = usage.reserved.plus(wanted);
        Ok(())
    }

    /// Ends a reservation of `held`: `kept` of it is used from now on, the rest is free.
    pub(crate) fn settle(&self, held: Amount, kept: Amount) {
        let mut usage = self.usage.lock();
        usage.reserved = usage.reserved.minus(held);
        usage.used = usage.used.plus(kept);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(bytes: u64, entries: u64) -> Ledger {
        Ledger::new(Amount::new(bytes, entries), Amount::ZERO)
    }

    #[test]
    fn the_last_byte_fits_and_one_more_does_not() {
        let ledger = ledger(100, 1);
        let held = ledger.reserve(Amount::bytes(100)).unwrap();
        let refused = ledger.reserve(Amount::bytes(1)).unwrap_err();
        assert_eq!(
            refused,
            Exceeded {
                needed: Amount::bytes(1),
                available: Amount::new(0, 1)
            }
        );
        drop(held);
        assert!(ledger.reserve(Amount::bytes(100)).is_ok());
    }

    #[test]
    fn a_limit_below_use_refuses_growth_only() {
        let ledger = Ledger::new(Amount::new(10, 10), Amount::new(50, 2));
        assert!(ledger.reserve(Amount::bytes(1)).is_err());
        assert!(
            ledger.reserve(Amount::new(0, 1)).is_ok(),
            "entries have room of their own"
        );
        ledger.shrink(Amount::bytes(41));
        assert!(ledger.reserve(Amount::bytes(1)).is_ok());
    }

    #[test]
    fn numbers_at_the_edge_do_not_wrap() {
        let ledger = ledger(u64::MAX, u64::MAX);
        let _held = ledger.reserve(Amount::bytes(u64::MAX)).unwrap();
        assert!(ledger.reserve(Amount::bytes(1)).is_err());
        ledger.shrink(Amount::new(u64::MAX, u64::MAX));
        assert_eq!(ledger.usage().used, Amount::ZERO);
    }

    #[test]
    fn a_count_replaces_use_and_leaves_promises() {
        let ledger = ledger(100, 100);
        let _held = ledger.reserve(Amount::bytes(30)).unwrap();
        ledger.set_used(Amount::new(50, 5));
        assert_eq!(ledger.usage().available(), Amount::new(20, 95));
    }
}
