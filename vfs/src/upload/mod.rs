//! A file on its way in: written to its stage, under a hold on its name and on room for it.

mod append;
mod begin;
mod guard;
mod preallocate;
mod prepare;
mod publish;

use std::fs::File;
use std::io;
use std::num::NonZeroU64;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;
use std::time::{Duration, Instant};

use rustix::fs::{Advice, fadvise, ftruncate};
use rustix::io::{Errno, pread, pwrite, read};
use rustix::pipe::{SpliceFlags, splice};
use skiff_quota::Amount;

use self::append::InPlace;
use self::guard::WriterGuard;
use self::preallocate::Preallocation;
use self::prepare::Preparation;
use crate::entry::Modified;
use crate::home::Home;
use crate::jail::folder::NameKey;
use crate::staging::StagingDir;
use crate::{Digest, Digests, Durability, VfsError, Worker};

/// Bytes asked for at a time where no size was declared.
const RESERVE_STEP: u64 = 1 << 20;
/// Bytes between two checkpoints: the disk's floor is looked at, and the kernel asked to start
/// writing, so that the final sync is short (1 GiB: 4 ms instead of 280).
const CHECKPOINT: u64 = 8 << 20;
/// A stage of this many bytes is labelled while it is written; shorter ones when they are
/// interrupted. One that a crash leaves unlabelled is dropped by the scan that follows.
const LABEL_MIN: u64 = 1 << 20;

/// Bytes that are copied out of a pipe at a time.
const PIPE_BUFFER: usize = 16 * 1024;

/// Where nothing is synced, and so nothing is meant to be waited for.
const UNSYNCED_GRACE_MAX: Duration = Duration::from_micros(250);

/// Whether an upload may take the place of a published file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replace {
    Never,
    Existing,
}

/// Where an upload's bytes go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Behind what is staged, which is for the caller to prove or to cut.
    Stage,
    /// At this offset of what the name has, its stage before its published file; 0 starts over.
    Offset(u64),
    /// Behind what the name has: its published file, in place, or else its stage.
    End,
}

/// What an uploader says beforehand.
#[derive(Clone, Copy, Debug)]
pub struct UploadRequest {
    /// Bytes of the whole file, where the peer declares them. They are reserved at once; a
    /// different final size is no error.
    pub size: Option<u64>,
    pub start: Start,
    pub replace: Replace,
    /// Whoever uploads, as told to others in [`VfsError::Busy`].
    pub owner: u64,
}

/// How an upload begins.
#[derive(Debug)]
pub enum UploadStart {
    /// A file of that name and of the declared size is published, and is not to be replaced.
    Complete {
        size: u64,
        digests: Option<Digests>,
        modified: Modified,
    },
    Open(Upload),
}

/// What was published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    pub size: u64,
    pub modified: Modified,
}

/// A running upload. Dropped, it is suspended: the stage stays, charged and resumable; a file that
/// was appended to in place is cut back.
#[derive(Debug)]
pub struct Upload {
    pub(crate) guard: WriterGuard,
    pub(crate) staging: Arc<StagingDir>,
    pub(crate) file: File,
    pub(crate) replace: Replace,
    target: Target,
    /// What is to be done before the first byte.
    pending: Option<Preparation>,
    /// Size of the published file of that name when the upload began.
    published: Option<u64>,
    have: u64,
    len: u64,
    /// Bytes that the file may reach before more room must be held.
    reserved_len: u64,
    preallocation: Preallocation,
    /// How far the kernel was asked to write.
    flushed: u64,
    /// Bytes of the file at which the next checkpoint is due.
    checkpoint: u64,
    /// Set by others when nobody wants the file any more; not looked at before this time.
    stop_flag: (Arc<AtomicBool>, Option<Instant>),
}

/// Which file the bytes go to.
#[derive(Debug)]
enum Target {
    Stage { labelled: bool },
    InPlace(InPlace),
}

impl Upload {
    /// Bytes that were there when it began: staged, or published where it appends in place.
    pub fn have(&self) -> u64 {
        self.have
    }

