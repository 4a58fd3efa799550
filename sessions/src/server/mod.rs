//! The server's end: pure decisions. Events in, effects out.

mod context;
mod download;
mod files;
mod hashing;
pub mod job;
mod listing;
mod login;
mod rename;
pub mod session;
mod upload;

pub use context::{Account, Limits, Setup, Standing};
pub use job::{Access, Completion, DownloadFacts, Job, JobId};
pub use session::{Effect, Event, Listens, Session};
