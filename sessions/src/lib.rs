//! Both ends of the talk: no sockets, no files, no clock.
//!
//! ```text
//!          bytes                 Command             Effect::Work(Job)
//!  peer ----------> Conversation --------> Session ------------------> a worker
//!  peer <---------- (codec)      <-------- (states) <----------------- its answer
//!          bytes                 Reply               Event::Completed
//! ```
//!
//! Four words. A [`Command`](wire::command::Command) is what a peer asks, a
//! [`Reply`](wire::reply::Reply) what it is told: meanings both, which the
//! tables of [`wire::native`] and [`wire::ftp`] turn into lines. An [`Event`](server::Event) is
//! what happened to a session, an [`Effect`](server::Effect) what it wants
//! done. [`Session`](server::Session) goes from the one to the other, with the
//! time as an argument; [`Conversation`](conversation::Conversation) puts the
//! bytes around it.
//!
//! What differs between the dialects is data: a [`Codec`](wire::codec::Codec)
//! and [`Manners`](server::Manners). No state asks which one it serves.
//!
//! Bulk data never passes through the session: it names a
//! [`Task`](transfer::Task), and a [`Transfer`](transfer::Transfer) moves the
//! bytes between a [`Lane`](lane::Lane) and a file in bounded bursts, wherever
//! the shell runs it. [`client`] is the other end, of the same words.

pub mod aside;
pub mod certificate;
pub mod client;
pub mod conduit;
pub mod conversation;
mod cpu_features;
pub mod digest;
pub mod lane;
mod log_line;
pub mod path;
pub mod scram;
pub mod server;
pub mod suites;
pub mod transfer;
pub mod wire;
