//! The control socket: what the operator of the machine tells the running daemon.
//!
//! It is a Unix socket in the state folder, whose mode is 0600, and serves root and the daemon's own
//! user. It is spoken in lines of JSON: an object with a command, and the objects that answer it.
//! `reactor/CONTROL.md` shows each.
//!
//! The reactor accepts connections, and a thread for each reads the lines and writes the answers.
//! Commands reach the reactor as values ([`command::Request`]), which answers them in bounded pieces
//! or passes them to a worker; nothing here knows what they do. How fast a client reads concerns its
//! thread alone.

pub(crate) mod amounts;
pub(crate) mod answer;
pub(crate) mod client;
pub(crate) mod command;
mod descriptors;
pub(crate) mod predecessor;
pub(crate) mod server;

use std::path::{Path, PathBuf};

/// The path of the socket of the daemon whose state folder is `state`.
fn socket_path(state: &Path) -> PathBuf {
    state.join("control")
}
