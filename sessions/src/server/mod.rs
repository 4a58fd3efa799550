//! The server's end of a session as a state machine: events in, effects out. No socket, file or
//! clock.
//!
//! Each state has a file; `session.rs` sends each event to its state, and `continuations.rs` each
//! worker's answer and digest. `job`, `terms`, `dialect_rules`, `parameters` and `late_digest` are
//! plain data and know no state.

mod context;
mod continuations;
mod data_ports;
mod dialect_rules;
mod download;
mod external_events;
mod files;
mod hashing;
mod immediate;
pub mod job;
mod late_digest;
mod listing;
mod login;
mod parameters;
mod password_login;
mod penalty;
mod range;
mod ready;
mod rename;
mod security;
pub mod session;
mod stream;
pub mod terms;
mod upload;

pub use context::{Account, Limits, Setup};
pub use dialect_rules::{
    ClientCertificate, DialectRules, FirstSpeaker, LongWork, Privacy, TlsPolicy,
};
pub use job::{Completion, DownloadFacts, Job, JobId, Reading, Standing, StreamStart};
pub use session::{Accepts, Effect, Event, NoPort, Session, Unread};
pub use stream::{DataEvent, DataMode, Direction, HandshakeTiming};
pub use terms::{StreamRules, Terms};
