//! The talk with the server: socket, TLS, known certificates, dialogues, the session.
//! What goes into files belongs in `transfer`, what the user types in `commands`.

pub(crate) mod command_error;
pub(crate) mod dialogue;
pub(crate) mod known_hosts;
mod lane;
pub(crate) mod link;
pub(crate) mod listing;
pub(crate) mod login;
pub(crate) mod session;
mod tls;
