//! The only code that touches users' files: jailed homes, staged uploads, streamed listings.
//!
//! [`Homes`] hands out one shared [`Home`] per root directory. A home is a jail (the kernel
//! resolves every name beneath the home's directory handle, so no name is checked first and used
//! later) and a quota ledger (room for every growth is reserved before a byte is written). An
//! [`Upload`] is written to a private staging file, the stage, and then gets its name whole and
//! synced, or not at all; the stage of an interrupted upload stays, charged and resumable.
//!
//! Calls that may block take a [`Worker`], which only threads that may block have. The few calls
//! without one (`..._cached`) answer from the kernel's caches or give `None`. Names are bytes;
//! paths are relative to the home and untrusted.
//!
//! Imports run one way, from the lower rows of this table to the upper ones:
//!
//! | folder | holds |
//! |---|---|
//! | files beside this one | entries, digests, errors, [`Policy`], [`Owner`] |
//! | `syscalls.rs` | the calls on a disk, the kernel's or those of `simulated/`, a disk for tests |
//! | `staging/` | one staging directory: stages, their labels, what an unclean end has left |
//! | `jail/` | handles of directories, names and mounts beneath a home |
//! | `home/` | [`Home`]: its paths, lock, running uploads, charges and stages |
//! | `reading/` | stat, listings, downloads |
//! | `upload/` | uploads, from the first look at the name to the publication |
//! | `changing/` | mkdir, symlink, remove, rename, times and modes |

mod changing;
mod digest;
mod dir_reader;
mod entry;
mod error;
mod home;
mod jail;
mod owner;
mod permissions;
mod policy;
mod reading;
#[cfg(feature = "simulation")]
pub mod simulated;
mod staging;
mod syscalls;
mod upload;
mod worker;

pub use digest::{Digest, Digests};
pub use entry::{Entry, Kind, Modified};
pub use error::VfsError;
pub use home::Home;
pub use home::homes::Homes;
pub use home::retention::{HomeRules, Retention, WhenFull};
pub use home::scan::Counted;
pub use home::space::Holdings;
pub use home::stages::StageInfo;
pub use owner::{Acting, Owner};
pub use permissions::{Permission, Permissions};
pub use policy::{Durability, Policy};
pub use reading::download::Download;
pub use reading::listing::{LineBreaks, Listing};
pub use reading::lookup::NameSize;
pub use reading::names_ahead::{Direction, SortKey};
pub use reading::plain::LastName;
pub use reading::survey::Survey;
pub use skiff_quota::{Amount, Usage};
pub use staging::Kept;
pub use upload::{Append, Published, Replace, Start, Upload, UploadRequest, UploadStart};
pub use worker::Worker;

/// The most that a home may hold: bytes of content, and entries (files, directories, links).
pub type Limit = Amount;
