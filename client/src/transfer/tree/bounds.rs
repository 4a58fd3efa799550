//! Holds what `get -r` and `put -r` share: limits, and the directories that are still to be walked.

use std::path::PathBuf;

use skiff_sessions::path::PathArg;

use crate::net::command_error::CommandError;
use crate::terminal::format::escape_name;

/// Up to this size a file is transferred without negotiation where nothing is at the other end; in
/// bytes.
pub(crate) const SMALL_FILE_MAX: u64 = 1024 * 1024;

/// How deep a tree at the server is walked: a link that leads up would never end.
pub(crate) const DEPTH_MAX: usize = 64;

/// A directory to walk, its counterpart at the other end, and its depth below the root.
pub(crate) struct Level<From, To> {
    pub(crate) from: From,
    pub(crate) to: To,
    pub(crate) depth: usize,
}

/// The most entries of a tree at the server: a server whose directories hold ever more directories
/// has no end.
const TREE_ENTRIES_MAX: u64 = 10_000_000;

/// The most bytes of paths that wait to be walked.
const PENDING_BYTES_MAX: usize = 8 << 20;

/// Counts what a walk has met and what it has still to do, so that both have a limit.
#[derive(Default)]
pub(crate) struct WalkBounds {
    entries: u64,
    pending_bytes: usize,
}

impl WalkBounds {
    /// Counts an entry; `Err` says that there are too many.
    pub(crate) fn meet(&mut self) -> Result<(), String> {
        self.entries += 1;
        match self.entries <= TREE_ENTRIES_MAX {
            true => Ok(()),
            false => Err(format!(
                "more than {TREE_ENTRIES_MAX} entries, it seems to have no end; the rest is not fetched"
            )),
        }
    }

    /// Counts a directory that is to be walked later; `Err` says that too many are.
    pub(crate) fn enter(&mut self, level: &Level<PathArg, PathBuf>) -> Result<(), String> {
        self.pending_bytes += bytes(level);
        match self.pending_bytes <= PENDING_BYTES_MAX {
            true => Ok(()),
            false => Err(format!(
                "{}: more directories than are kept in mind here; the rest is not fetched, get its parts",
                escape_name(level.from.as_bytes())
            )),
        }
    }

    /// Counts a directory that is being walked.
    pub(crate) fn leave(&mut self, level: &Level<PathArg, PathBuf>) {
        self.pending_bytes = self.pending_bytes.saturating_sub(bytes(level));
    }
}

/// What a directory that waits takes in memory, about.
fn bytes(level: &Level<PathArg, PathBuf>) -> usize {
    size_of_val(level) + level.from.as_bytes().len() + level.to.as_os_str().len()
}

/// Joins a directory at the server and a name.
///
/// # Errors
///
/// `Refused` where the name cannot be sent.
pub(crate) fn join_remote(folder: Option<&PathArg>, name: &[u8]) -> Result<PathArg, CommandError> {
    let path = match folder.map(PathArg::as_bytes) {
        None | Some(b".") => name.to_vec(),
        Some(folder) if folder.ends_with(b"/") => [folder, name].concat(),
        Some(folder) => [folder, b"/", name].concat(),
    };
    PathArg::to_send(path)
        .ok_or_else(|| CommandError::refused(escape_name(name), "no name for the server"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_without_an_end_has_one() {
        let level = |name: usize| Level {
            from: PathArg::new(format!("{name:0255}")).unwrap(),
            to: PathBuf::from(format!("{name:0255}")),
            depth: 1,
        };
        let mut bounds = WalkBounds::default();
        let entered = (0..100_000)
            .take_while(|&name| bounds.enter(&level(name)).is_ok())
            .count();
        assert!((10_000..20_000).contains(&entered), "{entered}");
        let mut deep = WalkBounds::default();
        for name in 0..100_000 {
            deep.enter(&level(name)).unwrap();
            deep.leave(&level(name));
        }
        let mut broad = WalkBounds {
            entries: TREE_ENTRIES_MAX - 1,
            ..WalkBounds::default()
        };
        assert!(broad.meet().is_ok() && broad.meet().is_err());
    }

    #[test]
    fn children() {
        let folder = |text: &str| PathArg::new(text).unwrap();
        let join_remote = |text: &str| {
            join_remote(Some(&folder(text)), b"x")
                .unwrap()
                .as_bytes()
                .to_vec()
        };
        assert_eq!(join_remote("."), b"x");
        assert_eq!(join_remote("/"), b"/x");
        assert_eq!(join_remote("a b"), b"a b/x");
    }
}
