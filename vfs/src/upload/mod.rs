//! [`Upload`]: a file that is being received, from the registration of its name to its publication.
//!
//! This folder holds everything that writes content: to a stage, or in place to a published file.
//! Stages that no upload has open are in `home/stages.rs`, their directories in `staging.rs`.

mod append;
mod begin;
mod checkpoint;
mod guard;
mod preallocate;
mod prepare;
mod publish;

use std::fs::File;
use std::io;
use std::os::fd::BorrowedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use rustix::io::{Errno, pread, read};
use rustix::pipe::SpliceFlags;
use skiff_quota::Amount;

use self::append::InPlace;
use self::checkpoint::{Progress, Syncing};
use self::guard::WriterGuard;
use self::preallocate::Preallocation;
use self::prepare::Preparation;
use self::publish::Ready;
use crate::entry::Modified;
use crate::home::Home;
use crate::home::charge::Charge;
use crate::jail::folder::NameKey;
use crate::owner::act_as;
use crate::staging::{Kept, StagingDir, mark_kept};
use crate::syscalls::{ftruncate, pwrite, splice};
use crate::{Digest, Durability, VfsError, Worker};

/// Bytes that are reserved at a time where no size was declared.
const RESERVE_STEP: u64 = 1 << 20;
/// Steps are reserved where so many bytes are left.
const PLENTY: u64 = 64 * RESERVE_STEP;
/// Bytes that are copied from a pipe at a time where the kernel cannot splice them.
const PIPE_BUFFER: usize = 16 * 1024;

/// Whether an upload or a rename may replace a published file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replace {
    Never,
    Existing,
}

/// Whether an upload may append to a published file in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Append {
    Never,
    Allowed,
}

/// The offset at which an upload begins or continues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At the end of the stage, whose bytes the caller verifies or cuts off.
    Stage,
    /// At this byte of the stage, or of the published file where there is no stage; 0 starts over.
    Offset(u64),
    /// At the end of the published file, in place, or else of the stage.
    End,
}

/// The parameters of an upload.
#[derive(Clone, Copy, Debug)]
pub struct UploadRequest {
    /// Bytes of the whole file; `None` where the peer does not declare them. They are reserved at
    /// once; another final size is no error.
    pub size: Option<u64>,
    pub start: Start,
    /// Whether it may take the place of a published file; appending to it is another matter.
    pub replace: Replace,
    pub append: Append,
    /// What is kept of the upload if it is interrupted.
    pub keep: Kept,
    /// The session that uploads, for [`VfsError::Busy`].
    pub owner: u64,
}

/// The result of [`Home::upload`].
#[derive(Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "nearly every upload is opened, and lives where it was made"
)]
pub enum UploadStart {
    /// A file of the declared size is published under the name already, and is not to be replaced.
    Complete {
        size: u64,
    },
    Open(Upload),
}

/// Size in bytes and mtime of a published file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    pub size: u64,
    pub modified: Modified,
}

/// A running upload. Dropping it is like [`Upload::suspend`]: the stage stays, charged and
/// resumable; what was appended in place is cut off.
#[derive(Debug)]
pub struct Upload {
    pub(crate) guard: WriterGuard,
    pub(crate) staging: Arc<StagingDir>,
    pub(crate) file: File,
    pub(crate) replace: Replace,
    target: Target,
    /// What is to be done to the file before the first byte; `None` once it is done.
    pending: Option<Preparation>,
    /// Bytes of the published file when the upload began; `None` where there was none.
    published: Option<u64>,
    /// Bytes that were there when the upload began.
    initial_len: u64,
    /// Bytes of the file now.
    len: u64,
    /// Bytes that the file may reach before more must be reserved.
    reserved_len: u64,
    /// The charge of what the name keeps beside that file.
    beside: Amount,
    preallocation: Preallocation,
    progress: Progress,
    /// How the stage is kept if the upload is interrupted, and what its mark says now.
    keep: Kept,
    kept: Kept,
    /// Set once the stage is ready to be renamed.
    ready: Option<Ready>,
    /// A flag that others set to prevent the publication.
    stop_flag: Arc<AtomicBool>,
}

/// The file that is written to.
#[derive(Debug)]
enum Target {
    /// `label` is what the stage's label says to be synced; `None` while it has no label.
    Stage {
        label: Option<u64>,
    },
    InPlace(InPlace),
}

