//! An open file of the simulated disk, as a transfer sees it.

use skiff_sessions::transfer::{Sink, Source};
use skiff_sessions::wire::reply::Refusal;

use super::disk::{Disk, OpenFile};

/// A file while a burst has it.
pub(super) struct Lent<'a> {
    pub(super) disk: &'a mut Disk,
    pub(super) file: Option<&'a OpenFile>,
}

impl Source for Lent<'_> {
    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<usize, Refusal> {
        match self.file {
            Some(OpenFile::Upload { path, .. }) => {
                Ok(copy_at(&self.disk.stages[path], offset, buf))
            }
            Some(OpenFile::Listing { text, .. }) => Ok(copy_at(text, offset, buf)),
            Some(OpenFile::Download { content, .. }) => match self.disk.faults.read {
                Some((from, why)) if offset >= from => Err(why),
                Some((from, _)) => {
                    let room = buf.len().min((from - offset) as usize);
                    Ok(copy_at(&content.borrow(), offset, &mut buf[..room]))
                }
                None => Ok(copy_at(&content.borrow(), offset, buf)),
            },
            None => Err(Refusal::Fault),
        }
    }

    fn left_out(&self) -> u64 {
        match self.file {
            Some(OpenFile::Listing { hidden, .. }) => *hidden,
            _ => 0,
        }
    }
}

impl Sink for Lent<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        match self.file {
            Some(OpenFile::Upload { path, .. }) => self.disk.append(path, bytes),
            _ => Err(Refusal::Fault),
        }
    }
}

pub(super) fn copy_at(bytes: &[u8], offset: u64, buf: &mut [u8]) -> usize {
    let rest = &bytes[bytes.len().min(offset as usize)..];
    let count = rest.len().min(buf.len());
    buf[..count].copy_from_slice(&rest[..count]);
    count
}