    /// Bytes of the file now: staged, or of the published file where it appends in place.
    pub fn staged(&self) -> u64 {
        self.len
    }

    /// The offset in the file of the next byte, known before [`Upload::prepare`].
    pub fn position(&self) -> u64 {
        match self.pending {
            Some(Preparation::Truncate(at)) => at,
            Some(Preparation::CopyPrefix { bytes, .. }) => bytes,
            Some(Preparation::ForgetDigests) | None => self.len,
        }
    }

    /// Whether publishing waits until the disk has it all.
    pub fn is_to_be_synced(&self) -> bool {
        self.guard.home().policy.durability == Durability::Fsync
    }

    /// Whether another upload of the same name has asked for it: end this one soon.
    pub fn cancelled(&self) -> bool {
        self.guard.writer.cancelled()
    }

    /// From now on `flag` is looked at last thing before the file gets its name, and not before
    /// `grace` is over, the sync included: where it is set, nothing is published, and the stage
    /// stays. Who wants no sync wants no long wait either.
    pub fn heed(&mut self, flag: Arc<AtomicBool>, grace: Duration) {
        let grace = match self.guard.home().policy.durability {
            Durability::Fsync => grace,
            Durability::None => grace.min(UNSYNCED_GRACE_MAX),
        };
        self.stop_flag = (flag, Some(Instant::now() + grace));
    }

    pub(crate) fn check_stop_flag(&self) -> Result<(), VfsError> {
        let (flag, from) = &self.stop_flag;
        let wait = from.map_or(Duration::ZERO, |from| {
            from.saturating_duration_since(Instant::now())
        });
        if !wait.is_zero() {
            std::thread::sleep(wait);
        }
        match flag.load(Ordering::Relaxed) {
            true => Err(VfsError::Stopped),
            false => Ok(()),
        }
    }

    /// Starts over: from the first byte, or from the first that is appended in place.
    pub fn restart(&mut self, _worker: &Worker) -> Result<(), VfsError> {
        match self.in_place() {
            Some(_) if self.pending.is_some() => Ok(()),
            Some(was) => self.undo_append(was),
            None => {
                self.truncate(0)?;
                self.pending = None;
                Ok(())
            }
        }
    }

    /// Appends `data`. After an error what [`Upload::staged`] says is there and the rest not.
    pub fn write(&mut self, worker: &Worker, data: &[u8]) -> Result<(), VfsError> {
        self.append_with(worker, data.len() as u64, |upload| upload.append(data))
    }

    /// Appends the `count` bytes that wait in a pipe, which the kernel moves where it can.
    /// After an error the pipe is of no more use; else as [`Upload::write`].
    pub fn write_from(
        &mut self,
        worker: &Worker,
        pipe: BorrowedFd<'_>,
        count: u64,
    ) -> Result<(), VfsError> {
        self.append_with(worker, count, |upload| upload.append_spliced(pipe, count))
    }

    fn append_with(
        &mut self,
        worker: &Worker,
        more: u64,
        append: impl FnOnce(&mut Self) -> Result<(), VfsError>,
    ) -> Result<(), VfsError> {
        self.prepare(worker)?;
        let end = self.len.saturating_add(more);
        if end > self.reserved_len {
            self.reserve_up_to(end)?;
        }
        if self.preallocation.is_due(self.len) {
            self.preallocate();
        }
        let written = append(self);
        self.guard.writer.touch();
        written?;
        if self.len >= self.checkpoint {
            self.pass_checkpoint()
        } else {
            Ok(())
        }
    }

    /// Reads what is in the file; 0 is its end.
    pub fn read_at(
        &self,
        _worker: &Worker,
        offset: u64,
        buffer: &mut [u8],
    ) -> Result<usize, VfsError> {
        loop {
            match pread(&self.file, &mut *buffer, offset) {
                Err(Errno::INTR) => {}
                other => return Ok(other?),
            }
        }
    }

