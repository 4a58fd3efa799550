//! A file so small that it is read whole when it is opened, and sent from memory.

use skiff_sessions::transfer::{Sink, Source};
use skiff_sessions::wire::reply::Refusal;
use skiff_vfs::{Download, VfsError, Worker};

/// Largest small file, in bytes.
pub(crate) const SMALL_FILE_MAX: usize = 16 * 1024;

/// The content of a small file.
pub(crate) struct SmallFile(pub(crate) Vec<u8>);

impl SmallFile {
    /// Reads a small file whole; `None` if it is larger than [`SMALL_FILE_MAX`], or became shorter.
    pub(crate) fn read(worker: &Worker, file: &Download) -> Result<Option<Self>, VfsError> {
        let Some(size) = usize::try_from(file.size())
            .ok()
            .filter(|size| *size <= SMALL_FILE_MAX)
        else {
            return Ok(None);
        };
        let (mut bytes, mut have) = (vec![0; size], 0);
        while have < size {
            match file.read_at(worker, have as u64, &mut bytes[have..])? {
                0 => return Ok(None),
                count => have += count,
            }
        }
        Ok(Some(Self(bytes)))
    }
}

impl Source for SmallFile {
    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<usize, Refusal> {
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        let rest = self.0.get(from..).unwrap_or_default();
        let count = rest.len().min(buf.len());
        buf[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }
}

/// Downloads only: nothing is received into a small file.
impl Sink for SmallFile {
    fn write(&mut self, _: &[u8]) -> Result<(), Refusal> {
        Err(Refusal::Fault)
    }
}
