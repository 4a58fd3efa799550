//! Keeps the last digest that came too late for the client who asked, for when it asks again.

use super::job::DigestNews;
use crate::digest::{Algorithm, Sum};
use crate::path::VirtualPath;
use crate::wire::command::{ByteRange, DigestForm};
use crate::wire::stamp::Stamp;

/// What a digest is of, and how it is to be told.
pub(super) struct FilePart {
    pub(super) path: VirtualPath,
    pub(super) range: ByteRange,
    pub(super) algorithm: Algorithm,
    /// Of the whole file, as it was when it was opened.
    pub(super) size: u64,
    pub(super) modified: Stamp,
    pub(super) form: DigestForm,
}

impl FilePart {
    /// The same bytes of the same file, as far as can be seen.
    fn is(&self, other: &Self) -> bool {
        let facts = |part: &Self| (part.range, part.algorithm, part.size, part.modified);
        self.path == other.path && facts(self) == facts(other)
    }

    /// A digest of the whole is worth remembering with the file.
    pub(super) fn update(&self, sum: Sum) -> DigestNews {
        match self.range.start == 0 && self.range.end == self.size {
            true => DigestNews::Computed(sum),
            false => DigestNews::None,
        }
    }
}

/// The last digest that came too late for who had asked.
pub(super) struct LateDigest {
    part: Box<FilePart>,
    sum: Sum,
}

impl LateDigest {
    pub(super) fn new(part: Box<FilePart>, sum: Sum) -> Self {
        Self { part, sum }
    }

    pub(super) fn digest_of(&self, part: &FilePart) -> Option<Sum> {
        self.part.is(part).then_some(self.sum)
    }
}
