//! Opens local files for transfers, reads their times, and has the kernel write them out early.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read, Seek};
use std::num::NonZeroU64;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, SystemTime};

use rustix::fs::{Advice, OFlags, fadvise};
use skiff_sessions::digest::{Algorithm, Running, Sum};
use skiff_sessions::wire::stamp::Stamp;

use crate::terminal::interrupt::Interrupt;

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

/// How much of a file is read at once for its digest, in bytes.
const DIGEST_CHUNK: usize = 256 << 10;

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

/// Opens a regular file for reading, and returns its metadata too; does not block on a FIFO.
///
/// # Errors
///
/// Any other kind of file is refused.
pub(crate) fn open_regular(path: &Path) -> io::Result<(File, Metadata)> {
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
        true => Ok((file, found)),
        false => Err(io::Error::other("not a regular file")),
    }
}

/// Returns the modification time, in whole seconds.
pub(crate) fn modified_at(found: &Metadata) -> Stamp {
    Stamp(found.mtime())
}

/// Returns the time, also one before 1970; `None` beyond what the system can say.
pub(crate) fn to_system_time(Stamp(seconds): Stamp) -> Option<SystemTime> {
    let distance = Duration::from_secs(seconds.unsigned_abs());
    match seconds {
        0.. => SystemTime::UNIX_EPOCH.checked_add(distance),
        _ => SystemTime::UNIX_EPOCH.checked_sub(distance),
    }
}

/// Returns the digest of a regular file.
///
/// # Errors
///
/// `Interrupted` after Ctrl-C.
pub(crate) fn digest(path: &Path, algorithm: Algorithm, interrupt: &Interrupt) -> io::Result<Sum> {
    let (mut file, _) = open_regular(path)?;
    let mut running = Running::new(algorithm);
    let mut chunk = vec![0; DIGEST_CHUNK];
    loop {
        let count = file.read(&mut chunk)?;
        if count == 0 {
            return Ok(running.sum());
        }
        if interrupt.is_stopped() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        running.update(&chunk[..count]);
    }
}

/// Returns the folder of `path`; `.` for a bare name.
pub(crate) fn parent_folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}
