//! The session's open file, and its [`Source`] and [`Sink`] while it is lent to a worker.

use std::os::fd::{AsFd, BorrowedFd};

use skiff_sessions::transfer::{Sink, Source};
use skiff_sessions::wire::reply::Refusal;
use skiff_vfs::{Download, Upload, Worker};

use super::listing_text::ListingText;
use super::refusal::refusal;
use super::small_file::SmallFile;
use super::yielding::Yielding;

/// The one file that a session may have open.
pub(crate) enum OpenFile {
    Upload(Box<Upload>),
    Download(Box<Download>),
    Listing(Box<ListingText>),
    Small(SmallFile),
}

/// A file lent to a worker for one burst.
pub(crate) struct LentFile<'a> {
    pub(crate) worker: &'a Worker,
    pub(crate) yielding: &'a Yielding,
    pub(crate) file: Option<&'a mut OpenFile>,
    pub(crate) portion: &'a mut Portion,
}

/// Which portion of the burst is next.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Portion {
    First,
    Later,
}

impl LentFile<'_> {
    /// Lets the reactor run between two portions. Not before the first: nobody has been delayed by
    /// then, and a small file has no second one.
    fn yield_between_portions(&mut self) {
        match self.portion {
            Portion::First => *self.portion = Portion::Later,
            Portion::Later => self.yielding.yield_to_reactor(),
        }
    }
}

impl Source for LentFile<'_> {
    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<usize, Refusal> {
        self.yield_between_portions();
        let count = match &mut self.file {
            Some(OpenFile::Download(file)) => file.read_at(self.worker, offset, buf),
            Some(OpenFile::Upload(file)) => file.read_at(self.worker, offset, buf),
            Some(OpenFile::Listing(text)) => text.read_at(self.worker, offset, buf),
            Some(OpenFile::Small(whole)) => return whole.read_at(offset, buf),
            None => return Err(Refusal::Fault),
        };
        count.map_err(|error| refusal(&error))
    }

    fn left_out(&self) -> u64 {
        match &self.file {
            Some(OpenFile::Listing(text)) => text.left_out(),
            _ => 0,
        }
    }

    fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        match &self.file {
            Some(OpenFile::Download(file)) => Some(file.file().as_fd()),
            _ => None,
        }
    }
}

impl LentFile<'_> {
    /// The upload, unless a newer upload of the same name has cancelled it.
    fn upload(&mut self) -> Result<&mut Upload, Refusal> {
        match &mut self.file {
            Some(OpenFile::Upload(file)) if file.is_cancelled() => Err(Refusal::Busy),
            Some(OpenFile::Upload(file)) => Ok(file),
            _ => Err(Refusal::Fault),
        }
    }
}

impl Sink for LentFile<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        self.yield_between_portions();
        let worker = self.worker;
        let written = self.upload()?.write(worker, bytes);
        written.map_err(|error| refusal(&error))
    }

    fn splice_from(&mut self, pipe: BorrowedFd<'_>, count: u64) -> Result<(), Refusal> {
        self.yield_between_portions();
        let worker = self.worker;
        let written = self.upload()?.write_from(worker, pipe, count);
        written.map_err(|error| refusal(&error))
    }
}
