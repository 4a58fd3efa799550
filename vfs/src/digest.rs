//! Stores the digests of a file's content in an extended attribute of the file, with its size,
//! mtime and inode, so that they are void once the file changes.
//!
//! A program that changes a file and puts its mtime back is not noticed, nor is a disk that loses
//! bytes: storing the attribute sets the ctime, which therefore cannot be in it. So what is stored
//! serves only to verify downloads, whose other end compares it with the bytes that it got. Who is
//! told a digest of what is on the disk is told one that was read from the disk.

use std::os::fd::AsFd;

use crate::syscalls::{fremovexattr, fsetxattr};
use rustix::fs::{Stat, XattrFlags, fgetxattr};
use rustix::io::Errno;

/// A digest of one file's whole content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Digest {
    Md5([u8; 16]),
    Sha256([u8; 32]),
}

/// The digests that are stored with one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digests {
    /// The digest that an upload was verified by, or the first one that was read from the disk.
    pub verified: Digest,
    /// The digest by the other algorithm, computed from the disk later. It does not prove that the
    /// disk holds what was uploaded.
    pub later: Option<Digest>,
}

impl From<Digest> for Digests {
    fn from(verified: Digest) -> Self {
        Self {
            verified,
            later: None,
        }
    }
}

impl Digests {
    /// Adds a digest that was computed from the disk now, unless one by its algorithm is there.
    pub(crate) fn with(self, read: Digest) -> Self {
        match read.tag() == self.verified.tag() {
            true => self,
            false => Self {
                later: Some(read),
                ..self
            },
        }
    }
}

impl Digest {
    fn tag(&self) -> u8 {
        match self {
            Self::Md5(_) => MD5,
            Self::Sha256(_) => SHA256,
        }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::Md5(bytes) => bytes,
            Self::Sha256(bytes) => bytes,
        }
    }

    /// Takes the next digest off the front of `value`; `None` where there is none.
    fn parse_next(value: &mut &[u8]) -> Option<Self> {
        let (tag, rest) = value.split_first()?;
        match *tag {
            MD5 => rest.split_first_chunk().map(|(bytes, rest)| {
                *value = rest;
                Self::Md5(*bytes)
            }),
            SHA256 => rest.split_first_chunk().map(|(bytes, rest)| {
                *value = rest;
                Self::Sha256(*bytes)
            }),
            _ => None,
        }
    }
}

const ATTRIBUTE: &str = "user.skiff.digest";
const VERSION: u8 = 2;
/// Bytes of a fingerprint: version, size, mtime (seconds, nanoseconds), inode.
const FINGERPRINT_LEN: usize = 1 + 8 + 8 + 8 + 8;
/// The byte before each digest, which says what algorithm it is by.
const MD5: u8 = b'm';
const SHA256: u8 = b's';
const VALUE_MAX: usize = FINGERPRINT_LEN + (1 + 16) + (1 + 32);

/// Loads the digests of a file whose metadata is `stat`; `None` where there are none, or the
/// file has changed since.
pub(crate) fn load(file: impl AsFd, stat: &Stat) -> Option<Digests> {
    let mut value = [0_u8; VALUE_MAX + 1];
    let length = fgetxattr(file, ATTRIBUTE, &mut value).ok()?;
    let mut known = value[..length].strip_prefix(&fingerprint(stat))?;
    let verified = Digest::parse_next(&mut known)?;
    let later = match known {
        [] => None,
        _ => Some(Digest::parse_next(&mut known)?),
    };
    known.is_empty().then_some(Digests { verified, later })
}

/// Stores `digests` with a file whose metadata is `stat`. On a file system without extended
/// attributes nothing is stored, which costs a hash later and is no error.
pub(crate) fn store(file: impl AsFd, stat: &Stat, digests: &Digests) -> rustix::io::Result<()> {
    let mut value = Vec::with_capacity(VALUE_MAX);
    value.extend_from_slice(&fingerprint(stat));
    for digest in [Some(digests.verified), digests.later].iter().flatten() {
        value.push(digest.tag());
        value.extend_from_slice(digest.bytes());
    }
    ignore_unsupported(fsetxattr(file, ATTRIBUTE, &value, XattrFlags::empty()))
}

/// Removes the digests of a file, if there are any.
pub(crate) fn remove(file: impl AsFd) -> rustix::io::Result<()> {
    ignore_unsupported(fremovexattr(file, ATTRIBUTE))
}

/// Takes the errors of file systems that store no attributes for success.
fn ignore_unsupported(result: rustix::io::Result<()>) -> rustix::io::Result<()> {
    match result {
        Err(Errno::NOTSUP | Errno::NODATA | Errno::NOSPC | Errno::TOOBIG) => Ok(()),
        other => other,
    }
}

#[allow(
    clippy::unnecessary_cast,
    reason = "the kernel's types differ by architecture"
)]
/// The bytes before the digests, which differ once the file has changed.
fn fingerprint(stat: &Stat) -> [u8; FINGERPRINT_LEN] {
    let mut fingerprint = [0; FINGERPRINT_LEN];
    fingerprint[0] = VERSION;
    fingerprint[1..9].copy_from_slice(&(stat.st_size as u64).to_le_bytes());
    fingerprint[9..17].copy_from_slice(&(stat.st_mtime as i64).to_le_bytes());
    fingerprint[17..25].copy_from_slice(&(stat.st_mtime_nsec as u64).to_le_bytes());
    fingerprint[25..33].copy_from_slice(&(stat.st_ino as u64).to_le_bytes());
    fingerprint
}
