//! `skiffd reload`: has the running daemon read its settings again, and waits for what comes of it.

use std::io;
use std::path::Path;

use skiff_conf::Server;

use super::failure::{Failure, tell};
use crate::control::answer::Line;
use crate::control::client::{self, ControlError};
use crate::control::command::Command;

/// Prints what the daemon says; fails where it stays as it was, with its complaint.
pub(super) fn run(file: &Path) -> Result<(), Failure> {
    // What the daemon would refuse is said here: these settings do not tell where it is.
    let config = Server::load(file)
        .map_err(|complaint| Failure::Failed(format!("not reloaded: {complaint}")))?;
    let mut complaint = None;
    let asked = client::ask(&config.state, &Command::Reload {}, |line| {
        match line {
            Line::Said { text } => tell(text).map_err(io::Error::other)?,
            Line::Failed { why } => complaint = Some(why),
            _ => {}
        }
        Ok(())
    });
    match (asked, complaint) {
        (Ok(_), None) => Ok(()),
        (Ok(_), Some(complaint)) => Err(Failure::Failed(complaint)),
        (Err(error @ ControlError::NotRunning), _) => Err(Failure::Failed(format!(
            "{error}, as far as its state folder tells ({})",
            config.state.display()
        ))),
        (Err(error), _) => Err(Failure::Failed(error.to_string())),
    }
}
