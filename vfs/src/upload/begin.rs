//! Begins an upload: registers a writer for the name, reserves room and opens the file. No file is
//! changed until [`Upload::prepare`].

use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{Mode, OFlags, Stat};
use rustix::io::Errno;
use skiff_quota::Amount;

use super::append::InPlace;
use super::checkpoint::Progress;
use super::guard::WriterGuard;
use super::preallocate::Preallocation;
use super::prepare::Preparation;
use super::{Append, Replace, Start, Target, Upload, UploadRequest, UploadStart};
use crate::entry::{self, check_regular};
use crate::home::Home;
use crate::home::charge::{Charge, published_size};
use crate::home::resolve::Links;
use crate::home::writers::{HomeState, Writer};
use crate::jail::check_length;
use crate::jail::folder::NameAt;
use crate::staging::{Kept, Stage, StageOpen, StagingDir};
use crate::syscalls::fstat;
use crate::{VfsError, Worker};

impl Home {
    /// Begins or continues the upload to `path`; links are followed where they stay in the home.
    /// [`VfsError::BadOffset`] where neither the stage nor the published file reaches the offset
    /// of `request`, [`VfsError::Busy`] where another upload of the name runs,
    /// [`VfsError::Forbidden`] where it could not be published, [`VfsError::BadName`] for a path of
    /// more than 4095 bytes.
    pub fn upload(
        self: &Arc<Self>,
        worker: &Worker,
        path: &Path,
        request: &UploadRequest,
    ) -> Result<UploadStart, VfsError> {
        let _acting = self.act(worker)?;
        let resolve = || {
            let name_at = self.resolve_name(path, Links::Follow)?;
            check_length(&name_at.path())?;
            let staging = name_at.folder.mount.make_staging()?;
            Ok((name_at, staging))
        };
        let ((name_at, staging), mut state) = self.resolve_and_lock(resolve)?;
        let claim = self.claim_name(&mut state, &name_at, request)?;
        drop(state);
        match claim {
            Claim::Published(stat) => Ok(UploadStart::Complete {
                size: entry::size(&stat),
            }),
            Claim::Claimed(claimed) => Ok(UploadStart::Open(claimed.open(staging, request)?)),
        }
    }

    /// Registers a writer for the name, if no other upload of it runs.
    fn claim_name(
        self: &Arc<Self>,
        state: &mut HomeState,
        name_at: &NameAt,
        request: &UploadRequest,
    ) -> Result<Claim, VfsError> {
        let key = name_at.key();
        if let Some(writer) = state.writers.get(&key) {
            return Err(writer.cancel_if_silent(self.policy.writer_silence));
        }
        let published = name_at.stat()?;
        if let Some(stat) = published {
            check_regular(entry::kind(&stat))?;
            if (request.replace, request.append) == (Replace::Never, Append::Never) {
                let same = request.size == Some(entry::size(&stat));
                return if same {
                    Ok(Claim::Published(stat))
                } else {
                    Err(VfsError::Exists)
                };
            }
        }
        let stage = self.claim_stage(state, name_at)?.map(|(_, stage)| stage);
        check_apart(published.as_ref(), stage)?;
        let staged = stage.map(|stage| stage.size);
        let bytes = published.as_ref().map(published_size);
        let plan = Plan::new(request.start, bytes, stage)?;
        if published.is_some() && !plan.is_allowed(request) {
            return Err(VfsError::Exists);
        }
        let opened = plan.open(name_at, staged)?;
        // The file that was opened is the one to be charged: the name may have got another one.
        let published = opened.stat().or(published);
        if opened.is_to_be_renamed() {
            name_at.folder.check_control(published.as_ref())?;
        }
        let charge = Charge::of_sizes(published.as_ref().map(published_size), staged);
        let writer = Writer::new(name_at.clone(), charge, request.owner);
        Ok(Claim::Claimed(Box::new(ClaimedName {
            guard: WriterGuard::new(self, state, writer)?,
            published: published.as_ref().map(published_size),
            stage,
            // A copy that is appended to takes the place of what it was copied from.
            replace: match plan {
                Plan::InPlace => Replace::Existing,
                _ => request.replace,
            },
            opened,
        })))
    }
}

