//! How an upload begins: the name is held, room is reserved, and nothing that was there is touched.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{Mode, OFlags, Stat, fstat};
use skiff_quota::Amount;

use super::append::InPlace;
use super::guard::Hold;
use super::preallocate::Ahead;
use super::prepare::Pending;
use super::{Replace, Start, Target, Upload, UploadRequest, UploadStart, next_checkpoint};
use crate::entry::{self, regular};
use crate::home::Home;
use crate::home::charge::{charge, published_size};
use crate::home::resolve::Links;
use crate::home::writers::{Names, Writer};
use crate::jail::folder::Place;
use crate::staging::{Origin, Staging};
use crate::{VfsError, Worker, digest};

impl Home {
    /// Begins or continues the upload of `path`, links inside the home followed. Where it is to
    /// go on at an offset that nothing there has: [`VfsError::BadOffset`].
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
            Claim::Held(held) => Ok(UploadStart::Open(held.open(staging, request)?)),
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
        let bytes = published.as_ref().map(published_size);
        let opened = Plan::new(request.start, bytes, staged)?.open(place, staged)?;
        // What was opened is what is charged, whatever had the name a moment ago.
        let published = opened.stat().or(published);
        let charged = charge(published.as_ref(), staged);
        let writer = Writer::new(place.clone(), charged, request.owner);
        Ok(Claim::Held(Box::new(Held {
            hold: Hold::new(self, names, writer)?,
            published: published.as_ref().map(published_size),
            staged,
            opened,
        })))
    }
}

enum Claim {
    Published(Stat),
    Held(Box<Held>),
}

fn complete(place: &Place, stat: &Stat) -> UploadStart {
    let file = place.open(OFlags::RDONLY).ok();
    let digests = file.and_then(|file| digest::recall(file, stat));
    UploadStart::Complete {
        size: entry::size(stat),
        digests,
        modified: entry::modified(stat),
    }
}

/// Where the bytes of an upload go, by what its name has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Plan {
    /// Behind what is staged, which is for the caller to prove or cut; else to a new stage.
    Stage,
    /// To a new stage, from its first byte.
    Fresh,
    /// Behind the first bytes of the stage there is.
    Continue(u64),
    /// Behind a copy of the first bytes of the published file.
    Copy(u64),
    /// Behind the published file.
    InPlace,
}

impl Plan {
    fn new(start: Start, published: Option<u64>, staged: Option<u64>) -> Result<Self, VfsError> {
        Ok(match (start, published, staged) {
            (Start::Stage, _, _) => Self::Stage,
            (Start::Offset(0), _, None) | (Start::End, None, None) => Self::Fresh,
            (Start::End, Some(_), _) => Self::InPlace,
            (Start::End, None, Some(staged)) => Self::Continue(staged),
            (Start::Offset(at), _, Some(staged)) if at <= staged => Self::Continue(at),
            (Start::Offset(at), Some(size), None) if at == size => Self::InPlace,
            (Start::Offset(at), Some(size), None) if at < size => Self::Copy(at),
            (Start::Offset(offset), _, _) => {
                let size = staged.or(published).unwrap_or(0);
                return Err(VfsError::BadOffset { offset, size });
            }
        })
    }

