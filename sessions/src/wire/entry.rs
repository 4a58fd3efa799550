//! Defines what listings and replies tell of one entry of a directory.

use super::stamp::Stamp;

/// What a listing tells of an entry; the size in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Facts {
    pub kind: Kind,
    pub size: u64,
    pub modified: Stamp,
    /// Permission bits; `None` where they have no meaning.
    pub mode: Option<u32>,
}

/// The type of an entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    File,
    Directory,
    /// A symbolic link, wherever it leads.
    Link,
    Other,
}

/// All that a listing may tell of an entry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    pub facts: Facts,
    /// Where a link leads; `None` for everything else, and for a link that leads out of the home.
    pub target: Option<Vec<u8>>,
    pub allowed: Allowed,
}

/// What the file permissions allow the server to do with an entry, as bits of [`Right`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Allowed(u8);

/// Something that file permissions allow or forbid.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Right {
    /// Read a file; list a directory.
    Read,
    /// Append to a file; change names in a directory.
    Write,
    /// Use names in a directory.
    Search,
    /// Rename, replace or remove the entry.
    Rename,
}

impl Allowed {
    pub const NOTHING: Self = Self(0);
    pub const ALL: Self = Self(0b1111);

    #[must_use]
    pub fn with(self, right: Right) -> Self {
        Self(self.0 | 1 << right as u8)
    }

    pub fn has(self, right: Right) -> bool {
        self.0 & 1 << right as u8 != 0
    }
}