/// Fails where the published file and the stage are one file, although it has one name by its
/// count: the file system needs a check, and whatever is done to the one is done to the other.
fn check_apart(published: Option<&Stat>, stage: Option<Stage>) -> Result<(), VfsError> {
    match (published, stage) {
        (Some(published), Some(stage)) if published.st_ino == stage.inode => {
            Err(Errno::UCLEAN.into())
        }
        _ => Ok(()),
    }
}

/// What became of the name.
enum Claim {
    /// The declared file is published already, and is not to be replaced.
    Published(Stat),
    /// A writer is registered.
    Claimed(Box<ClaimedName>),
}

/// Where the bytes of an upload are written, by what its name has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Plan {
    /// After the bytes of the stage, which the caller verifies or cuts off; else to a new stage.
    Stage,
    /// To a new stage, from its first byte.
    Fresh,
    /// After this many bytes of the existing stage.
    Continue(u64),
    /// To a new stage, after a copy of this many bytes of the published file.
    Copy(u64),
    /// After the bytes of the published file, in that file.
    InPlace,
}

impl Plan {
    /// The plan for `start`, where the published file has `published` bytes; `None` where there is
    /// none.
    fn new(start: Start, published: Option<u64>, stage: Option<Stage>) -> Result<Self, VfsError> {
        let staged = stage.map(|stage| stage.size);
        Ok(match (start, published, staged) {
            (Start::Stage, _, _) => Self::Stage,
            (Start::Offset(0), _, None) | (Start::End, None, None) => Self::Fresh,
            (Start::End, Some(_), _) => Self::InPlace,
            // Where a client that was told the stage's size believes the end to be.
            (Start::End, None, Some(_)) => Self::Continue(stage.map_or(0, |s| s.told_size())),
            (Start::Offset(at), _, Some(staged)) if at <= staged => Self::Continue(at),
            (Start::Offset(at), Some(size), None) if at == size => Self::InPlace,
            (Start::Offset(at), Some(size), None) if at < size => Self::Copy(at),
            (Start::Offset(offset), _, _) => {
                let size = staged.or(published).unwrap_or(0);
                return Err(VfsError::BadOffset { offset, size });
            }
        })
    }

    /// Whether a published file may be treated so.
    fn is_allowed(self, request: &UploadRequest) -> bool {
        match self {
            Self::InPlace => request.append == Append::Allowed,
            Self::Stage | Self::Fresh | Self::Continue(_) | Self::Copy(_) => {
                request.replace == Replace::Existing
            }
        }
    }

    /// Opens the published file, if the plan needs it.
    fn open(self, name_at: &NameAt, staged: Option<u64>) -> Result<Opened, VfsError> {
        Ok(match self {
            Self::Stage => Opened::Stage,
            Self::Fresh => Opened::Fresh,
            Self::Continue(at) => Opened::Continue(at),
            Self::Copy(bytes) => Opened::copy(name_at, bytes)?,
            Self::InPlace => {
                let (file, stat) = open_regular(name_at, OFlags::RDWR)?;
                match (stat.st_nlink, staged) {
                    (..=1, _) => Opened::InPlace { file, stat },
                    // The file has other names, perhaps outside the home, which would grow without
                    // a charge: this name gets a file of its own.
                    (_, None) => Opened::copy(name_at, entry::size(&stat))?,
                    (_, Some(_)) => return Err(VfsError::Forbidden),
                }
            }
        })
    }
}

/// A plan with the published file open.
enum Opened {
    Stage,
    Fresh,
    Continue(u64),
    Copy {
        source: OwnedFd,
        stat: Stat,
        bytes: u64,
    },
    InPlace {
        file: OwnedFd,
        stat: Stat,
    },
}

