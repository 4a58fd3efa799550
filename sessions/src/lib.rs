//! Both ends of the talk: no sockets, no files, no clock.

pub mod client;
pub mod conversation;
pub mod digest;
pub mod lane;
pub mod path;
pub mod scram;
pub mod server;
pub mod transfer;
pub mod wire;
