//! Talks to the server: socket, TLS, known certificates, dialogues, and the logged-in session. What
//! reads and writes local files belongs in `transfer`, what the user types in `commands`, and who
//! is asked for names and passwords in `cli`.

pub(crate) mod command_error;
pub(crate) mod dialogue;
pub(crate) mod known_hosts;
mod lane;
pub(crate) mod link;
pub(crate) mod listing;
pub(crate) mod login;
pub(crate) mod session;
mod tls;