impl Opened {
    fn copy(name_at: &NameAt, bytes: u64) -> Result<Self, VfsError> {
        let (source, stat) = open_regular(name_at, OFlags::RDONLY)?;
        Ok(Self::Copy {
            source,
            stat,
            bytes,
        })
    }

    /// Whether the upload ends in a rename of its stage.
    fn is_to_be_renamed(&self) -> bool {
        match self {
            Self::Stage | Self::Fresh | Self::Continue(_) | Self::Copy { .. } => true,
            Self::InPlace { .. } => false,
        }
    }

    fn stat(&self) -> Option<Stat> {
        match self {
            Self::Copy { stat, .. } | Self::InPlace { stat, .. } => Some(*stat),
            Self::Stage | Self::Fresh | Self::Continue(_) => None,
        }
    }
}

/// Opens the file that has the name; fails unless it is a regular file.
fn open_regular(name_at: &NameAt, flags: OFlags) -> Result<(OwnedFd, Stat), VfsError> {
    let file = name_at.open(flags)?;
    let stat = fstat(&file)?;
    // Another file may have got the name between the look and the opening.
    check_regular(entry::kind(&stat))?;
    Ok((file, stat))
}

/// A name with a registered writer, and the plan of its upload.
struct ClaimedName {
    guard: WriterGuard,
    published: Option<u64>,
    stage: Option<Stage>,
    replace: Replace,
    opened: Opened,
}

impl ClaimedName {
    fn open(
        mut self,
        staging: Arc<StagingDir>,
        request: &UploadRequest,
    ) -> Result<Upload, VfsError> {
        let home = Arc::clone(self.guard.home());
        let size = request.size.unwrap_or(0);
        let beside = self.beside();
        let whole = Amount::new(size, 1).plus(beside);
        let more = whole.minus(self.guard.covered());
        home.extend(&mut self.guard, more)?;
        home.check_free_space(staging.fd(), size.saturating_sub(self.bytes_on_disk()))?;
        let staged = self.stage.map_or(0, |stage| stage.size);
        let mut upload = self.into_upload(staging, request)?;
        // A stage with more bytes than are declared holds another file.
        let is_of_another = request.size.is_some_and(|size| size < staged);
        if request.start == Start::Stage && is_of_another {
            upload.truncate(0)?;
            upload.initial_len = 0;
        }
        Ok(upload)
    }

    /// The charge of what the name keeps beside the file that is written to.
    fn beside(&self) -> Amount {
        match self.opened {
            Opened::InPlace { .. } => self.guard.writer.charge.staged,
            _ => Amount::ZERO,
        }
    }

    /// Bytes of the file to come that are on the disk already.
    fn bytes_on_disk(&self) -> u64 {
        match self.opened {
            Opened::Stage => self.stage.map_or(0, |stage| stage.size),
            Opened::Continue(at) => at,
            Opened::Fresh | Opened::Copy { .. } => 0,
            Opened::InPlace { .. } => self.published.unwrap_or(0),
        }
    }

