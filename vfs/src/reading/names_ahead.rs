//! Names of a directory that are read before they are listed, so that they can be sorted.

use std::cmp::{Ordering, Reverse};
use std::ffi::CStr;

use rustix::fs::{AtFlags, Stat};
use rustix::io::Errno;

use crate::jail::folder::Folder;
use crate::syscalls::statat;
use crate::{VfsError, entry};

/// Directories of up to this many listed names are sorted. Their names take at most 2.5 MB.
pub(super) const SORTED_MAX: usize = 10_000;

/// What a listing is sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SortKey {
    /// The bytes of the name.
    Name,
    /// The mtime, the latest first; names where it is equal.
    Modified,
    /// The size, the largest first; names where it is equal.
    Size,
}

/// Whether the order is as its key has it, or the other way round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Forward,
    Backward,
}

/// Names in one buffer.
#[derive(Debug, Default)]
pub(super) struct NamesAhead {
    /// The names, each ended by NUL.
    bytes: Vec<u8>,
    /// Where each name begins, in the order in which they are listed.
    starts: Vec<u32>,
    next: usize,
}

impl NamesAhead {
    pub(super) fn push(&mut self, name: &CStr) {
        // So many names have less than 4 GiB.
        self.starts.push(self.bytes.len() as u32);
        self.bytes.extend_from_slice(name.to_bytes_with_nul());
    }

    pub(super) fn is_full(&self) -> bool {
        self.starts.len() > SORTED_MAX
    }

    /// The next name; `None` where all were taken.
    pub(super) fn next(&mut self) -> Option<&CStr> {
        let start = *self.starts.get(self.next)?;
        self.next += 1;
        Some(name_at(&self.bytes, start))
    }

    /// Sorts the names; those of files that were removed meanwhile are dropped where the key needs
    /// more than the name.
    pub(super) fn sort(
        &mut self,
        folder: &Folder,
        key: SortKey,
        direction: Direction,
    ) -> Result<(), VfsError> {
        let Self { bytes, starts, .. } = self;
        let by_name = |one: u32, other: u32| name_at(bytes, one).cmp(name_at(bytes, other));
        match key {
            SortKey::Name => starts.sort_unstable_by(|one, other| by_name(*one, *other)),
            SortKey::Modified => {
                let modified = |stat: &Stat| entry::modified(stat);
                sort_by_metadata(folder, bytes, starts, modified, by_name)?;
            }
            SortKey::Size => sort_by_metadata(folder, bytes, starts, entry::size, by_name)?,
        }
        if direction == Direction::Backward {
            starts.reverse();
        }
        Ok(())
    }
}

/// Sorts by what `key` takes of the metadata, the greatest first.
fn sort_by_metadata<Key: Ord + Copy>(
    folder: &Folder,
    bytes: &[u8],
    starts: &mut Vec<u32>,
    key: impl Fn(&Stat) -> Key,
    by_name: impl Fn(u32, u32) -> Ordering,
) -> Result<(), VfsError> {
    let mut keyed = Vec::with_capacity(starts.len());
    for &start in &*starts {
        match statat(folder, name_at(bytes, start), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => keyed.push((Reverse(key(&stat)), start)),
            Err(Errno::NOENT) => {}
            Err(e) => return Err(e.into()),
        }
    }
    keyed.sort_unstable_by(|(one, a), (other, b)| one.cmp(other).then_with(|| by_name(*a, *b)));
    starts.clear();
    starts.extend(keyed.into_iter().map(|(_, start)| start));
    Ok(())
}

fn name_at(bytes: &[u8], start: u32) -> &CStr {
    // A NUL is there: `push` ends each name with one.
    CStr::from_bytes_until_nul(&bytes[start as usize..]).unwrap_or_default()
}
