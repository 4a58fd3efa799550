//! Prepares the file of an upload for its first byte. That happens when bytes can flow, not when
//! the upload begins: where the data connection fails, nothing must have changed.

use std::fs::File;
use std::ops::Range;
use std::os::fd::{AsFd, OwnedFd};

use rustix::io::{Errno, pread};

use super::Upload;
use crate::syscalls::{copy_file_range, fstat, ftruncate, pwrite};
use crate::{VfsError, Worker, digest, entry};

/// Bytes that are copied between two calls of `on_progress`.
const COPY_STEP: u64 = 16 << 20;
const BUFFER: usize = 256 << 10;

/// What is to be done to the file before the first byte.
#[derive(Debug)]
pub(super) enum Preparation {
    /// The stage is cut to this many bytes.
    Truncate(u64),
    /// The first `bytes` bytes of the published file are copied to the stage.
    CopyPrefix { source: OwnedFd, bytes: u64 },
    /// The digests stored with the published file are removed and its length is recorded, as bytes
    /// are appended to it.
    BeginAppend,
}

impl Upload {
    /// Makes the file ready for the byte at [`Upload::position`]. The caller calls this when bytes
    /// can flow, or else the first write does; an upload that ends earlier has changed nothing. It
    /// may take as long as copying the file; a second call does nothing.
    ///
    /// [`VfsError::BadOffset`] where somebody outside the daemon has changed the file meanwhile.
    pub fn prepare(&mut self, worker: &Worker) -> Result<(), VfsError> {
        let _acting = self.guard.home().act(worker)?;
        match &self.pending {
            None => return Ok(()),
            Some(Preparation::Truncate(at)) => self.truncate(*at)?,
            Some(Preparation::CopyPrefix { source, bytes }) => {
                let bytes = *bytes;
                self.guard.home().check_free_space(&self.file, bytes)?;
                let on_progress = || {
                    self.guard.writer.touch();
                };
                self.len = copy(source, &self.file, bytes, &on_progress)?;
            }
            Some(Preparation::BeginAppend) => {
                self.check_end()?;
                digest::remove(&self.file)?;
                self.record_append()?;
            }
        }
        self.pending = None;
        self.guard.writer.touch();
        Ok(())
    }

    /// [`VfsError::BadOffset`] unless the file ends at the offset that the uploader was told.
    fn check_end(&self) -> Result<(), VfsError> {
        let size = entry::size(&fstat(&self.file)?);
        if size == self.len {
            Ok(())
        } else {
            let offset = self.len;
            Err(VfsError::BadOffset { offset, size })
        }
    }
}

/// Copies the first `bytes` bytes of `source` to the empty file `to`, or leaves it empty. Calls
/// `on_progress` after each step.
fn copy(source: &OwnedFd, to: &File, bytes: u64, on_progress: &impl Fn()) -> Result<u64, VfsError> {
    let copied = match copy_in_kernel(source, to, bytes, on_progress) {
        Ok(size) if size == bytes => return Ok(bytes),
        Ok(size) => Err(VfsError::BadOffset {
            offset: bytes,
            size,
        }),
        Err(e) => Err(e),
    };
    ftruncate(to, 0)?;
    copied
}

/// Copies up to `bytes` bytes with copy_file_range(2), which shares blocks where the file system
/// can, and gives how many there were.
fn copy_in_kernel(
    source: &OwnedFd,
    to: &File,
    bytes: u64,
    on_progress: &impl Fn(),
) -> Result<u64, VfsError> {
    let mut done = 0;
    while done < bytes {
        let (mut from, mut at) = (done, done);
        let step = usize::try_from((bytes - done).min(COPY_STEP)).unwrap_or(BUFFER);
        match copy_file_range(source, Some(&mut from), to, Some(&mut at), step) {
            Ok(0) => break,
            Ok(copied) => done += copied as u64,
            Err(Errno::INTR) => {}
            // Two file systems, a kernel before 5.3, or a file that does not support the call.
            Err(Errno::XDEV | Errno::NOSYS | Errno::INVAL | Errno::OPNOTSUPP) => {
                return copy_through_buffer(source, to, done..bytes, on_progress);
            }
            Err(e) => return Err(e.into()),
        }
        on_progress();
    }
    Ok(done)
}

/// Copies the bytes of `range` that `source` has, through a buffer, and gives the offset after the
/// last one.
fn copy_through_buffer(
    source: impl AsFd,
    to: impl AsFd,
    range: Range<u64>,
    on_progress: &impl Fn(),
) -> Result<u64, VfsError> {
    let mut buffer = vec![0; BUFFER];
    let mut done = range.start;
    while done < range.end {
        let wanted = usize::try_from(range.end - done).map_or(BUFFER, |left| left.min(BUFFER));
        let read = match pread(&source, &mut buffer[..wanted], done) {
            Ok(0) => break,
            Ok(read) => read,
            Err(Errno::INTR) => continue,
            Err(e) => return Err(e.into()),
        };
        // The bytes that a short write leaves are read again.
        match pwrite(&to, &buffer[..read], done) {
            Ok(0) => return Err(VfsError::DiskFull),
            Ok(written) => done += written as u64,
            Err(Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
        on_progress();
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::fs;

    use super::*;

    #[test]
    fn both_ways_of_copying_give_the_same_prefix_and_tell_a_short_source() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let content: Vec<u8> = (0..=250).cycle().take(2 * BUFFER + 77).collect();
        fs::write(at("source"), &content).unwrap();
        let source = OwnedFd::from(File::open(at("source")).unwrap());
        let whole = content.len() as u64;
        for (bytes, expected) in [
            (whole, whole),
            (whole - 9, whole - 9),
            (whole + 1, whole),
            (0, 0),
        ] {
            let signs = Cell::new(0);
            let on_progress = || signs.set(signs.get() + 1);
            let (kernel, hand) = (
                File::create(at("k")).unwrap(),
                File::create(at("h")).unwrap(),
            );
            assert_eq!(
                copy_in_kernel(&source, &kernel, bytes, &on_progress).unwrap(),
                expected
            );
            assert_eq!(
                copy_through_buffer(&source, &hand, 0..bytes, &on_progress).unwrap(),
                expected
            );
            for name in ["k", "h"] {
                assert_eq!(fs::read(at(name)).unwrap(), content[..expected as usize]);
            }
            assert_eq!(signs.get() > 0, bytes > 0);
        }
    }

    #[test]
    fn a_copy_is_whole_or_empty() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("source"), "four").unwrap();
        let source = OwnedFd::from(File::open(at("source")).unwrap());
        let to = File::create(at("to")).unwrap();
        let short = copy(&source, &to, 5, &|| {});
        assert!(matches!(
            short,
            Err(VfsError::BadOffset { offset: 5, size: 4 })
        ));
        assert_eq!(fs::read(at("to")).unwrap(), b"");
        assert_eq!(copy(&source, &to, 3, &|| {}).unwrap(), 3);
        assert_eq!(fs::read(at("to")).unwrap(), b"fou");
    }
}
