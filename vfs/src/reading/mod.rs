//! Reads a home: stat, listings, downloads, and what FTP clients ask of a name.
//!
//! This folder holds operations that change neither names nor content and take no lock of the
//! home. Uploads are in `upload/`, all other changes in `changing/`.

mod cached;
pub(crate) mod download;
mod link_target;
pub(crate) mod listing;
pub(crate) mod lookup;
pub(crate) mod names_ahead;
pub(crate) mod plain;
pub(crate) mod survey;

use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{AtFlags, OFlags};

use self::link_target::link_target;
use crate::entry::{self, check_regular};
use crate::home::Home;
use crate::home::resolve::{Links, Resolved};
use crate::jail::folder::Folder;
use crate::syscalls;
use crate::syscalls::statat;
use crate::{Download, Entry, Kind, Listing, Permissions, VfsError, Worker};

impl Home {
    /// The entry of what is at `path`; links are followed where they stay in the home.
    pub fn stat(&self, worker: &Worker, path: &Path) -> Result<Entry, VfsError> {
        let _acting = self.act(worker)?;
        self.stat_by(worker, path, Links::Follow)
    }

    /// The entry of what is at `path`; the entry of a link is its own, as of lstat(2), and says
    /// where it leads.
    pub fn stat_link(&self, worker: &Worker, path: &Path) -> Result<Entry, VfsError> {
        let _acting = self.act(worker)?;
        self.stat_by(worker, path, Links::NoFollow)
    }

    /// What [`Home::stat_link`] gives, and the permissions.
    pub fn stat_link_permitted(
        &self,
        worker: &Worker,
        path: &Path,
    ) -> Result<(Entry, Permissions), VfsError> {
        let _acting = self.act(worker)?;
        let resolved = self.resolve(path, Links::NoFollow)?;
        let folder = match &resolved {
            Resolved::Folder(_) => None,
            Resolved::Name(name_at, _) => Some(folder_entry(&name_at.folder)?),
        };
        let entry = self.entry_of(path, resolved)?;
        let permissions = self.permissions(&entry, folder.as_ref());
        Ok((entry, permissions))
    }

    fn stat_by(&self, _worker: &Worker, path: &Path, links: Links) -> Result<Entry, VfsError> {
        let resolved = self.resolve(path, links)?;
        self.entry_of(path, resolved)
    }

    fn entry_of(&self, path: &Path, resolved: Resolved) -> Result<Entry, VfsError> {
        match resolved {
            Resolved::Folder(folder) => folder_entry(&folder),
            Resolved::Name(name_at, stat) => {
                let name = path
                    .file_name()
                    .map_or_else(|| name_at.name(), ToOwned::to_owned);
                let mut entry = Entry::new(name, &stat.ok_or(VfsError::NotFound)?);
                if entry.kind == Kind::Link {
                    entry.target = link_target(self, &name_at.folder, name_at.leaf());
                }
                Ok(entry)
            }
        }
    }

    /// Fails unless `path` is a directory in which names may be looked up.
    pub fn check_enter(&self, worker: &Worker, path: &Path) -> Result<(), VfsError> {
        let _acting = self.act(worker)?;
        match self.folder(path) {
            Ok(folder) => folder.check_search(),
            // A link to a stage: `stat` gives NotFound, and nothing else is told of it.
            Err(VfsError::NotADirectory) => {
                self.stat(worker, path).and(Err(VfsError::NotADirectory))
            }
            Err(e) => Err(e),
        }
    }

    /// Starts a listing of the directory at `path`, or of the one file there. A link to a directory
    /// is followed; any other link is the one file, whether what it leads to is there or not.
    pub fn list(self: &Arc<Self>, worker: &Worker, path: &Path) -> Result<Listing, VfsError> {
        let _acting = self.act(worker)?;
        let error = match self.folder(path) {
            Ok(folder) => return Listing::open(self, folder),
            Err(error) => error,
        };
        let single = match &error {
            VfsError::NotADirectory => self.stat_link(worker, path)?,
            // What a link leads to may be missing or outside: the link itself is there.
            VfsError::NotFound | VfsError::Escapes => match self.stat_link(worker, path) {
                Ok(entry) if entry.kind == Kind::Link => entry,
                _ => return Err(error),
            },
            _ => return Err(error),
        };
        Ok(Listing::single(self, single))
    }

    /// Opens the regular file at `path` for reading; links are followed where they stay in the
    /// home.
    pub fn download(&self, worker: &Worker, path: &Path) -> Result<Download, VfsError> {
        let _acting = self.act(worker)?;
        let Resolved::Name(name_at, stat) = self.resolve(path, Links::Follow)? else {
            return Err(VfsError::IsADirectory);
        };
        check_regular(entry::kind(&stat.ok_or(VfsError::NotFound)?))?;
        let file = name_at.open(OFlags::RDONLY)?;
        let stat = syscalls::fstat(file.as_fd())?;
        // Another file may have got the name between the look and the opening.
        check_regular(entry::kind(&stat))?;
        Ok(Download::new(file, stat, self.owner.clone()))
    }
}

/// The entry of an open directory, named as the last component of its path.
fn folder_entry(folder: &Folder) -> Result<Entry, VfsError> {
    let stat = statat(folder, c"", AtFlags::EMPTY_PATH)?;
    let name = folder.path.file_name().unwrap_or_default();
    Ok(Entry::new(name.to_owned(), &stat))
}
