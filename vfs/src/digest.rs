//! Digests of a verified file, remembered with the file for as long as it does not change.

use std::os::fd::AsFd;

use rustix::fs::{Stat, XattrFlags, fgetxattr, fremovexattr, fsetxattr};
use rustix::io::Errno;

/// The digests of one file's whole content, as far as they were taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digests {
    pub md5: Option<[u8; 16]>,
    pub sha256: Option<[u8; 32]>,
}

const ATTRIBUTE: &str = "user.skiff.digest";
const VERSION: u8 = 1;
/// Version, size, mtime (seconds, nanoseconds), inode.
const SEAL: usize = 1 + 8 + 8 + 8 + 8;
/// Behind the seal stand the digests there are: which ones, their length tells.
const MD5: usize = 16;
const SHA256: usize = 32;
const LONGEST: usize = SEAL + MD5 + SHA256;

/// The digests remembered with a file, if it is still the file they were taken of.
pub(crate) fn recall(file: impl AsFd, stat: &Stat) -> Option<Digests> {
    let mut value = [0_u8; LONGEST + 1];
    let length = fgetxattr(file, ATTRIBUTE, &mut value).ok()?;
    let known = value[..length].strip_prefix(&seal(stat))?;
    let (md5, sha256) = match known.len() {
        MD5 => (Some(known), None),
        SHA256 => (None, Some(known)),
        length if length == MD5 + SHA256 => {
            let (md5, sha256) = known.split_at(MD5);
            (Some(md5), Some(sha256))
        }
        _ => return None,
    };
    Some(Digests {
        md5: md5.and_then(|bytes| bytes.try_into().ok()),
        sha256: sha256.and_then(|bytes| bytes.try_into().ok()),
    })
}

/// Remembers `digests` with a file whose metadata is `stat`. A file system without extended
/// attributes remembers nothing, which costs a hash later and is no error.
pub(crate) fn remember(file: impl AsFd, stat: &Stat, digests: &Digests) -> rustix::io::Result<()> {
    let mut value = Vec::with_capacity(LONGEST);
    value.extend_from_slice(&seal(stat));
    value.extend(digests.md5.iter().flatten());
    value.extend(digests.sha256.iter().flatten());
    unless_unsupported(fsetxattr(file, ATTRIBUTE, &value, XattrFlags::empty()))
}

pub(crate) fn forget(file: impl AsFd) -> rustix::io::Result<()> {
    unless_unsupported(fremovexattr(file, ATTRIBUTE))
}

fn unless_unsupported(result: rustix::io::Result<()>) -> rustix::io::Result<()> {
    match result {
        Err(Errno::NOTSUP | Errno::NODATA | Errno::NOSPC | Errno::TOOBIG) => Ok(()),
        other => other,
    }
}

#[allow(
    clippy::unnecessary_cast,
    reason = "the kernel's types differ by architecture"
)]
fn seal(stat: &Stat) -> [u8; SEAL] {
    let mut seal = [0; SEAL];
    seal[0] = VERSION;
    seal[1..9].copy_from_slice(&(stat.st_size as u64).to_le_bytes());
    seal[9..17].copy_from_slice(&(stat.st_mtime as i64).to_le_bytes());
    seal[17..25].copy_from_slice(&(stat.st_mtime_nsec as u64).to_le_bytes());
    seal[25..33].copy_from_slice(&(stat.st_ino as u64).to_le_bytes());
    seal
}
