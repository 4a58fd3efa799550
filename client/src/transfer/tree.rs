//! Holds what `get -r` and `put -r` share: limits, and the directories that are still to be walked.

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
