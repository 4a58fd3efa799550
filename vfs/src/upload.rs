//! A file on its way in: written to its stage, under a hold on its name and on room for it.

use std::fs::File;
use std::num::NonZeroU64;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{Advice, Mode, Stat, fadvise, ftruncate};
use rustix::io::{Errno, pread, pwrite};
use skiff_quota::Amount;

use crate::account::{Hold, NameKey, Names, Writer, charge, published_size};
use crate::entry::{self, Modified};
use crate::folder::{Links, Place};
use crate::home::{Home, regular};
use crate::staging::{Origin, Staging};
use crate::{Digests, Durability, VfsError, Worker, digest};

/// Bytes asked for at a time where no size was declared.
const STEP: u64 = 1 << 20;
/// Bytes between two checkpoints: the disk's floor is looked at, and the kernel asked to start
/// writing, so that the final sync is short (1 GiB: 4 ms instead of 280).
const CHECKPOINT: u64 = 8 << 20;
/// A stage of this many bytes is labelled while it is written; shorter ones when they are
/// interrupted. One that a crash leaves unlabelled is dropped by the scan that follows.
const LABELLED_FROM: u64 = 1 << 20;

/// Whether an upload may take the place of a published file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replace {
    Never,
    Existing,
}

/// What an uploader says beforehand.
#[derive(Clone, Copy, Debug)]
pub struct UploadRequest {
    /// Bytes of the whole file, where the peer declares them. They are reserved at once; a
    /// different final size is no error.
    pub size: Option<u64>,
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

/// A running upload. Dropped, it is suspended: the stage stays, charged and resumable.
#[derive(Debug)]
pub struct Upload {
    pub(crate) hold: Hold,
    pub(crate) staging: Arc<Staging>,
    pub(crate) file: File,
    pub(crate) replace: Replace,
    /// Size of the published file of that name when the upload began.
    published: Option<u64>,
    have: u64,
    len: u64,
    /// Bytes that may be staged before more room must be held.
    room: u64,
    /// How far the kernel was asked to write.
    flushed: u64,
    /// Staged bytes at which the next checkpoint is due.
    checkpoint: u64,
    labelled: bool,
}

impl Home {
    /// Begins or continues the upload of `path`, links inside the home followed.
    pub fn upload(
        self: &Arc<Self>,
        _worker: &Worker,
        path: &Path,
        request: &UploadRequest,
    ) -> Result<UploadStart, VfsError> {
        let resolve = || {
            let place = self.place(path, Links::Follow)?;
            let staging = place.folder.mount.make_staging()?;
            Ok((place, staging))
        };
        let ((place, staging), mut names) = self.lock_with(resolve)?;
        let claim = self.claim(&mut names, &place, &staging, request)?;
        drop(names);
        match claim {
            Claim::Published(stat) => Ok(complete(&place, &stat)),
            Claim::Held {
                hold,
                published,
                staged,
            } => {
                let upload = Upload::begin(hold, staging, published, staged, request)?;
                Ok(UploadStart::Open(upload))
            }
        }
    }

    /// Makes the name the uploader's own, if nobody else writes it.
    fn claim(
        self: &Arc<Self>,
        names: &mut Names,
        place: &Place,
        staging: &Staging,
        request: &UploadRequest,
    ) -> Result<Claim, VfsError> {
        let key = place.key();
        if let Some(writer) = names.writers.get(&key) {
            return Err(writer.contest(self.policy.writer_silence));
        }
        let published = place.stat()?;
        if let Some(stat) = published {
            regular(entry::kind(&stat))?;
            if request.replace == Replace::Never {
                let same = request.size == Some(entry::size(&stat));
                return if same {
                    Ok(Claim::Published(stat))
                } else {
                    Err(VfsError::Exists)
                };
            }
        }
        let staged = staging.size(key.stage)?;
        let charged = charge(published.as_ref(), staged);
        let writer = Writer::new(place.clone(), charged, request.owner);
        let hold = Hold::new(self, names, writer)?;
        Ok(Claim::Held {
            hold,
            published: published.as_ref().map(published_size),
            staged,
        })
    }
}

enum Claim {
    Published(Stat),
    Held {
        hold: Hold,
        published: Option<u64>,
        staged: Option<u64>,
    },
}

fn complete(place: &Place, stat: &Stat) -> UploadStart {
    let file = place.open(rustix::fs::OFlags::RDONLY).ok();
    let digests = file.and_then(|file| digest::recall(file, stat));
    UploadStart::Complete {
        size: entry::size(stat),
        digests,
        modified: entry::modified(stat),
    }
}

impl Upload {
    fn begin(
        mut hold: Hold,
        staging: Arc<Staging>,
        published: Option<u64>,
        staged: Option<u64>,
        request: &UploadRequest,
    ) -> Result<Self, VfsError> {
        let home = Arc::clone(hold.home());
        let more = Amount::new(request.size.unwrap_or(0), 1).minus(hold.writer.charged);
        home.extend(&mut hold, more)?;
        let staged_bytes = staged.unwrap_or(0);
        home.check_floor(
            staging.fd(),
            request.size.unwrap_or(0).saturating_sub(staged_bytes),
        )?;
        let origin = if staged.is_some() {
            Origin::Old
        } else {
            Origin::New
        };
        let key = hold.writer.place.key().stage;
        let file = staging.open(key, Mode::RUSR | Mode::WUSR, origin)?.into();
        let mut upload = Self {
            room: hold.room(),
            hold,
            staging,
            file,
            replace: request.replace,
            published,
            have: staged_bytes,
            len: staged_bytes,
            flushed: staged_bytes,
            checkpoint: next_checkpoint(staged_bytes),
            labelled: staged.is_some(),
        };
        // A stage longer than the file to come is of another file.
        if request.size.is_some_and(|size| size < staged_bytes) {
            upload.cut()?;
            upload.have = 0;
        }
        Ok(upload)
    }

