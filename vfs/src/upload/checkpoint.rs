//! What is done of a running upload at checkpoints, so that a power loss takes little of it: bytes
//! are synced, and the stage's label says how many. Nothing beyond them is believed after an
//! unclean end (`staging/recovery.rs`).

use std::num::NonZeroU64;

use rustix::fs::{Advice, fadvise};

use super::{StageEnd, Target, Upload};
use crate::VfsError;
use crate::staging::label::Label;
use crate::syscalls::{fdatasync, fsync};

/// Bytes between two checkpoints. At a checkpoint the free space is checked and the kernel is asked
/// to start writing, so that the next sync is short (1 GiB: 4 ms instead of 280).
const CHECKPOINT: u64 = 8 << 20;
/// A stage gets its label when it reaches this many bytes; a shorter one when it is interrupted.
/// A stage that a crash leaves without one is removed at the next start.
const LABEL_MIN: u64 = 1 << 20;
/// Bytes between two syncs: at these the kernel has begun to write all but the last
/// [`CHECKPOINT`], so a disk that keeps up with the upload has little left to do, and one that does
/// not would make the final sync wait as long. Every 8 MiB would cost eight times the commits of
/// the journal, and gain a few MiB after a power loss.
const SYNC_BYTES: u64 = 64 << 20;
/// A slower upload is synced after this time, as often as ext4 commits its journal anyway, if
/// [`LABEL_MIN`] bytes have come: so a thousand slow uploads do not keep a disk seeking.
const SYNC_MS: u64 = 5_000;

/// When bytes were last synced, and to which offset the kernel was asked to write.
#[derive(Debug)]
pub(super) struct Progress {
    /// The offset up to which the kernel was asked to write to the disk.
    flushed: u64,
    /// The offset at which the next checkpoint is due.
    next_at: u64,
    /// Milliseconds from the beginning of the upload to the last sync.
    synced_ms: u64,
}

impl Progress {
    /// The progress of an upload whose file has `len` bytes.
    pub(super) fn at(len: u64) -> Self {
        Self {
            flushed: len,
            next_at: next_checkpoint(len),
            synced_ms: 0,
        }
    }

    /// Starts again, after the file was cut to `len` bytes.
    pub(super) fn reset(&mut self, len: u64) {
        *self = Self {
            synced_ms: self.synced_ms,
            ..Self::at(len)
        };
    }
}

/// The offset of the checkpoint after byte `staged`. The first is early, for the label.
fn next_checkpoint(staged: u64) -> u64 {
    if staged < LABEL_MIN {
        LABEL_MIN
    } else {
        staged.saturating_add(CHECKPOINT)
    }
}

/// Whether a suspended stage is synced: only where the caller may wait for a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Syncing {
    Now,
    Later,
}

impl Upload {
    /// Does what is due `now_ms` milliseconds after the upload began: labels the stage, checks the
    /// free space, starts the writeback and syncs.
    pub(super) fn pass_checkpoint(&mut self, now_ms: u64) -> Result<(), VfsError> {
        if self.len >= self.progress.next_at {
            self.progress.next_at = next_checkpoint(self.len);
            self.label()?;
            self.guard.home().check_free_space(&self.file, 0)?;
            if self.is_to_be_synced() {
                self.start_writeback()?;
            }
        }
        if self.is_sync_due(now_ms) {
            self.progress.synced_ms = now_ms;
            self.sync_stage()?;
        }
        Ok(())
    }

    /// Asks the kernel to start writing the bytes since the last call to the disk, and does not
    /// wait. Linux starts the writeback of a range with POSIX_FADV_DONTNEED; sync_file_range(2) is
    /// meant for this, but has no safe binding.
    fn start_writeback(&mut self) -> Result<(), VfsError> {
        let flushed = self.progress.flushed;
        let length = NonZeroU64::new(self.len.saturating_sub(flushed));
        fadvise(&self.file, flushed, length, Advice::DontNeed)?;
        self.progress.flushed = self.len;
        Ok(())
    }

    /// Whether a sync is due: never of what is appended in place, which is cut off after an unclean
    /// end, and never before the first label.
    fn is_sync_due(&self, now_ms: u64) -> bool {
        let Target::Stage {
            label: Some(synced),
        } = self.target
        else {
            return false;
        };
        let (more, waited) = (
            self.len.saturating_sub(synced),
            now_ms.saturating_sub(self.progress.synced_ms),
        );
        let is_due = more >= SYNC_BYTES || (waited >= SYNC_MS && more >= LABEL_MIN);
        is_due && self.is_to_be_synced()
    }

    /// Syncs the stage, and then says in its label how much of it there is. The label is on the disk
    /// with the next sync; until then the old one tells less. Where the sync fails, bytes may be
    /// lost and a second one would not tell, so the upload ends and the stage goes.
    fn sync_stage(&mut self) -> Result<(), VfsError> {
        if let Err(e) = fdatasync(&self.file) {
            self.end(StageEnd::Remove);
            return Err(e.into());
        }
        self.write_label(self.len)
    }

    /// Makes what is kept of an interrupted upload durable with its label, or labels it alone.
    pub(super) fn make_resumable(&mut self, sync: Syncing) -> Result<(), VfsError> {
        if sync == Syncing::Later || !self.is_to_be_synced() {
            return self.label();
        }
        let is_synced =
            matches!(self.target, Target::Stage { label: Some(synced) } if synced == self.len);
        if is_synced {
            return Ok(());
        }
        fdatasync(&self.file)?;
        self.write_label(self.len)?;
        fsync(&self.file)?;
        self.staging.sync()
    }

    /// Labels the stage, unless it has a label.
    fn label(&mut self) -> Result<(), VfsError> {
        match self.target {
            Target::Stage { label: None } => self.write_label(0),
            Target::Stage { label: Some(_) } | Target::InPlace(_) => Ok(()),
        }
    }

    /// Lowers the label before the stage is cut to `len` bytes: other bytes may come behind them,
    /// which were not synced.
    pub(super) fn lower_label(&mut self, len: u64) -> Result<(), VfsError> {
        match self.target {
            Target::Stage {
                label: Some(synced),
            } if synced > len => {}
            Target::Stage { .. } | Target::InPlace(_) => return Ok(()),
        }
        self.write_label(len)?;
        if self.is_to_be_synced() {
            fsync(&self.file)?;
            self.staging.sync()?;
        }
        Ok(())
    }

    /// Labels the stage, of which `synced` bytes are on the disk.
    fn write_label(&mut self, synced: u64) -> Result<(), VfsError> {
        let name_at = &self.guard.writer.name_at;
        let label = Label {
            synced,
            born: name_at.folder.born,
            path: name_at.path(),
        };
        self.staging
            .set_label(name_at.key().stage, &self.file, &label)?;
        self.target = Target::Stage {
            label: Some(synced),
        };
        Ok(())
    }
}
