//! Simulates the client's files: the file to send, the file that is there, and the part that came.

use skiff_sessions::client::{LocalCopy, LocalFile};
use skiff_sessions::digest::Algorithm;
use skiff_sessions::transfer::{Sink, Source};
use skiff_sessions::wire::reply::Refusal;
use skiff_sessions::wire::stamp::Stamp;

use super::file::copy_at;

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Local {
    /// What an upload sends.
    pub(super) source: Vec<u8>,
    /// What the client wants transfers verified by.
    pub(super) digest: Algorithm,
    pub(super) whole: Option<(Vec<u8>, Stamp)>,
    pub(super) part: Vec<u8>,
    in_use: Option<LocalFile>,
    /// What a listing brought.
    pub(super) listed: Vec<u8>,
    pub(super) faults: Faults,
}

/// What goes wrong, and when.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Faults {
    pub(super) choose: bool,
    pub(super) publish: bool,
    /// No byte is taken, or given, from this offset on.
    pub(super) write: Option<u64>,
    pub(super) read: Option<u64>,
}

/// The client's own file cannot be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Unusable;

impl Local {
    pub(super) fn sending(bytes: &[u8]) -> Self {
        Self {
            source: bytes.to_vec(),
            ..Self::default()
        }
    }

    pub(super) fn with_part(bytes: &[u8]) -> Self {
        Self {
            part: bytes.to_vec(),
            ..Self::default()
        }
    }

    pub(super) fn with_whole(bytes: &[u8], modified: Stamp) -> Self {
        Self {
            whole: Some((bytes.to_vec(), modified)),
            ..Self::default()
        }
    }

    pub(super) fn failing(self, faults: Faults) -> Self {
        Self { faults, ..self }
    }

    pub(super) fn copy(&self) -> LocalCopy {
        let whole = self
            .whole
            .as_ref()
            .map(|(bytes, time)| (bytes.len() as u64, *time));
        LocalCopy {
            whole,
            part: self.part.len() as u64,
        }
    }

    pub(super) fn choose(&mut self, file: LocalFile) -> Result<(), Unusable> {
        if self.faults.choose {
            return Err(Unusable);
        }
        if file == LocalFile::EmptyPart {
            self.part.clear();
        }
        self.in_use = Some(file);
        Ok(())
    }

    pub(super) fn publish(&mut self, modified: Option<Stamp>) -> Result<(), Unusable> {
        if self.faults.publish {
            return Err(Unusable);
        }
        let bytes = std::mem::take(&mut self.part);
        self.whole = Some((bytes, modified.unwrap_or(Stamp(0))));
        Ok(())
    }

    /// What is read: of an upload its source, of a download what was chosen.
    fn bytes(&self) -> &[u8] {
        match (self.in_use, &self.whole) {
            (None, _) => &self.source,
            (Some(LocalFile::Whole), Some((bytes, _))) => bytes,
            (Some(_), _) => &self.part,
        }
    }
}

impl Source for Local {
    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<usize, Refusal> {
        let room = match self.faults.read {
            Some(from) if offset >= from => return Err(Refusal::Fault),
            Some(from) => buf.len().min((from - offset) as usize),
            None => buf.len(),
        };
        Ok(copy_at(self.bytes(), offset, &mut buf[..room]))
    }
}

impl Sink for Local {
    fn write(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        match self.in_use {
            None => {
                self.listed.extend_from_slice(bytes);
                return Ok(());
            }
            Some(file) => assert_ne!(file, LocalFile::Whole, "it is only read"),
        }
        let room = match self.faults.write {
            Some(from) => (from as usize).saturating_sub(self.part.len()),
            None => usize::MAX,
        };
        let taken = bytes.len().min(room);
        self.part.extend_from_slice(&bytes[..taken]);
        if taken < bytes.len() {
            Err(Refusal::DiskFull)
        } else {
            Ok(())
        }
    }
}
