//! Talks to the server: socket, TLS, known certificates, dialogues, and the logged-in session. What
//! reads and writes local files belongs in `transfer`, what the user types in `commands`, and who
//! is asked for names and passwords in `cli`.

pub(crate) mod account;
pub(crate) mod changes;
pub(crate) mod command_error;
pub(crate) mod connect;
pub(crate) mod connection;
mod deadlines;
pub(crate) mod dialogue;
pub(crate) mod fates;
pub(crate) mod further;
pub(crate) mod jobs;
pub(crate) mod known_hosts;
mod lane;
pub(crate) mod link;
mod link_error;
pub(crate) mod listing;
pub(crate) mod local_end;
pub(crate) mod login;
pub(crate) mod names;
pub(crate) mod rate_limit;
pub(crate) mod restore;
pub(crate) mod service;
pub(crate) mod session;
#[cfg(test)]
mod tests;
mod tls;
pub(crate) mod trace;
