//! An open file of the simulated disk, as a transfer sees it.

use skiff_sessions::transfer::{Sink, Source};
use skiff_sessions::wire::reply::Refusal;

use super::disk::{Content, Disk, Path};

/// The one file that a session may have open.
pub(super) enum OpenFile {
    Upload(Upload),
    Download(Content),
    Listing { text: Vec<u8>, hidden: u64 },
}

pub(super) struct Upload {
    pub(super) path: Path,
    pub(super) target: Target,
    pub(super) pending: Option<Pending>,
    /// Bytes that came.
    pub(super) came: usize,
}

/// Which file the bytes go to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    Stage,
    /// Which had so many bytes before.
    InPlace {
        was: usize,
    },
}

/// What is to be done before the first byte, once bytes can flow.
pub(super) enum Pending {
    /// The stage loses what lies behind this many bytes.
    Cut(usize),
    /// The stage begins with the first bytes of the published file.
    Copy(usize),
    Append,
}

/// A file while a burst has it.
pub(super) struct Lent<'a> {
    pub(super) disk: &'a mut Disk,
    pub(super) file: Option<&'a mut OpenFile>,
}

impl Source for Lent<'_> {
    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<usize, Refusal> {
        let content = match &self.file {
            Some(OpenFile::Listing { text, .. }) => return Ok(copy_at(text, offset, buf)),
            Some(OpenFile::Download(content)) => content.borrow(),
            Some(OpenFile::Upload(_)) | None => return Err(Refusal::Fault),
        };
        match self.disk.faults.read {
            Some((from, why)) if offset >= from => Err(why),
            Some((from, _)) => {
                let room = buf.len().min((from - offset) as usize);
                Ok(copy_at(&content, offset, &mut buf[..room]))
            }
            None => Ok(copy_at(&content, offset, buf)),
        }
    }

    fn left_out(&self) -> u64 {
        match &self.file {
            Some(OpenFile::Listing { hidden, .. }) => *hidden,
            _ => 0,
        }
    }
}

impl Sink for Lent<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        match &mut self.file {
            Some(OpenFile::Upload(upload)) => self.disk.append(upload, bytes),
            _ => Err(Refusal::Fault),
        }
    }
}

fn copy_at(bytes: &[u8], offset: u64, buf: &mut [u8]) -> usize {
    let rest = &bytes[bytes.len().min(offset as usize)..];
    let count = rest.len().min(buf.len());
    buf[..count].copy_from_slice(&rest[..count]);
    count
}
