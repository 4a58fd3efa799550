//! A file so small that it is read whole and held in memory until it is sent.

use skiff_sessions::transfer::{Sink, Source};
use skiff_sessions::wire::reply::Refusal;

/// More than this is left to the workers.
pub(crate) const SMALL_FILE_MAX: usize = 16 * 1024;

/// A small file, whole.
pub(crate) struct SmallFile(pub(crate) Vec<u8>);

impl Source for SmallFile {
    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<usize, Refusal> {
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        let rest = self.0.get(from..).unwrap_or_default();
        let count = rest.len().min(buf.len());
        buf[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }
}

/// Nothing is received into it.
impl Sink for SmallFile {
    fn write(&mut self, _: &[u8]) -> Result<(), Refusal> {
        Err(Refusal::Fault)
    }
}
