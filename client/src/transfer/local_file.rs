//! Opens local files for transfers, reads their times, and has the kernel write them out early.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Seek};
use std::num::NonZeroU64;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{Advice, OFlags, fadvise};
use skiff_sessions::wire::stamp::Stamp;

/// When a download is synced to the disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum SyncPolicy {
    /// Each file before it gets its name.
    EachFile,
    /// All files at once by the caller, after the last one.
    AtEnd,
}

/// Bytes after which the kernel is asked to start writing, so that the final sync is short.
const WRITEBACK_BYTES: u64 = 8 << 20;

/// Counts the bytes written to a file and makes the kernel write them out early.
#[derive(Default)]
pub(crate) struct Writeback {
    dirty: u64,
}

impl Writeback {
    /// Records that `count` bytes were written up to the current position. After
    /// [`WRITEBACK_BYTES`] it gives the range away with `POSIX_FADV_DONTNEED`, on which Linux
    /// starts to write it.
    pub(crate) fn record_write(&mut self, file: &mut File, count: usize) {
        self.dirty += count as u64;
        let Some(dirty) =
            NonZeroU64::new(self.dirty).filter(|dirty| dirty.get() >= WRITEBACK_BYTES)
        else {
            return;
        };
        self.dirty = 0;
        // Advice may fail: then only the final sync takes longer.
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

/// Opens a regular file for reading; does not block on a FIFO.
///
/// # Errors
///
/// Any other kind of file is refused.
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

/// Returns the modification time, in whole seconds.
pub(crate) fn modified_at(found: &Metadata) -> Stamp {
    Stamp(found.mtime())
}

/// Returns the folder of `path`; `.` for a bare name.
pub(crate) fn parent_folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}