    /// Publishes what is staged under its name, or confirms what was appended in place. With
    /// [`Durability::Fsync`] it is on the disk when this returns. `modified` becomes its time,
    /// `digest`, which the whole file was verified by, is remembered with it.
    ///
    /// After an error the name has what it had and the stage stays; but if the disk may have lost
    /// staged bytes the stage goes, and if only the final sync of the name failed, the new file
    /// may have the name. What was appended in place is cut off.
    pub fn publish(
        mut self,
        worker: &Worker,
        digest: Option<Digest>,
        modified: Option<SystemTime>,
    ) -> Result<Published, VfsError> {
        self.prepare(worker)?;
        match self.in_place() {
            // After an error the drop cuts.
            Some(was) => self.publish_in_place(was, digest, modified),
            None => self.publish_stage(digest, modified),
        }
    }

    /// Stops for now: the stage stays, charged, and the next upload of the name continues it.
    /// With nothing staged there is nothing to continue, and no stage stays. A file that was
    /// appended to in place is cut back.
    pub fn suspend(mut self, _worker: &Worker) {
        self.end(StageEnd::Keep);
    }

    /// Stops for good: the stage goes, a published file of that name stays as it was. A stage that
    /// was there before stays too if nothing was prepared.
    pub fn discard(mut self, _worker: &Worker) {
        self.end(StageEnd::Remove);
    }

    pub(crate) fn key(&self) -> NameKey {
        self.guard.writer.name_at.key()
    }

    /// Whether the name had a file when the upload began.
    pub fn replaces(&self) -> bool {
        self.published.is_some()
    }

    pub(crate) fn is_labelled(&self) -> bool {
        matches!(self.target, Target::Stage { labelled: true })
    }

    /// Ends the upload unpublished. What fails on the way costs a label or leaves a stage that
    /// the next scan counts, which is for the log: the caller has nothing to do about it.
    pub(crate) fn end(&mut self, stage: StageEnd) {
        let home = Arc::clone(self.guard.home());
        let ended = match (&self.pending, &self.target) {
            (Some(Preparation::Truncate(_) | Preparation::ForgetDigests), _) => {
                self.end_untouched(&home)
            }
            (None, Target::InPlace(was)) => self.end_append(&home, *was),
            _ if stage == StageEnd::Keep && self.len > 0 => self.end_keeping_stage(&home),
            _ => self.end_removing_stage(&home),
        };
        if let Err(e) = ended {
            log::warn!("{}: an upload ended untidily: {e}", home.user);
        }
    }

    /// What was there is there still, and charged as it was.
    fn end_untouched(&mut self, home: &Home) -> Result<(), VfsError> {
        let charged = self.guard.writer.charged;
        self.guard.settle(&mut home.state.lock(), charged);
        Ok(())
    }

    fn end_keeping_stage(&mut self, home: &Home) -> Result<(), VfsError> {
        let blocks_freed = self.free_unused_blocks();
        let labelled = self.label();
        let now = Amount::new(self.published.unwrap_or(0).max(self.len), 1);
        self.guard.settle(&mut home.state.lock(), now);
        blocks_freed.and(labelled)
    }

    fn end_removing_stage(&mut self, home: &Home) -> Result<(), VfsError> {
        let mut state = home.state.lock();
        let removed = home.mark_stale_on_error(self.staging.remove(self.key().stage));
        let now = Amount::new(
            self.published.unwrap_or(0),
            u64::from(self.published.is_some()),
        );
        self.guard.settle(&mut state, now);
        removed
    }

    /// Holds room for the file to reach `end` bytes: a step of it where it fits, to come back
    /// less often, else just that.
    fn reserve_up_to(&mut self, end: u64) -> Result<(), VfsError> {
        let home = Arc::clone(self.guard.home());
        let needed = end - self.reserved_len;
        home.check_free_space(&self.file, needed)?;
        if needed > RESERVE_STEP || self.guard.extend(Amount::bytes(RESERVE_STEP)).is_err() {
            home.extend(&mut self.guard, Amount::bytes(needed))?;
        }
        self.reserved_len = self.guard.reserved_len();
        Ok(())
    }

