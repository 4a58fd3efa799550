//! The server `skiffd`: sockets, threads and time around the sessions of `skiff_sessions`.
//!
//! One reactor thread waits for readiness and runs the session state machines; a pool of workers
//! does everything that may block. Imports run downwards, and `tests/tidy` holds them to it:
//!
//! ```text
//! cli > daemon > reactor > connection, metrics > event_loop > workers > endpoints, transport
//!     > tls, hooks, accounts, accesslog, control, walls > programs, system_users
//! ```
//!
//! `simulation`, above all of them, exists under the feature of its name only.

mod accesslog;
mod accounts;
pub mod cli;
mod connection;
mod control;
mod daemon;
mod endpoints;
mod event_loop;
mod hooks;
mod metrics;
mod programs;
mod reactor;
#[cfg(feature = "simulation")]
pub mod simulation;
mod system_users;
mod tls;
mod transport;
mod walls;
mod workers;
