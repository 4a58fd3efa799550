//! Local files as transfers need them.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;
use skiff_sessions::wire::stamp::Stamp;

/// When what was received is brought to the disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Settling {
    /// Before each file gets its name.
    Each,
    /// By whoever fetches many, all at once.
    Later,
}

/// Opens a regular file for reading; a FIFO in its place does not block.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::NONBLOCK.bits() as i32;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(path)?;
    let found = file.metadata()?;
    if found.is_dir() {
        return Err(io::Error::other(
            "it is a directory (-r is for directories)",
        ));
    }
    match found.is_file() {
        true => Ok(file),
        false => Err(io::Error::other("not a regular file")),
    }
}

/// When it was changed, in whole seconds.
pub(crate) fn stamp(found: &Metadata) -> Stamp {
    Stamp(found.mtime())
}

pub(crate) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}
