//! Quotas: how many bytes and entries each home uses and has reserved, and where that is stored
//! while the daemon is stopped.
//!
//! A [`Ledger`] belongs to one home. Growth happens in two steps: [`Ledger::reserve`] reserves
//! room before anything is written, and [`Reservation::commit`] adds what was written to what is
//! used; dropping a reservation releases it. So however many uploads run at once, `used +
//! reserved` never exceeds the limit. Shrinking needs no reservation: [`Ledger::shrink`].
//!
//! [`Snapshots`] stores what a ledger says at a clean stop. The next start takes the snapshot and
//! removes it at once, so after a crash there is none and the home is counted again. This crate
//! knows no directories and no users, only numbers under a name.

mod ledger;
mod reservation;
mod snapshot;

pub use ledger::{Amount, Exceeded, Ledger, Usage};
pub use reservation::Reservation;
pub use snapshot::{Folder, Snapshot, Snapshots, Storage};
