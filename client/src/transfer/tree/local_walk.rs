//! Reads the folders of a tree that is uploaded, and sums it up before the upload or beside it.

use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::bounds::DEPTH_MAX;
use super::rule::{Links, TreeRule};
use crate::terminal::tree_progress::FoundFiles;
use crate::transfer::part::PART_SUFFIX;

/// What a local path is to the walk.
pub(super) enum LocalKind {
    Directory,
    File(Metadata),
    /// A link that is made anew, and what it leads to.
    Link(PathBuf),
    /// A link that is not followed, and why.
    Skipped(&'static str),
    /// What cannot be sent, and why.
    Failed(io::Error),
}

/// Looks at a path as the rule says.
pub(super) fn local_kind(path: &Path, links: Links) -> LocalKind {
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) => return LocalKind::Failed(error),
    };
    if !found.is_symlink() {
        return kind_of(found);
    }
    match links {
        Links::Skipped => return LocalKind::Skipped("a link, left out"),
        Links::Remade => {
            return fs::read_link(path).map_or_else(LocalKind::Failed, LocalKind::Link);
        }
        Links::ToFiles | Links::Followed => {}
    }
    match fs::metadata(path) {
        Ok(behind) if behind.is_dir() && links == Links::ToFiles => {
            LocalKind::Skipped("a link to a directory, not followed")
        }
        Ok(behind) => kind_of(behind),
        Err(error) => LocalKind::Failed(error),
    }
}

fn kind_of(found: Metadata) -> LocalKind {
    if found.is_dir() {
        LocalKind::Directory
    } else if found.is_file() {
        LocalKind::File(found)
    } else {
        LocalKind::Failed(io::Error::other("not a regular file"))
    }
}

/// Returns the names in a local folder, sorted, without the parts of downloads.
pub(super) fn local_names(folder: &Path) -> io::Result<Vec<OsString>> {
    let entries = fs::read_dir(folder)?;
    let mut names = entries
        .map(|entry| entry.map(|entry| entry.file_name()))
        .collect::<Result<Vec<_>, _>>()?;
    names.retain(|name| !name.as_bytes().ends_with(PART_SUFFIX.as_bytes()));
    names.sort_unstable();
    Ok(names)
}

/// Files and bytes of a tree.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Sum {
    pub(super) files: u64,
    pub(super) bytes: u64,
}

/// A local tree whose sum is wanted.
#[derive(Clone)]
pub(super) struct LocalTree {
    pub(super) root: PathBuf,
    pub(super) rule: Arc<TreeRule>,
    pub(super) found: FoundFiles,
}

impl LocalTree {
    /// Tells all files of the tree to `found`, and returns their sum; `None` where it was stopped.
    pub(super) fn sum(&self, is_stopped: impl Fn() -> bool) -> Option<Sum> {
        let mut sum = Sum::default();
        let mut pending = vec![(self.root.clone(), 0)];
        while let Some((folder, depth)) = pending.pop() {
            // The upload says what cannot be read.
            for name in local_names(&folder).unwrap_or_default() {
                if is_stopped() {
                    return None;
                }
                let path = folder.join(name);
                let below = path.strip_prefix(&self.root).unwrap_or(&path);
                if self.rule.excludes(below) {
                    continue;
                }
                match local_kind(&path, self.rule.links) {
                    LocalKind::Directory if depth < DEPTH_MAX => pending.push((path, depth + 1)),
                    LocalKind::Directory | LocalKind::Link(_) => {}
                    LocalKind::Skipped(_) | LocalKind::Failed(_) => {}
                    LocalKind::File(found) => {
                        sum.files += 1;
                        sum.bytes = sum.bytes.saturating_add(found.len());
                        self.found.add(found.len());
                    }
                }
            }
        }
        self.found.end();
        Some(sum)
    }
}

/// A walk that adds a tree up on a thread of its own; it ends when this is dropped.
pub(super) struct SumBeside {
    is_dropped: Arc<AtomicBool>,
}

impl SumBeside {
    pub(super) fn begin(tree: LocalTree) -> Self {
        let is_dropped = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&is_dropped);
        // Where the system has no thread left the sum is not told.
        let _ = thread::Builder::new().spawn(move || tree.sum(|| stop.load(Ordering::Relaxed)));
        Self { is_dropped }
    }
}

impl Drop for SumBeside {
    fn drop(&mut self) {
        self.is_dropped.store(true, Ordering::Relaxed);
    }
}