impl Upload {
    /// Bytes that were there when the upload began: of the stage, or of the published file where
    /// the upload appends to it.
    pub fn initial_len(&self) -> u64 {
        self.initial_len
    }

    /// Bytes that are there now: of the stage, or of the published file where the upload appends to
    /// it.
    pub fn file_len(&self) -> u64 {
        self.len
    }

    /// The offset of the next byte in the file. It is right before [`Upload::prepare`] too.
    pub fn position(&self) -> u64 {
        match self.pending {
            Some(Preparation::Truncate(at)) => at,
            Some(Preparation::CopyPrefix { bytes, .. }) => bytes,
            Some(Preparation::BeginAppend) | None => self.len,
        }
    }

    /// The user whose home it is.
    pub fn user(&self) -> &str {
        &self.guard.home().user
    }

    /// The path of the target, relative to the home.
    pub fn path(&self) -> PathBuf {
        self.guard.writer.name_at.path()
    }

    /// Bytes that [`Upload::suspend`] would keep now; 0 where it would change nothing: where none
    /// came, or where they were appended in place.
    pub fn suspended_len(&self) -> u64 {
        if self.in_place().is_some() || self.pending.is_some() {
            return 0;
        }
        match (self.keep, self.kept) {
            (Kept::Whole, _) if self.len == self.initial_len => 0,
            (Kept::Whole, _) => self.len,
            (Kept::ButLastByte, Kept::ButLastByte) | (Kept::Nothing, _) => 0,
            (Kept::ButLastByte, _) => self.len.saturating_sub(1),
        }
    }

    /// Whether [`Upload::publish`] syncs the file to the disk.
    pub fn is_to_be_synced(&self) -> bool {
        self.guard.home().policy.durability == Durability::Fsync
    }

    /// True once another upload of the name was asked for while this one was silent: the caller is
    /// to end this one soon.
    pub fn is_cancelled(&self) -> bool {
        self.guard.writer.is_cancelled()
    }

    /// Lets `flag` prevent the publication: just before the file gets its name, [`Upload::publish`]
    /// reads it. Where it is set, nothing is published, the stage stays, and the error is
    /// [`VfsError::Stopped`].
    pub fn set_stop_flag(&mut self, flag: Arc<AtomicBool>) {
        self.stop_flag = flag;
    }

    /// [`VfsError::Stopped`] where the stop flag is set.
    pub(crate) fn check_stop_flag(&self) -> Result<(), VfsError> {
        match self.stop_flag.load(Ordering::Relaxed) {
            true => Err(VfsError::Stopped),
            false => Ok(()),
        }
    }

