//! Both ends of the FTP and the native dialect, as state machines without sockets, files and clock.
//!
//! ```text
//!          bytes                 Command             Effect::Work(Job)
//!  peer ----------> Conversation --------> Session ------------------> a worker
//!  peer <---------- (codec)      <-------- (states) <----------------- its answer
//!          bytes                 Reply               Event::Completed
//! ```
//!
//! A [`Command`](wire::command::Command) is what a peer asks for, a [`Reply`](wire::reply::Reply)
//! what it is told: both are meanings, which the tables of [`wire::native`] and [`wire::ftp`]
//! translate from and to lines. An [`Event`](server::Event) is what happened to a session, an
//! [`Effect`](server::Effect) what the session wants done. [`Session`](server::Session) turns
//! events into effects and takes the time as an argument;
//! [`Conversation`](conversation::Conversation) puts bytes around it.
//!
//! The dialects differ in data only: a [`Codec`](wire::codec::Codec) and
//! [`DialectRules`](server::DialectRules). No state asks which dialect it serves.
//!
//! Bulk data never passes through the session: the session names a [`Task`](transfer::Task), and a
//! [`Transfer`](transfer::Transfer) moves the bytes between a [`Lane`](lane::Lane) and a file in
//! bursts of bounded length, on whatever thread the caller runs it. [`client`] is the other end of
//! the native dialect, as dialogues made of the same commands and tasks.
//!
//! ```text
//!  conversation --> server --> transfer --> lane, digest
//!        client --> transfer      wire: commands, replies, both grammars (below all of them)
//! ```

pub mod certificate;
pub mod cipher_suites;
pub mod client;
pub mod conversation;
mod cpu_features;
pub mod digest;
pub mod host;
pub mod lane;
mod log_line;
pub mod parallel_hash;
pub mod path;
pub mod rights;
pub mod scram;
pub mod server;
pub mod transfer;
pub mod wire;
