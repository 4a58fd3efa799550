//! Preallocates the blocks of a stage on ext4, with fallocate(2).
//!
//! ext4 looks up, counts and reserves each block when it is first written to, which is a third of
//! the cost of receiving a file; blocks that the file has already cost nothing. Other file systems
//! gain nothing or lose: Btrfs does not compress preallocated blocks, tmpfs fills them.

use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;

use rustix::fs::FallocateFlags;

use super::Upload;
use crate::VfsError;
use crate::syscalls::{fallocate, fstatfs, ftruncate};

/// The statfs(2) number of ext4, and of ext2 and ext3, where fallocate(2) fails.
const EXT4: u64 = 0xEF53;
/// The offset of the first preallocation. A short file would gain nothing: to free unused blocks
/// costs as much as two MiB gain.
const FIRST_AT: u64 = 1 << 20;
/// Bytes that are preallocated at a time.
const STEP: u64 = 8 << 20;
/// Bytes that must be free above the policy's floor: with less, others may need the blocks.
const FREE_SPACE_MIN: u64 = 1 << 30;

/// Bytes of the largest block of ext4.
const BLOCK_MAX: u64 = 64 << 10;

/// How far a file's blocks may reach beyond its bytes.
#[derive(Debug)]
pub(super) struct Preallocation {
    /// Bytes of the whole file as declared by the peer; 0 where they are not.
    declared: u64,
    /// The offset at which the next preallocation is due.
    next_at: u64,
    /// The offset up to which the file may have blocks.
    allocated_to: u64,
}

impl Preallocation {
    /// The state for a new stage of `declared` bytes.
    pub(super) fn for_new_stage(declared: u64) -> Self {
        Self {
            declared,
            next_at: FIRST_AT,
            allocated_to: 0,
        }
    }

    /// The state for a stage that exists: a crash may have left it more blocks than bytes.
    pub(super) fn for_existing_stage(declared: u64) -> Self {
        Self {
            allocated_to: u64::MAX,
            ..Self::for_new_stage(declared)
        }
    }

    /// Whether a file of `len` bytes needs the next preallocation.
    pub(super) fn is_due(&self, len: u64) -> bool {
        len >= self.next_at
    }

    /// Starts again, after the file was truncated, which frees all blocks beyond its end.
    pub(super) fn reset(&mut self) {
        *self = Self::for_new_stage(self.declared);
    }
}

impl Upload {
    /// Preallocates the next blocks, where that is worthwhile. Errors are left to the write.
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

    /// Frees the blocks beyond the end of the file.
    pub(crate) fn free_unused_blocks(&mut self) -> Result<(), VfsError> {
        if self.preallocation.allocated_to > self.len {
            ftruncate(&self.file, self.len)?;
            self.preallocation.allocated_to = self.len;
        }
        Ok(())
    }

    /// Writes the last block again, so that ext4 flushes a file that replaces another one when it
    /// is renamed (mount option auto_da_alloc): otherwise a power loss could take the old content
    /// and the new. ext4 flushes only files with a block that is not allocated on the disk yet,
    /// which a preallocated file would not have.
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

/// Whether `disk` is ext4 with enough free space above `floor` bytes.
#[allow(clippy::unnecessary_cast, reason = "the types differ by architecture")]
fn is_worthwhile(disk: impl AsFd, floor: u64) -> bool {
    fstatfs(disk).is_ok_and(|disk| {
        let free = (disk.f_bavail as u64).saturating_mul(disk.f_bsize as u64);
        disk.f_type as u64 == EXT4 && free >= floor.saturating_add(FREE_SPACE_MIN)
    })
}
