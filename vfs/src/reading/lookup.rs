//! What a name has, published and staged, as it is told to peers who know of no stages.

use std::path::{Path, PathBuf};

use crate::entry::{self, Modified, check_regular};
use crate::home::Home;
use crate::home::charge::find_stage;
use crate::home::resolve::{Links, Resolved};
use crate::jail::folder::NameAt;
use crate::{VfsError, Worker};

/// Names that are tried where one that nothing has is wanted.
const TRIES_MAX: usize = 10_000;

/// Bytes of what a name has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SizeOf {
    Published(u64),
    /// Of an upload that was interrupted or runs, to a name that nothing has yet.
    Staged(u64),
    /// The name has a file and an upload in place of it: no single number is safe to go on from.
    Both,
}

impl Home {
    /// The size of the file at `path`, links inside the home followed, or of its stage.
    pub fn size(&self, _worker: &Worker, path: &Path) -> Result<SizeOf, VfsError> {
        let Resolved::Name(name_at, stat) = self.resolve(path, Links::Follow)? else {
            return Err(VfsError::IsADirectory);
        };
        if let Some(stat) = &stat {
            check_regular(entry::kind(stat))?;
        }
        match (stat, find_stage(&name_at)?) {
            (Some(stat), None) => Ok(SizeOf::Published(entry::size(&stat))),
            (None, Some((_, size))) => Ok(SizeOf::Staged(size)),
            (Some(_), Some(_)) => Ok(SizeOf::Both),
            (None, None) => Err(VfsError::NotFound),
        }
    }

    /// When what is at `path` was last changed, links inside the home followed; of a name that has
    /// only a stage, when that was.
    pub fn modified_of(&self, worker: &Worker, path: &Path) -> Result<Modified, VfsError> {
        match self.stat(worker, path) {
            Ok(entry) => Ok(entry.modified),
            Err(VfsError::NotFound) => {
                let stage = self.stage(worker, path)?.ok_or(VfsError::NotFound)?;
                Ok(stage.modified)
            }
            Err(e) => Err(e),
        }
    }

    /// A name beside `path` that nothing published or staged has at the moment: itself, or with
    /// the first free number behind it. [`VfsError::Exists`] after 10,000 names. Another session
    /// may take it first, which an upload with [`crate::Replace::Never`] is told.
    pub fn unique(&self, _worker: &Worker, path: &Path) -> Result<PathBuf, VfsError> {
        let wanted = self.resolve_name(path, Links::NoFollow)?;
        if is_free(&wanted)? {
            return Ok(path.to_owned());
        }
        for number in 1..TRIES_MAX {
            let mut name = wanted.name();
            name.push(format!(".{number}"));
            if is_free(&wanted.sibling(&name)?)? {
                return Ok(path.with_file_name(name));
            }
        }
        Err(VfsError::Exists)
    }
}

fn is_free(name_at: &NameAt) -> Result<bool, VfsError> {
    Ok(name_at.stat()?.is_none() && find_stage(name_at)?.is_none())
}
