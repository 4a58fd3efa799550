//! The control socket: what the operator of the machine tells the running daemon.
//!
//! It is a Unix socket in the state folder, whose mode is 0600. A client sends one line, a command
//! with its arguments, and reads lines:
//!
//! | line | means |
//! |---|---|
//! | `say TEXT` | a line of the result |
//! | `fail TEXT` | something went wrong; the command goes on with the rest |
//! | `done` | the command is over; a connection that ends without it was cut |
//!
//! The reactor accepts connections, and a short-lived thread for each reads the line and writes the
//! answer. Commands reach the reactor as values ([`command::Request`]), which answers them or
//! passes them to a worker; nothing here knows what they do.

pub(crate) mod client;
pub(crate) mod command;
pub(crate) mod server;

use std::path::{Path, PathBuf};

/// The path of the socket of the daemon whose state folder is `state`.
fn socket_path(state: &Path) -> PathBuf {
    state.join("control")
}
