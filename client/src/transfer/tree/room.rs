//! Compares the sum of a tree with the room at its target before the first byte goes.

use std::path::Path;

use rustix::fs::statvfs;
use skiff_sessions::wire::command::Command;

use super::local_walk::Sum;
use crate::net::command_error::{CommandError, CommandResult};
use crate::net::session::Session;
use crate::terminal::format::{count, format_size};

/// Refuses a tree that has no room at the server. What is free there is unknown while the server
/// counts: then the tree begins.
pub(super) fn check_there(session: &mut Session, name: &str, sum: Sum) -> CommandResult {
    let usage = session.request(Command::Usage)?.usage;
    let free = usage.and_then(|usage| usage.held).map(|held| held.free);
    refuse_without_room(name, sum, free, "sent")
}

/// Refuses a tree that has no room on the disk below `folder`.
pub(super) fn check_here(folder: &Path, name: &str, sum: Sum) -> CommandResult {
    let disk = statvfs(folder).ok();
    let free = disk.map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize));
    refuse_without_room(name, sum, free, "fetched")
}

fn refuse_without_room(name: &str, sum: Sum, free: Option<u64>, done: &str) -> CommandResult {
    match free {
        Some(free) if free < sum.bytes => Err(CommandError::NoRoom(format!(
            "{name}: {} of {} in all, and {} free there; nothing was {done}",
            count(sum.files, "file", "files"),
            format_size(sum.bytes),
            format_size(free),
        ))),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_without_room_is_refused_whole() {
        let sum = Sum {
            files: 2,
            bytes: 3_000_000,
        };
        let refused = |free| match refuse_without_room("docs", sum, free, "sent") {
            Err(CommandError::NoRoom(why)) => Some(why),
            _ => None,
        };
        assert_eq!(refused(None), None);
        assert_eq!(refused(Some(3_000_000)), None);
        assert_eq!(
            refused(Some(1_000)).as_deref(),
            Some("docs: 2 files of 3.0 MB in all, and 1.0 kB free there; nothing was sent")
        );
    }
}
