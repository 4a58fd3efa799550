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
const FROM: u64 = 1 << 20;
/// Bytes taken at a time.
const STRIDE: u64 = 8 << 20;
/// With fewer bytes than this free above the floor nothing is taken that others may need.
const AMPLE: u64 = 1 << 30;

/// No block of ext4 has more bytes.
const BLOCK: u64 = 64 << 10;

/// How far ahead of its bytes a file may have blocks.
#[derive(Debug)]
pub(super) struct Ahead {
    /// Bytes of the whole file, as declared; else 0.
    declared: u64,
    /// Where the next are asked for.
    next: u64,
    /// Up to here there may be some.
    until: u64,
}

impl Ahead {
    pub(super) fn of_new(declared: u64) -> Self {
        Self {
            declared,
            next: FROM,
            until: 0,
        }
    }

    /// What a crash left may have more blocks than bytes.
    pub(super) fn of_old(declared: u64) -> Self {
        Self {
            until: u64::MAX,
            ..Self::of_new(declared)
        }
    }

    pub(super) fn are_due(&self, len: u64) -> bool {
        len >= self.next
    }

    /// The file was cut.
    pub(super) fn begin_again(&mut self) {
        *self = Self::of_new(self.declared);
    }
}

impl Upload {
    /// Takes the blocks of the bytes to come, where that pays. If there are none the write will
    /// say so.
    pub(super) fn take_ahead(&mut self) {
        let until = match self.ahead.declared {
            whole if whole > self.len => whole.min(self.len + STRIDE),
            _ => self.len + STRIDE,
        };
        self.ahead.next = until;
        let floor = self.hold.home().policy.free_space_floor;
        if self.in_place().is_some() || !pays(&self.file, floor) {
            return;
        }
        self.ahead.until = until.max(self.ahead.until);
        let more = until - self.len;
        let _ = fallocate(&self.file, FallocateFlags::KEEP_SIZE, self.len, more);
    }

    /// Gives back the blocks that no bytes came for.
    pub(crate) fn give_back(&mut self) -> Result<(), VfsError> {
        if self.ahead.until > self.len {
            ftruncate(&self.file, self.len)?;
            self.ahead.until = self.len;
        }
        Ok(())
    }

    /// Makes ext4 see that what replaces another file is not on the disk yet, and send it there at
    /// the rename (auto_da_alloc), or a power loss could take the old content and the new one. It
    /// looks for a block that has no place there, so the last one is given up and written anew.
    pub(crate) fn renew_last_block(&mut self) -> Result<(), VfsError> {
        if self.ahead.until == 0 || self.is_to_be_synced() || !self.replaces() {
            return Ok(());
        }
        let start = self.len.saturating_sub(1) / BLOCK * BLOCK;
        let mut last = vec![0; (self.len - start) as usize];
        self.file.read_exact_at(&mut last, start)?;
        self.cut(start)?;
        self.append(&last)
    }
}

#[allow(clippy::unnecessary_cast, reason = "the types differ by architecture")]
fn pays(disk: impl AsFd, floor: u64) -> bool {
    fstatfs(disk).is_ok_and(|disk| {
        let free = (disk.f_bavail as u64).saturating_mul(disk.f_bsize as u64);
        disk.f_type as u64 == EXT4 && free >= floor.saturating_add(AMPLE)
    })
}
