//! The only code that touches users' files: jailed homes, staged uploads, streamed listings.
//!
//! [`Homes`] hands out one shared [`Home`] per root. A home is a jail (names are resolved by the
//! kernel beneath the home's directory handle, with no check-then-use window) and an account
//! (every growth is reserved before a byte is written). An [`Upload`] goes to a private staging
//! file and appears under its name whole, synced, or not at all; an interrupted one stays, charged
//! and resumable.
//!
//! What may block demands a [`Worker`]: only a thread made to block has one. The few calls that do
//! without (`..._at_hand`) answer from the kernel's memory or not at all. Names are bytes; paths are
//! relative to the home and distrusted.

mod changing;
mod digest;
mod dir_reader;
mod entry;
mod error;
mod home;
mod jail;
mod policy;
mod reading;
mod staging;
mod upload;
mod worker;

pub use digest::{Digest, Digests};
pub use entry::{Entry, Kind, Modified};
pub use error::VfsError;
pub use home::Home;
pub use home::homes::Homes;
pub use home::stages::StageInfo;
pub use policy::{Durability, Policy};
pub use reading::download::Download;
pub use reading::listing::Listing;
pub use reading::lookup::SizeOf;
pub use skiff_quota::{Amount, Usage};
pub use upload::{Published, Replace, Start, Upload, UploadRequest, UploadStart};
pub use worker::Worker;

/// What a home may hold.
pub type Limit = Amount;
