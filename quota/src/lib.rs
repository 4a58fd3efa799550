//! Bytes and entries owed by each user: what is used, what is promised, and where that is kept.
//!
//! A [`Ledger`] belongs to one home. Growth happens in two steps: [`Ledger::reserve`] promises
//! room before anything is written, and [`Reservation::commit`] turns what was written into use;
//! dropping a reservation gives the rest back. So however many uploads run at once, `used +
//! reserved` never passes the limit by a byte. Shrinking needs no promise: [`Ledger::shrink`].
//!
//! [`Snapshots`] keeps what a ledger said at a clean stop. It is taken back at the next start and
//! removed at once, so a crash leaves nothing to believe and the home is counted anew. This crate
//! knows no directories and no users, only numbers under a name.

mod ledger;
mod reservation;
mod snapshot;

pub use ledger::{Amount, Exceeded, Ledger, Usage};
pub use reservation::Reservation;
pub use snapshot::{Folder, Snapshot, Snapshots, Storage};
