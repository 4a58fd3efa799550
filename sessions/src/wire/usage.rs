//! Defines what replies tell of a home's quota, and how limits are shown to people.

use core::fmt;

/// A limit of a home that is none, in bytes or entries: no file system holds more.
pub const UNLIMITED: u64 = i64::MAX as u64;

/// Shows a limit to a person: a number, or `unlimited`.
pub struct ShownLimit(pub u64);

impl fmt::Display for ShownLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            UNLIMITED => f.write_str("unlimited"),
            limit => write!(f, "{limit}"),
        }
    }
}

/// Shows to a person that a count has this limit: ` of 400`, or nothing where there is none.
pub struct OfLimit(pub u64);

impl fmt::Display for OfLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            UNLIMITED => Ok(()),
            limit => write!(f, " of {limit}"),
        }
    }
}

/// What a home may hold and holds, in bytes and entries; limits may be [`UNLIMITED`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Usage {
    pub limit: u64,
    pub entries_limit: u64,
    /// `None` while the home is being counted: nobody knows then, and nobody is told 0.
    pub held: Option<Held>,
}

/// What a counted home holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Held {
    /// Bytes of files and of unfinished uploads.
    pub used: u64,
    /// Those of `used` that are unfinished uploads which nobody is sending.
    pub staged: u64,
    /// Bytes reserved beside `used`, for uploads under way.
    pub reserved: u64,
    /// Bytes that a new upload would be granted.
    pub free: u64,
    pub entries: u64,
}
