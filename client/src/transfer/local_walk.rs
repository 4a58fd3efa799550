//! Reads the folders of a tree that is uploaded, and sums it up beside the upload.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::part::PART_SUFFIX;
use crate::terminal::tree_progress::FoundFiles;

/// What a local path is to the walk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum LocalKind {
    Directory,
    LinkToDirectory,
    /// A file, or something whose opening says what is wrong with it.
    File,
}

pub(crate) fn local_kind(path: &Path) -> LocalKind {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => LocalKind::Directory,
        Ok(found) if found.is_symlink() && path.is_dir() => LocalKind::LinkToDirectory,
        _ => LocalKind::File,
    }
}

/// Returns the names in a local folder, sorted, without the parts of downloads.
pub(crate) fn local_names(folder: &Path) -> io::Result<Vec<OsString>> {
    let entries = fs::read_dir(folder)?;
    let mut names = entries
        .map(|entry| entry.map(|entry| entry.file_name()))
        .collect::<Result<Vec<_>, _>>()?;
    names.retain(|name| !name.as_bytes().ends_with(PART_SUFFIX.as_bytes()));
    names.sort_unstable();
    Ok(names)
}

/// A walk that adds a tree up on a thread of its own; it ends when this is dropped.
pub(crate) struct LocalSum {
    is_dropped: Arc<AtomicBool>,
}

impl LocalSum {
    /// Begins to tell the files below `folder` to `found`.
    pub(crate) fn begin(folder: &Path, found: FoundFiles) -> Self {
        let is_dropped = Arc::new(AtomicBool::new(false));
        let (folder, stop) = (folder.to_owned(), Arc::clone(&is_dropped));
        // Where the system has no thread left the sum is not told.
        let _ = thread::Builder::new().spawn(move || sum(&folder, &stop, &found));
        Self { is_dropped }
    }
}

impl Drop for LocalSum {
    fn drop(&mut self) {
        self.is_dropped.store(true, Ordering::Relaxed);
    }
}

fn sum(folder: &Path, stop: &AtomicBool, found: &FoundFiles) {
    let mut pending = vec![folder.to_owned()];
    while let Some(folder) = pending.pop() {
        // The upload says what cannot be read.
        for name in local_names(&folder).unwrap_or_default() {
            if stop.load(Ordering::Relaxed) {
                return;
            }
            let path = folder.join(name);
            match local_kind(&path) {
                LocalKind::Directory => pending.push(path),
                LocalKind::LinkToDirectory => {}
                LocalKind::File => found.add(fs::metadata(&path).map_or(0, |file| file.len())),
            }
        }
    }
    found.end();
}
