//! Blocks of the disk that a stage is given before its bytes come.
//!
//! ext4 looks up, counts and reserves each block by itself when it is first written to, which is
//! a third of what receiving a file costs; for blocks that the file has already it does not.
//! Other file systems gain nothing by it or lose: Btrfs does not compress what was given ahead,
//! tmpfs fills it.

use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;

use rustix::fs::{FallocateFlags, fallocate, fstatfs, ftruncate};

use super::Upload;
use crate::VfsError;

/// statfs(2)'s number for ext4. ext2 and ext3 have it too, and refuse.
const EXT4: u64 = 0xEF53;
/// Bytes of a stage that come without: giving back what was too much costs as much as two MiB gain.
const FIRST_AT: u64 = 1 << 20;
/// Bytes taken at a time.
const STEP: u64 = 8 << 20;
/// With fewer bytes than this free above the floor nothing is taken that others may need.
const FREE_SPACE_MIN: u64 = 1 << 30;

/// No block of ext4 has more bytes.
const BLOCK_MAX: u64 = 64 << 10;

/// How far ahead of its bytes a file may have blocks.
#[derive(Debug)]
pub(super) struct Preallocation {
    /// Bytes of the whole file, as declared; else 0.
    declared: u64,
    /// Where the next are asked for.
    next_at: u64,
    /// Up to here there may be some.
    allocated_to: u64,
}

impl Preallocation {
    pub(super) fn for_new_stage(declared: u64) -> Self {
        Self {
            declared,
            next_at: FIRST_AT,
            allocated_to: 0,
        }
    }

    /// What a crash left may have more blocks than bytes.
    pub(super) fn for_existing_stage(declared: u64) -> Self {
        Self {
            allocated_to: u64::MAX,
            ..Self::for_new_stage(declared)
        }
    }

    pub(super) fn is_due(&self, len: u64) -> bool {
        len >= self.next_at
    }

    /// The file was cut.
    pub(super) fn reset(&mut self) {
        *self = Self::for_new_stage(self.declared);
    }
}

impl Upload {
    /// Takes the blocks of the bytes to come, where that pays. If there are none the write will
    /// say so.
    pub(super) fn preallocate(&mut self) {
        let allocated_to = match self.preallocation.declared {
            whole if whole > self.len => whole.min(self.len + STEP),
            _ => self.len + STEP,
        };
        self.preallocation.next_at = allocated_to;
        let floor = self.guard.home().policy.free_space_floor;
        if self.in_place().is_some() || !is_worthwhile(&self.file, floor) {
            return;
        }
        self.preallocation.allocated_to = allocated_to.max(self.preallocation.allocated_to);
        let more = allocated_to - self.len;
        let _ = fallocate(&self.file, FallocateFlags::KEEP_SIZE, self.len, more);
    }

    /// Gives back the blocks that no bytes came for.
    pub(crate) fn free_unused_blocks(&mut self) -> Result<(), VfsError> {
        if self.preallocation.allocated_to > self.len {
            ftruncate(&self.file, self.len)?;
            self.preallocation.allocated_to = self.len;
        }
        Ok(())
    }

    /// Makes ext4 see that what replaces another file is not on the disk yet, and send it there at
    /// the rename (auto_da_alloc), or a power loss could take the old content and the new one. It
    /// looks for a block that has no place there, so the last one is given up and written anew.
    pub(crate) fn rewrite_last_block(&mut self) -> Result<(), VfsError> {
        if self.preallocation.allocated_to == 0 || self.is_to_be_synced() || !self.replaces() {
            return Ok(());
        }
        let start = self.len.saturating_sub(1) / BLOCK_MAX * BLOCK_MAX;
        let mut last = vec![0; (self.len - start) as usize];
        self.file.read_exact_at(&mut last, start)?;
        self.truncate(start)?;
        self.append(&last)
    }
}

#[allow(clippy::unnecessary_cast, reason = "the types differ by architecture")]
fn is_worthwhile(disk: impl AsFd, floor: u64) -> bool {
    fstatfs(disk).is_ok_and(|disk| {
        let free = (disk.f_bavail as u64).saturating_mul(disk.f_bsize as u64);
        disk.f_type as u64 == EXT4 && free >= floor.saturating_add(FREE_SPACE_MIN)
    })
}