    /// Cuts off what is there, to start over at the first byte, or at the first appended one.
    pub fn restart(&mut self, worker: &Worker) -> Result<(), VfsError> {
        let _acting = self.guard.home().act(worker)?;
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

    /// Writes `data` at the end of the file. After an error [`Upload::file_len`] gives what was
    /// written.
    pub fn write(&mut self, worker: &Worker, data: &[u8]) -> Result<(), VfsError> {
        let _acting = self.guard.home().act(worker)?;
        self.append_with(worker, data.len() as u64, |upload| upload.append(data))
    }

    /// Like [`Upload::write`], with the `count` bytes that are in `pipe`, by splice(2) where the
    /// file system supports it. After an error the pipe may hold any part of them.
    pub fn write_from(
        &mut self,
        worker: &Worker,
        pipe: BorrowedFd<'_>,
        count: u64,
    ) -> Result<(), VfsError> {
        let _acting = self.guard.home().act(worker)?;
        self.append_with(worker, count, |upload| upload.append_spliced(pipe, count))
    }

    /// Prepares, reserves and preallocates for `more` bytes, writes them with `append`, and does
    /// what is due at a checkpoint.
    fn append_with(
        &mut self,
        worker: &Worker,
        more: u64,
        append: impl FnOnce(&mut Self) -> Result<(), VfsError>,
    ) -> Result<(), VfsError> {
        self.prepare(worker)?;
        if self.kept == Kept::ButLastByte && more > 0 {
            self.mark(Kept::Whole)?;
        }
        let end = self.len.saturating_add(more);
        if end > self.reserved_len {
            self.reserve_up_to(end)?;
        }
        if self.preallocation.is_due(self.len) {
            self.preallocate();
        }
        let written = append(self);
        let now_ms = self.guard.writer.touch();
        written?;
        self.pass_checkpoint(now_ms)
    }

    /// Reads at byte `offset` of the file into `buffer` and gives the count; 0 is the end.
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

    /// Renames the stage to its target, or confirms what was appended in place. With
    /// [`Durability::Fsync`] the file is on the disk when this returns. `modified` becomes its
    /// mtime; `digest`, by which the whole file was verified, is stored with it.
    ///
    /// After an error the target is as it was, and the stage stays where another attempt may publish
    /// it. Where the sync of the content failed the stage is removed too, as bytes may be lost;
    /// where only the sync of the name failed the target may be the new file. What was appended in
    /// place is cut off.
    pub fn publish(
        mut self,
        worker: &Worker,
        digest: Option<Digest>,
        modified: Option<SystemTime>,
    ) -> Result<Published, VfsError> {
        let _acting = self.guard.home().act(worker)?;
        self.prepare(worker)?;
        match self.in_place() {
            // After an error the drop cuts off what was appended.
            Some(was) => self.publish_in_place(was, digest, modified),
            None => self.publish_stage(digest, modified),
        }
    }

    /// Does what of [`Upload::publish`] comes before the file gets its name: with
    /// [`Durability::Fsync`] its bytes are on the disk then. An upload that is suspended after this
    /// is kept as usual.
    ///
    /// After an error the upload has ended, as after one of [`Upload::publish`].
    pub fn make_ready(&mut self, worker: &Worker) -> Result<(), VfsError> {
        let _acting = self.guard.home().act(worker)?;
        self.prepare(worker)?;
        match self.in_place() {
            Some(_) => {
                let durability = self.guard.home().policy.durability;
                self.sync_data(durability)
            }
            None => self.ready_stage(),
        }
    }

    /// Ends the upload and keeps the stage as [`UploadRequest::keep`] says, charged, for the next
    /// upload of the name to continue. With [`Durability::Fsync`] it is on the disk when this
    /// returns. A stage without bytes is removed. What was appended in place is cut off.
    pub fn suspend(mut self, _worker: &Worker) {
        self.end(StageEnd::Keep(Syncing::Now));
    }

    /// Ends the upload and removes the stage; a published file of the name stays as it was. An
    /// older stage that [`Upload::prepare`] was to cut, but has not yet, stays.
    pub fn discard(mut self, _worker: &Worker) {
        self.end(StageEnd::Remove);
    }

    /// The identity of the target.
    pub(crate) fn key(&self) -> NameKey {
        self.guard.writer.name_at.key()
    }

    /// Whether the name had a published file when the upload began.
    pub fn replaces(&self) -> bool {
        self.published.is_some()
    }

    /// Whether the stage has its label.
    pub(crate) fn is_labelled(&self) -> bool {
        matches!(self.target, Target::Stage { label: Some(_) })
    }

    /// Ends the upload without publication. A failure costs a label or leaves a stage that the next
    /// scan counts, so it is only logged: the caller could not do anything about it.
    pub(crate) fn end(&mut self, stage: StageEnd) {
        if !self.guard.is_open() {
            return;
        }
        let stage = match self.keep {
            Kept::Nothing => StageEnd::Remove,
            Kept::Whole | Kept::ButLastByte => stage,
        };
        let home = Arc::clone(self.guard.home());
        let _acting = match act_as(home.owner.as_ref()) {
            Ok(acting) => acting,
            Err(e) => return log::warn!("{}: an upload was not ended: {e}", home.user),
        };
        let is_untouched = matches!(
            self.pending,
            Some(Preparation::Truncate(_) | Preparation::BeginAppend)
        );
        let ended = match self.in_place() {
            _ if is_untouched => self.end_untouched(&home),
            Some(was) => {
                let sync = match stage {
                    StageEnd::Keep(sync) => sync,
                    StageEnd::Remove => Syncing::Now,
                };
                self.end_append(&home, was, sync)
            }
            None => match stage {
                StageEnd::Keep(sync) => {
                    if self.ready.take().is_some() {
                        self.open_stage_to_uploads();
                    }
                    self.end_keeping_stage(&home, sync)
                }
                StageEnd::Remove => self.end_removing_stage(&home),
            },
        };
        if let Err(e) = ended {
            log::warn!("{}: an upload ended untidily: {e}", home.user);
        }
    }

    /// Ends an upload that has not changed the file yet: the charge stays.
    fn end_untouched(&mut self, home: &Home) -> Result<(), VfsError> {
        let charge = self.guard.writer.charge;
        self.guard.settle(&mut home.state.lock(), charge);
        Ok(())
    }

    /// Cuts off the last byte where the stage must not hold all that came. A stage that has its
    /// mark already got no byte since it was cut.
    fn cut_last_byte(&mut self) -> Result<(), VfsError> {
        if self.keep == Kept::Whole || self.kept == Kept::ButLastByte {
            return Ok(());
        }
        self.truncate(self.len.saturating_sub(1))?;
        // Without the mark clients are told one byte less than there is, which does no harm.
        let _ = self.mark(Kept::ButLastByte);
        Ok(())
    }

    fn mark(&mut self, kept: Kept) -> Result<(), VfsError> {
        mark_kept(&self.file, kept)?;
        self.kept = kept;
        Ok(())
    }

    /// Ends the upload; what is kept of the stage stays, with its label and charge. One that does
    /// not fit into the quota beside the file that it was to replace is removed.
    fn end_keeping_stage(&mut self, home: &Home, sync: Syncing) -> Result<(), VfsError> {
        let cut = self.cut_last_byte();
        if self.len == 0 || cut.is_err() {
            return self.end_removing_stage(home).and(cut);
        }
        let now = Charge::of_sizes(self.published, Some(self.len));
        let more = now.total().minus(self.guard.covered());
        if let Err(refused) = home.extend(&mut self.guard, more) {
            log::info!(
                "{}: an unfinished upload of {} bytes is not kept: {refused}",
                home.user,
                self.len
            );
            return self.end_removing_stage(home);
        }
        let blocks_freed = self.free_unused_blocks();
        if let Err(e) = self.make_resumable(sync) {
            // Without a label nobody could go on with it, and after a failed sync nobody may.
            return self.end_removing_stage(home).and(Err(e));
        }
        self.guard.settle(&mut home.state.lock(), now);
        blocks_freed
    }

    /// Ends the upload and removes the stage with its charge.
    fn end_removing_stage(&mut self, home: &Home) -> Result<(), VfsError> {
        let mut state = home.state.lock();
        let removed = home.mark_stale_on_error(self.staging.remove(self.key().stage));
        let now = Charge::of_sizes(self.published, None);
        self.guard.settle(&mut state, now);
        drop(state);
        match self.target {
            // It would come back after a power loss.
            Target::Stage { label: Some(1..) } => {
                removed.and_then(|()| home.sync_stage_names(&self.staging))
            }
            Target::Stage { .. } | Target::InPlace(_) => removed,
        }
    }

    /// Reserves room for the file to reach `end` bytes: a whole step where there is plenty, so that
    /// this is called less often, else just the bytes that are needed. What an upload holds and does
    /// not need would be missing where many end at once with just the room that they all need.
    fn reserve_up_to(&mut self, end: u64) -> Result<(), VfsError> {
        let home = Arc::clone(self.guard.home());
        let needed = end - self.reserved_len;
        home.check_free_space(&self.file, needed)?;
        let is_plenty = home.ledger.usage().available().bytes >= PLENTY;
        let step = Amount::bytes(RESERVE_STEP);
        if needed > RESERVE_STEP || !is_plenty || self.guard.extend(step).is_err() {
            home.extend(&mut self.guard, Amount::bytes(needed))?;
        }
        self.reserved_len = self.guard.covered().minus(self.beside).bytes;
        Ok(())
    }

    /// Writes all of `data` at the end of the file.
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

    /// Moves `count` bytes from the pipe to the end of the file with splice(2).
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
                // The file system does not support splice(2).
                Err(Errno::INVAL | Errno::NOSYS) => return self.append_copied(pipe, count),
                Err(e) => return Err(e.into()),
            }
        }
        Ok(())
    }

    /// Copies `count` bytes from the pipe to the end of the file.
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

    /// Cuts the file to its first `len` bytes.
    fn truncate(&mut self, len: u64) -> Result<(), VfsError> {
        if len != self.len {
            self.lower_label(len)?;
            ftruncate(&self.file, len)?;
            self.preallocation.reset();
        }
        self.len = len;
        self.progress.reset(len);
        Ok(())
    }
}

impl Drop for Upload {
    /// Suspends the upload, but syncs nothing: a power loss takes what came after the last
    /// checkpoint.
    fn drop(&mut self) {
        self.end(StageEnd::Keep(Syncing::Later));
    }
}

/// What becomes of the stage of an upload that ends without publication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StageEnd {
    Keep(Syncing),
    Remove,
}
