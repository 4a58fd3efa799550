//! Opens uploads under the names that the account's rights give them.

use std::path::Path;
use std::sync::Arc;

use skiff_sessions::path::VirtualPath;
use skiff_sessions::rights::{Grant, IfTaken, Right};
use skiff_sessions::server::{Completion, StreamStart};
use skiff_sessions::wire::command::Replace;
use skiff_sessions::wire::reply::Refusal;
use skiff_vfs::{Append, Home, Kept, Start, Upload, UploadRequest, UploadStart, VfsError, Worker};

use super::jobs::{Answer, SILENT, below, virtual_path};
use super::open_file::OpenFile;

/// Numbers that are tried for a name which others take at the same moment.
const TRIES_MAX: usize = 16;

/// An upload as a session asks for it.
pub(super) struct Wanted<'a> {
    pub(super) path: &'a VirtualPath,
    pub(super) grant: Grant,
    /// The number of the connection.
    pub(super) owner: u64,
    pub(super) sharing: Sharing,
}

/// Whether a name may be another user's too.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Sharing {
    Own,
    /// Nothing is kept of an upload that breaks off: who continued it could be somebody else.
    Shared,
}

impl Sharing {
    fn kept(self, own: Kept) -> Kept {
        match self {
            Self::Own => own,
            Self::Shared => Kept::Nothing,
        }
    }
}

/// Why an upload does not begin.
pub(super) enum NotOpened {
    Refused(Refusal),
    Failed(VfsError),
}

impl From<VfsError> for NotOpened {
    fn from(error: VfsError) -> Self {
        Self::Failed(error)
    }
}

impl Wanted<'_> {
    /// Opens an upload of the native dialect, of `size` bytes.
    pub(super) fn open(
        &self,
        worker: &Worker,
        home: &Arc<Home>,
        size: u64,
        replace: Replace,
    ) -> Result<Answer, NotOpened> {
        let may_replace = self.grant.rights.has(Right::Replace);
        let request = UploadRequest {
            size: Some(size),
            start: Start::Stage,
            replace: match replace {
                Replace::Yes if may_replace => skiff_vfs::Replace::Existing,
                Replace::Yes | Replace::Never => skiff_vfs::Replace::Never,
            },
            append: Append::Never,
            keep: self.sharing.kept(Kept::Whole),
            owner: self.owner,
        };
        let asks_to_replace = replace == Replace::Yes;
        let begun = self.begin(worker, home, &request);
        let begun = begun.map_err(|why| self.judged(why.into(), asks_to_replace, Right::Replace));
        let (start, name) = begun?;
        match start {
            UploadStart::Complete { .. } if asks_to_replace => Err(no(Right::Replace)),
            // Whoever may read it can compare.
            UploadStart::Complete { .. } if self.grant.rights.has(Right::Get) => {
                Ok((Completion::AlreadyThere, None))
            }
            UploadStart::Complete { .. } => Err(VfsError::Exists.into()),
            UploadStart::Open(upload) => Ok(opened(upload.initial_len(), name, upload)),
        }
    }

    /// Opens an upload that comes as a stream, of `size` bytes where that is known.
    pub(super) fn open_stream(
        &self,
        worker: &Worker,
        home: &Arc<Home>,
        size: Option<u64>,
        start: StreamStart,
    ) -> Result<Answer, NotOpened> {
        let has = |right| self.grant.rights.has(right);
        let request = UploadRequest {
            size,
            replace: match has(Right::Replace) {
                true => skiff_vfs::Replace::Existing,
                false => skiff_vfs::Replace::Never,
            },
            append: match has(Right::Append) {
                true => Append::Allowed,
                false => Append::Never,
            },
            keep: self.sharing.kept(Kept::ButLastByte),
            start: match start {
                StreamStart::Offset(offset) => Start::Offset(offset),
                StreamStart::End => Start::End,
            },
            owner: self.owner,
        };
        let needed = match start {
            StreamStart::End => Right::Append,
            StreamStart::Offset(_) => Right::Replace,
        };
        let begun = self.begin(worker, home, &request);
        let (begun, name) = begun.map_err(|why| self.judged(why.into(), true, needed))?;
        let UploadStart::Open(mut upload) = begun else {
            return Err(no(needed));
        };
        // What an older upload left is cut off before the client is told to send: else, where not
        // one byte came, it would go on behind another file's bytes.
        if start == StreamStart::Offset(0) {
            upload.prepare(worker)?;
        }
        Ok(opened(upload.position(), name, upload))
    }

    /// Begins it under its own name, or, where that is taken and the account is not to learn of it,
    /// under one with a number.
    fn begin(
        &self,
        worker: &Worker,
        home: &Arc<Home>,
        request: &UploadRequest,
    ) -> Result<(UploadStart, Option<VirtualPath>), VfsError> {
        let wanted = below(self.path);
        if self.sharing == Sharing::Shared {
            // Left by a crash. Where an upload runs, its end is told below.
            let _ = home.drop_stage(worker, wanted);
        }
        let mut begun = home.upload(worker, wanted, request);
        let mut name = None;
        for _ in 0..TRIES_MAX {
            if self.grant.if_taken == IfTaken::Refused || !is_taken(&begun) {
                break;
            }
            let free = home.free_name(worker, wanted)?;
            begun = home.upload(worker, &free, request);
            name = Some(free);
        }
        let name = name.map(|name: std::path::PathBuf| as_virtual(&name));
        Ok((begun?, name.transpose()?))
    }

    /// Says which right is missing, where that is why a taken name is refused.
    fn judged(&self, why: NotOpened, asks_to_replace: bool, needed: Right) -> NotOpened {
        match why {
            NotOpened::Failed(VfsError::Exists)
                if asks_to_replace && !self.grant.rights.has(needed) =>
            {
                no(needed)
            }
            other => other,
        }
    }
}

fn is_taken(begun: &Result<UploadStart, VfsError>) -> bool {
    match begun {
        Ok(UploadStart::Complete { .. }) | Err(VfsError::Exists) => true,
        Err(VfsError::Busy { silent, .. }) => *silent < SILENT,
        Ok(UploadStart::Open(_)) | Err(_) => false,
    }
}

fn no(right: Right) -> NotOpened {
    NotOpened::Refused(Refusal::NoRight(right))
}

fn as_virtual(name: &Path) -> Result<VirtualPath, VfsError> {
    virtual_path(name).ok_or(VfsError::BadName)
}

fn opened(have: u64, name: Option<VirtualPath>, upload: Upload) -> Answer {
    (
        Completion::Upload { have, name },
        Some(OpenFile::Upload(Box::new(upload))),
    )
}