    /// Bytes that were staged when it began.
    pub fn have(&self) -> u64 {
        self.have
    }

    /// Bytes that are staged now.
    pub fn staged(&self) -> u64 {
        self.len
    }

    /// Whether another upload of the same name has asked for it: end this one soon.
    pub fn cancelled(&self) -> bool {
        self.hold.writer.cancelled()
    }

    /// Starts over from the first byte.
    pub fn restart(&mut self, _worker: &Worker) -> Result<(), VfsError> {
        self.cut()
    }

    /// Appends `data`. After an error what [`Upload::staged`] says is staged and the rest not.
    pub fn write(&mut self, _worker: &Worker, data: &[u8]) -> Result<(), VfsError> {
        let end = self.len.saturating_add(data.len() as u64);
        if end > self.room {
            self.widen(end)?;
        }
        let written = self.append(data);
        self.hold.writer.touch();
        written?;
        if self.len >= self.checkpoint {
            self.pass_checkpoint()
        } else {
            Ok(())
        }
    }

    /// Reads what is staged; 0 is its end.
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

    /// Stops for now: the stage stays, charged, and the next upload of the name continues it.
    /// With nothing staged there is nothing to continue, and no stage stays.
    pub fn suspend(mut self, _worker: &Worker) {
        self.end(Fate::Kept);
    }

    /// Stops for good: the stage goes, a published file of that name stays.
    pub fn discard(mut self, _worker: &Worker) {
        self.end(Fate::Dropped);
    }

    pub(crate) fn key(&self) -> NameKey {
        self.hold.writer.place.key()
    }

    /// Whether the name had a file when the upload began.
    pub(crate) fn replaces(&self) -> bool {
        self.published.is_some()
    }

    pub(crate) fn is_labelled(&self) -> bool {
        self.labelled
    }

    /// Ends the upload unpublished. What fails on the way costs a label or leaves a stage that
    /// the next scan counts, which is for the log: the caller has nothing to do about it.
    pub(crate) fn end(&mut self, fate: Fate) {
        let home = Arc::clone(self.hold.home());
        let ended = match fate {
            Fate::Kept if self.len > 0 => self.end_kept(&home),
            Fate::Kept | Fate::Dropped => self.end_dropped(&home),
        };
        if let Err(e) = ended {
            log::warn!("{}: an upload ended untidily: {e}", home.user);
        }
    }

    fn end_kept(&mut self, home: &Home) -> Result<(), VfsError> {
        let labelled = self.label();
        let now = Amount::new(self.published.unwrap_or(0).max(self.len), 1);
        self.hold.settle(&mut home.names.lock(), now);
        labelled
    }

    fn end_dropped(&mut self, home: &Home) -> Result<(), VfsError> {
        let mut names = home.names.lock();
        let removed = home.noting_drift(self.staging.remove(self.key().stage));
        let now = Amount::new(
            self.published.unwrap_or(0),
            u64::from(self.published.is_some()),
        );
        self.hold.settle(&mut names, now);
        removed
    }

    /// Holds room for the stage to reach `end` bytes: a step of it where it fits, to come back
    /// less often, else just that.
    fn widen(&mut self, end: u64) -> Result<(), VfsError> {
        let home = Arc::clone(self.hold.home());
        let needed = end - self.room;
        home.check_floor(&self.file, needed)?;
        if needed > STEP || self.hold.extend(Amount::bytes(STEP)).is_err() {
            home.extend(&mut self.hold, Amount::bytes(needed))?;
        }
        self.room = self.hold.room();
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

    fn pass_checkpoint(&mut self) -> Result<(), VfsError> {
        self.checkpoint = next_checkpoint(self.len);
        self.label()?;
        let home = Arc::clone(self.hold.home());
        home.check_floor(&self.file, 0)?;
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
        if !self.labelled {
            let place = &self.hold.writer.place;
            self.staging
                .set_label(place.key().stage, self.file.as_fd(), &place.path())?;
            self.labelled = true;
        }
        Ok(())
    }

    fn cut(&mut self) -> Result<(), VfsError> {
        ftruncate(&self.file, 0)?;
        (self.len, self.flushed) = (0, 0);
        self.checkpoint = next_checkpoint(0);
        Ok(())
    }
}

/// The first comes early, for the label.
fn next_checkpoint(staged: u64) -> u64 {
    if staged < LABELLED_FROM {
        LABELLED_FROM
    } else {
        staged.saturating_add(CHECKPOINT)
    }
}

impl Drop for Upload {
    /// Suspends. Nothing here waits for data: a label or a removal at most.
    fn drop(&mut self) {
        if self.hold.is_open() {
            self.end(Fate::Kept);
        }
    }
}

/// What becomes of the stage of an upload that is not published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Kept,
    Dropped,
}