    /// Opens the published file, where it has a part in the plan.
    fn open(self, place: &Place, staged: Option<u64>) -> Result<Opened, VfsError> {
        Ok(match self {
            Self::Stage => Opened::Stage,
            Self::Fresh => Opened::Fresh,
            Self::Continue(at) => Opened::Continue(at),
            Self::Copy(bytes) => Opened::copy(place, bytes)?,
            Self::InPlace => {
                let (file, stat) = open_regular(place, OFlags::RDWR)?;
                match (stat.st_nlink, staged) {
                    (..=1, _) => Opened::InPlace { file, stat },
                    // Its other names are not to grow along, uncharged and perhaps outside the
                    // home: this name gets a file of its own.
                    (_, None) => Opened::copy(place, entry::size(&stat))?,
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
    fn copy(place: &Place, bytes: u64) -> Result<Self, VfsError> {
        let (source, stat) = open_regular(place, OFlags::RDONLY)?;
        Ok(Self::Copy {
            source,
            stat,
            bytes,
        })
    }

    fn stat(&self) -> Option<Stat> {
        match self {
            Self::Copy { stat, .. } | Self::InPlace { stat, .. } => Some(*stat),
            Self::Stage | Self::Fresh | Self::Continue(_) => None,
        }
    }
}

fn open_regular(place: &Place, flags: OFlags) -> Result<(OwnedFd, Stat), VfsError> {
    let file = place.open(flags)?;
    let stat = fstat(&file)?;
    // It may have been replaced between the look and the opening.
    regular(entry::kind(&stat))?;
    Ok((file, stat))
}

/// A name that is held, and how its upload goes on.
struct Held {
    hold: Hold,
    published: Option<u64>,
    staged: Option<u64>,
    opened: Opened,
}

impl Held {
    fn open(mut self, staging: Arc<Staging>, request: &UploadRequest) -> Result<Upload, VfsError> {
        let home = Arc::clone(self.hold.home());
        let size = request.size.unwrap_or(0);
        let more = Amount::new(size, 1).minus(self.hold.writer.charged);
        home.extend(&mut self.hold, more)?;
        home.check_floor(staging.fd(), size.saturating_sub(self.there()))?;
        let staged = self.staged.unwrap_or(0);
        let mut upload = self.into_upload(staging, request)?;
        // A stage longer than the file to come is of another file.
        let is_of_another = request.size.is_some_and(|size| size < staged);
        if request.start == Start::Stage && is_of_another {
            upload.cut(0)?;
            upload.have = 0;
        }
        Ok(upload)
    }

    /// Bytes of the file to come that the disk has already.
    fn there(&self) -> u64 {
        match self.opened {
            Opened::Stage => self.staged.unwrap_or(0),
            Opened::Continue(at) => at,
            Opened::Fresh | Opened::Copy { .. } => 0,
            Opened::InPlace { .. } => self.published.unwrap_or(0),
        }
    }

    fn into_upload(
        self,
        staging: Arc<Staging>,
        request: &UploadRequest,
    ) -> Result<Upload, VfsError> {
        let Self {
            hold,
            published,
            staged,
            opened,
        } = self;
        let key = hold.writer.place.key().stage;
        let origin = if staged.is_some() {
            Origin::Old
        } else {
            Origin::New
        };
        // What a new file is to have, so that it need not be changed. Nobody else looks into the
        // directory of stages.
        let mode = Mode::from_raw_mode(hold.home().policy.file_mode & 0o777);
        let stage = || staging.open(key, mode | Mode::RUSR | Mode::WUSR, origin);
        let in_stage = Target::Stage {
            labelled: staged.is_some(),
        };
        let staged_bytes = staged.unwrap_or(0);
        let declared = request.size.unwrap_or(0);
        let ahead = match origin {
            Origin::New => Ahead::of_new(declared),
            Origin::Old => Ahead::of_old(declared),
        };
        let (file, target, pending, have) = match opened {
            Opened::Stage | Opened::Fresh => (stage()?, in_stage, None, staged_bytes),
            Opened::Continue(at) => (stage()?, in_stage, Some(Pending::Cut(at)), staged_bytes),
            Opened::Copy { source, bytes, .. } => {
                let pending = Pending::Copy { source, bytes };
                (stage()?, in_stage, Some(pending), 0)
            }
            Opened::InPlace { file, stat } => {
                let in_place = Target::InPlace(InPlace::new(&stat, staged_bytes));
                (file, in_place, Some(Pending::Append), entry::size(&stat))
            }
        };
        Ok(Upload {
            room: hold.room(),
            hold,
            staging,
            file: file.into(),
            target,
            pending,
            published,
            have,
            len: have,
            ahead,
            flushed: have,
            checkpoint: next_checkpoint(have),
            forsaken: Default::default(),
            replace: request.replace,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cell_of_the_table_has_its_plan() {
        use Start::{End, Offset};
        let refused = |start, published, staged| match Plan::new(start, published, staged) {
            Err(VfsError::BadOffset { offset, size }) => (offset, size),
            other => panic!("{other:?}"),
        };
        let plan = |start, published, staged| Plan::new(start, published, staged).unwrap();

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
    }
}