    fn append(&mut self, mut data: &[u8]) -> Result<(), VfsError> {
        while !data.is_empty() {
            match pwrite(&self.file, data, self.len) {
                Ok(0) => return Err(VfsError::DiskFull),
                Ok(written) => {
                    self.len += written as u64;
                    data = &data[written..];
                }
                Err(Errno::INTR) => {}
                Err(e) => return Err(e.into()),
            }
        }
        Ok(())
    }

    fn append_spliced(&mut self, pipe: BorrowedFd<'_>, mut count: u64) -> Result<(), VfsError> {
        while count > 0 {
            let (most, mut at) = (usize::try_from(count).unwrap_or(usize::MAX), self.len);
            match splice(
                pipe,
                None,
                &self.file,
                Some(&mut at),
                most,
                SpliceFlags::MOVE,
            ) {
                Ok(0) => return Err(VfsError::DiskFull),
                Ok(moved) => {
                    self.len += moved as u64;
                    count -= moved as u64;
                }
                Err(Errno::INTR) => {}
                // A file system that cannot: the bytes are copied.
                Err(Errno::INVAL | Errno::NOSYS) => return self.append_copied(pipe, count),
                Err(e) => return Err(e.into()),
            }
        }
        Ok(())
    }

    fn append_copied(&mut self, pipe: BorrowedFd<'_>, mut count: u64) -> Result<(), VfsError> {
        let mut buffer = [0; PIPE_BUFFER];
        while count > 0 {
            let most = buffer
                .len()
                .min(usize::try_from(count).unwrap_or(PIPE_BUFFER));
            match read(pipe, &mut buffer[..most]) {
                Ok(0) => return Err(VfsError::Io(io::ErrorKind::UnexpectedEof.into())),
                Ok(got) => {
                    self.append(&buffer[..got])?;
                    count -= got as u64;
                }
                Err(Errno::INTR) => {}
                Err(e) => return Err(e.into()),
            }
        }
        Ok(())
    }

    fn pass_checkpoint(&mut self) -> Result<(), VfsError> {
        self.checkpoint = next_checkpoint(self.len);
        self.label()?;
        let home = Arc::clone(self.guard.home());
        home.check_free_space(&self.file, 0)?;
        match home.policy.durability {
            Durability::Fsync => self.start_writeback(),
            Durability::None => Ok(()),
        }
    }

    /// Asks the kernel to start writing what was staged since the last time, without waiting.
    /// Linux starts writeback of a range that is declared not needed; sync_file_range(2) would
    /// say it better and has no safe binding.
    fn start_writeback(&mut self) -> Result<(), VfsError> {
        let length = NonZeroU64::new(self.len - self.flushed);
        fadvise(&self.file, self.flushed, length, Advice::DontNeed)?;
        self.flushed = self.len;
        Ok(())
    }

    fn label(&mut self) -> Result<(), VfsError> {
        if let Target::Stage { labelled } = &mut self.target
            && !*labelled
        {
            let name_at = &self.guard.writer.name_at;
            self.staging
                .set_label(name_at.key().stage, self.file.as_fd(), &name_at.path())?;
            *labelled = true;
        }
        Ok(())
    }

    /// Cuts the file to its first `len` bytes.
    fn truncate(&mut self, len: u64) -> Result<(), VfsError> {
        if len != self.len {
            ftruncate(&self.file, len)?;
            self.preallocation.reset();
        }
        (self.len, self.flushed) = (len, len);
        self.checkpoint = next_checkpoint(len);
        Ok(())
    }
}

/// The first comes early, for the label.
fn next_checkpoint(staged: u64) -> u64 {
    if staged < LABEL_MIN {
        LABEL_MIN
    } else {
        staged.saturating_add(CHECKPOINT)
    }
}

impl Drop for Upload {
    /// Suspends. Nothing here waits for data: a label or a removal at most.
    fn drop(&mut self) {
        if self.guard.is_open() {
            self.end(StageEnd::Keep);
        }
    }
}

/// What becomes of the stage of an upload that is not published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StageEnd {
    Keep,
    Remove,
}
