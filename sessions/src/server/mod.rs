//! The server's end: pure decisions. Events in, effects out.

mod context;
mod download;
mod external_events;
mod files;
mod hashing;
pub mod job;
mod listing;
mod login;
mod manners;
mod parameters;
mod ready;
mod rename;
mod security;
pub mod session;
mod stream;
mod upload;

pub use context::{Account, Limits, Setup, Standing};
pub use job::{
    Access, Completion, DownloadFacts, Job, JobId, Reading, Rights, StreamEnd, StreamStart,
};
pub use manners::{Channel, FirstSpeaker, LongWork, Manners, TlsPolicy};
pub use session::{Accepts, Effect, Event, Session};
pub use stream::{DataEvent, Direction, Handshake, Making};
