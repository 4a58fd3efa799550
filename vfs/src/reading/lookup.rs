//! Answers SIZE, MDTM (RFC 3659) and STOU (RFC 959), whose clients know nothing of stages.

use std::path::{Path, PathBuf};

use crate::entry::{self, Modified, check_regular};
use crate::home::Home;
use crate::home::charge::find_stage;
use crate::home::resolve::{Links, Resolved};
use crate::jail::folder::NameAt;
use crate::{VfsError, Worker};

/// Names that are tried for one that is free.
const TRIES_MAX: usize = 10_000;

/// The size of a name's published file or stage, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameSize {
    Published(u64),
    /// The stage of an interrupted upload, to a name without a published file. At least one byte
    /// more had come: see [`crate::Kept::ButLastByte`].
    Staged(u64),
    /// The name has a published file and the stage of an interrupted upload: a client could not
    /// tell which of the two sizes an upload would continue at.
    Both,
}

impl Home {
    /// The size of the file at `path`, or of the stage of an interrupted upload; links are followed
    /// where they stay in the home. What a running upload has written is not there yet:
    /// [`VfsError::NotFound`] for a new name, and the published file's size for any other.
    pub fn size(&self, worker: &Worker, path: &Path) -> Result<NameSize, VfsError> {
        let _acting = self.act(worker)?;
        let Resolved::Name(name_at, stat) = self.resolve(path, Links::Follow)? else {
            return Err(VfsError::IsADirectory);
        };
        if let Some(stat) = &stat {
            check_regular(entry::kind(stat))?;
        }
        match (stat, self.interrupted_stage(&name_at)?) {
            (Some(stat), None) => Ok(NameSize::Published(entry::size(&stat))),
            (None, Some(stage)) => Ok(NameSize::Staged(stage.told_size())),
            (Some(_), Some(_)) => Ok(NameSize::Both),
            (None, None) => Err(VfsError::NotFound),
        }
    }

    /// The mtime of the regular file at `path`, or of the stage of an interrupted upload where it has
    /// only that, see [`Home::size`]; links are followed where they stay in the home.
    pub fn modified_of(&self, worker: &Worker, path: &Path) -> Result<Modified, VfsError> {
        let _acting = self.act(worker)?;
        match self.stat(worker, path) {
            Ok(entry) => check_regular(entry.kind).map(|()| entry.modified),
            Err(VfsError::NotFound) => {
                let name_at = self.resolve_name(path, Links::Follow)?;
                let stage = self.interrupted_stage(&name_at)?;
                Ok(stage.ok_or(VfsError::NotFound)?.modified)
            }
            Err(e) => Err(e),
        }
    }

    /// A path that has neither a file nor a stage now: `path` itself, or `path` with the first free
    /// number after a dot. [`VfsError::Exists`] after 10,000 names. Another session may take it
    /// first, so the upload needs [`crate::Replace::Never`].
    pub fn free_name(&self, worker: &Worker, path: &Path) -> Result<PathBuf, VfsError> {
        let _acting = self.act(worker)?;
        let wanted = self.resolve_name(path, Links::NoFollow)?;
        if self.is_free(&wanted)? {
            return Ok(path.to_owned());
        }
        for number in 1..TRIES_MAX {
            let mut name = wanted.name();
            name.push(format!(".{number}"));
            if self.is_free(&wanted.sibling(&name)?)? {
                return Ok(path.with_file_name(name));
            }
        }
        Err(VfsError::Exists)
    }

    /// Whether the name has neither a file nor a stage, nor a running upload.
    fn is_free(&self, name_at: &NameAt) -> Result<bool, VfsError> {
        let is_running = self.state.lock().writers.contains_key(&name_at.key());
        Ok(!is_running && name_at.stat()?.is_none() && find_stage(name_at)?.is_none())
    }
}
