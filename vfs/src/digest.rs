//! Digests of a verified file, remembered with the file for as long as it does not change.

use std::os::fd::AsFd;

use rustix::fs::{Stat, XattrFlags, fgetxattr, fremovexattr, fsetxattr};
use rustix::io::Errno;

/// The digests of one file's whole content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digests {
    pub md5: [u8; 16],
    pub sha256: Option<[u8; 32]>,
}

const ATTRIBUTE: &str = "user.skiff.digest";
const VERSION: u8 = 1;
/// Version, size, mtime (seconds, nanoseconds), inode.
const SEAL: usize = 1 + 8 + 8 + 8 + 8;
const SHORT: usize = SEAL + 16;
const LONG: usize = SHORT + 32;

/// The digests remembered with a file, if it is still the file they were taken of.
pub(crate) fn recall(file: impl AsFd, stat: &Stat) -> Option<Digests> {
    let mut value = [0_u8; LONG + 1];
    let length = fgetxattr(file, ATTRIBUTE, &mut value).ok()?;
    let value = &value[..length];
    if !value.starts_with(&seal(stat)) {
        return None;
    }
    let md5 = value.get(SEAL..SHORT)?.try_into().ok()?;
    let sha256 = match length {
        SHORT => None,
        LONG => Some(value[SHORT..].try_into().ok()?),
        _ => return None,
    };
    Some(Digests { md5, sha256 })
}

/// Remembers `digests` with a file whose metadata is `stat`. A file system without extended
/// attributes remembers nothing, which costs a hash later and is no error.
pub(crate) fn remember(file: impl AsFd, stat: &Stat, digests: &Digests) -> rustix::io::Result<()> {
    let mut value = [0_u8; LONG];
    value[..SEAL].copy_from_slice(&seal(stat));
    value[SEAL..SHORT].copy_from_slice(&digests.md5);
    let length = match digests.sha256 {
        Some(sha256) => {
            value[SHORT..].copy_from_slice(&sha256);
            LONG
        }
        None => SHORT,
    };
    unless_unsupported(fsetxattr(
        file,
        ATTRIBUTE,
        &value[..length],
        XattrFlags::empty(),
    ))
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