    fn into_upload(
        self,
        staging: Arc<StagingDir>,
        request: &UploadRequest,
    ) -> Result<Upload, VfsError> {
        let beside = self.beside();
        let Self {
            guard,
            published,
            stage: found,
            replace,
            opened,
        } = self;
        let key = guard.writer.name_at.key().stage;
        let how = match found {
            Some(_) => StageOpen::Existing,
            None => StageOpen::Create,
        };
        // The stage has the mode of a new file, so that it need not be changed later: the
        // directory of stages is closed to others.
        let mode = Mode::from_raw_mode(guard.home().policy.file_mode & 0o777);
        let stage = || staging.open(key, mode | Mode::RUSR | Mode::WUSR, how);
        let label = found.map(|_| staging.label(key)).transpose()?.flatten();
        let in_stage = Target::Stage {
            label: label.map(|label| label.synced),
        };
        let staged_bytes = found.map_or(0, |stage| stage.size);
        let declared = request.size.unwrap_or(0);
        let preallocation = match how {
            StageOpen::Create => Preallocation::for_new_stage(declared),
            StageOpen::Existing => Preallocation::for_existing_stage(declared),
        };
        let (file, target, pending, initial_len) = match opened {
            Opened::Stage | Opened::Fresh => (stage()?, in_stage, None, staged_bytes),
            Opened::Continue(at) => (
                stage()?,
                in_stage,
                Some(Preparation::Truncate(at)),
                staged_bytes,
            ),
            Opened::Copy { source, bytes, .. } => {
                let pending = Preparation::CopyPrefix { source, bytes };
                (stage()?, in_stage, Some(pending), 0)
            }
            Opened::InPlace { file, stat } => {
                let in_place = InPlace::new(&stat, found.map(|stage| stage.size));
                let pending = Some(Preparation::BeginAppend);
                (file, Target::InPlace(in_place), pending, entry::size(&stat))
            }
        };
        Ok(Upload {
            reserved_len: guard.covered().minus(beside).bytes,
            beside,
            guard,
            staging,
            file: file.into(),
            target,
            pending,
            published,
            initial_len,
            len: initial_len,
            preallocation,
            progress: Progress::at(initial_len),
            ready: None,
            stop_flag: Arc::default(),
            replace,
            keep: request.keep,
            kept: found.map_or(Kept::Whole, |stage| stage.kept),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::time::SystemTime;

    use super::*;
    use crate::staging::StageKey;

    #[test]
    fn every_cell_of_the_table_has_its_plan() {
        use Start::{End, Offset};
        let stage = |size| Stage {
            key: StageKey::new(1, OsStr::new("name")),
            size,
            modified: SystemTime::UNIX_EPOCH.into(),
            kept: Kept::ButLastByte,
            inode: 1,
            links: 1,
        };
        let new =
            |start, published, staged: Option<u64>| Plan::new(start, published, staged.map(stage));
        let refused = |start, published, staged| match new(start, published, staged) {
            Err(VfsError::BadOffset { offset, size }) => (offset, size),
            other => panic!("{other:?}"),
        };
        let plan = |start, published, staged| new(start, published, staged).unwrap();

        assert_eq!(plan(End, None, None), Plan::Fresh);
        assert_eq!(plan(Offset(0), None, None), Plan::Fresh);
        assert_eq!(refused(Offset(1), None, None), (1, 0));

        assert_eq!(plan(End, None, Some(5)), Plan::Continue(5));
        assert_eq!(plan(Offset(0), None, Some(5)), Plan::Continue(0));
        assert_eq!(plan(Offset(5), None, Some(5)), Plan::Continue(5));
        assert_eq!(refused(Offset(6), None, Some(5)), (6, 5));

        assert_eq!(plan(End, Some(9), None), Plan::InPlace);
        assert_eq!(plan(End, Some(0), None), Plan::InPlace);
        assert_eq!(plan(Offset(0), Some(9), None), Plan::Fresh);
        assert_eq!(plan(Offset(0), Some(0), None), Plan::Fresh);
        assert_eq!(plan(Offset(8), Some(9), None), Plan::Copy(8));
        assert_eq!(plan(Offset(9), Some(9), None), Plan::InPlace);
        assert_eq!(refused(Offset(10), Some(9), None), (10, 9));

        assert_eq!(plan(End, Some(9), Some(5)), Plan::InPlace);
        assert_eq!(plan(Offset(0), Some(9), Some(5)), Plan::Continue(0));
        assert_eq!(plan(Offset(5), Some(9), Some(5)), Plan::Continue(5));
        assert_eq!(refused(Offset(6), Some(9), Some(5)), (6, 5));
        assert_eq!(refused(Offset(9), Some(9), Some(5)), (9, 5));

        // SIZE has told one byte less of a stage that holds all that came.
        let whole = |size| Stage {
            kept: Kept::Whole,
            ..stage(size)
        };
        for (size, end) in [(5, 4), (1, 0)] {
            let plan = Plan::new(End, None, Some(whole(size))).unwrap();
            assert_eq!(plan, Plan::Continue(end));
        }
    }
}
