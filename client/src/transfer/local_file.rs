//! Local files as transfers need them.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Seek};
use std::num::NonZeroU64;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{Advice, OFlags, fadvise};
use skiff_sessions::wire::stamp::Stamp;

/// When what was received is brought to the disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum SyncPolicy {
    /// Before each file gets its name.
    EachFile,
    /// By whoever fetches many, all at once.
    AtEnd,
}

/// Bytes after which the kernel is asked to write, so that the final sync is short.
const WRITEBACK_BYTES: u64 = 8 << 20;

/// Counts what was written to a file, and has the kernel write it out early.
#[derive(Default)]
pub(crate) struct Writeback {
    dirty: u64,
}

impl Writeback {
    /// `count` bytes were written, and the file stands behind them. Linux starts
    /// to write a dirty range that is said to be of no more use.
    pub(crate) fn record_write(&mut self, file: &mut File, count: usize) {
        self.dirty += count as u64;
        let Some(dirty) =
            NonZeroU64::new(self.dirty).filter(|dirty| dirty.get() >= WRITEBACK_BYTES)
        else {
            return;
        };
        self.dirty = 0;
        // Only advice: where it cannot be given the final sync takes longer.
        if let Ok(end) = file.stream_position() {
            let _ = fadvise(
                file,
                end.saturating_sub(dirty.get()),
                Some(dirty),
                Advice::DontNeed,
            );
        }
    }
}

/// Opens a regular file for reading; a FIFO in its place does not block.
pub(crate) fn open_regular(path: &Path) -> io::Result<File> {
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
pub(crate) fn modified_at(found: &Metadata) -> Stamp {
    Stamp(found.mtime())
}

pub(crate) fn parent_folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}
