//! Keeps the last digest that came too late for the client who asked, for when it asks again.

use super::context::Context;
use super::job::{ChangeTime, DigestUpdate};
use crate::digest::{Algorithm, Sum};
use crate::path::VirtualPath;
use crate::wire::command::{ByteRange, DigestForm};
use crate::wire::stamp::Stamp;

/// A range of a file, the algorithm, and the form in which the digest is told.
pub(super) struct FilePart {
    pub(super) path: VirtualPath,
    pub(super) range: ByteRange,
    pub(super) algorithm: Algorithm,
    /// The whole file's size in bytes when it was opened.
    pub(super) size: u64,
    pub(super) modified: Stamp,
    pub(super) changed: ChangeTime,
    /// What the server remembers of the same range, by the same algorithm.
    pub(super) remembered: Option<Sum>,
    pub(super) form: DigestForm,
}

impl FilePart {
    /// Whether both are the same bytes of the same file, by path, size and times.
    fn is(&self, other: &Self) -> bool {
        let facts = |part: &Self| (part.range, part.algorithm, part.size);
        let times = |part: &Self| (part.modified, part.changed);
        self.path == other.path && facts(self) == facts(other) && times(self) == times(other)
    }

    /// What is learnt from the digest: only one of the whole file is remembered.
    pub(super) fn learn(&self, sum: Sum, cx: &mut Context<'_>) -> DigestUpdate {
        match self.range.start == 0 && self.range.end == self.size {
            true => cx.learn(&self.path, self.remembered, sum),
            false => DigestUpdate::None,
        }
    }
}

/// The last digest that was too late for the client who had asked.
pub(super) struct LateDigest {
    part: Box<FilePart>,
    sum: Sum,
}

impl LateDigest {
    pub(super) fn new(part: Box<FilePart>, sum: Sum) -> Self {
        Self { part, sum }
    }

    /// The digest if it is of `part`.
    pub(super) fn digest_of(&self, part: &FilePart) -> Option<Sum> {
        self.part.is(part).then_some(self.sum)
    }
}
