//! Reading a home.

mod cached;
pub(crate) mod download;
pub(crate) mod listing;
pub(crate) mod lookup;

use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{AtFlags, OFlags, statat};

use crate::entry::{self, check_regular};
use crate::home::Home;
use crate::home::resolve::{Links, Resolved};
use crate::{Download, Entry, Listing, VfsError, Worker};

impl Home {
    /// What is at `path`, links inside the home followed.
    pub fn stat(&self, worker: &Worker, path: &Path) -> Result<Entry, VfsError> {
        self.stat_by(worker, path, Links::Follow)
    }

    /// What is at `path`; a link is told as itself, wherever it leads.
    pub fn stat_link(&self, worker: &Worker, path: &Path) -> Result<Entry, VfsError> {
        self.stat_by(worker, path, Links::NoFollow)
    }

    fn stat_by(&self, _worker: &Worker, path: &Path, links: Links) -> Result<Entry, VfsError> {
        match self.resolve(path, links)? {
            Resolved::Folder(folder) => {
                let stat = statat(&folder, c"", AtFlags::EMPTY_PATH)?;
                let name = path.file_name().unwrap_or_default();
                Ok(Entry::new(name.to_owned(), &stat))
            }
            Resolved::Name(name_at, stat) => {
                let name = path
                    .file_name()
                    .map_or_else(|| name_at.name(), ToOwned::to_owned);
                Ok(Entry::new(name, &stat.ok_or(VfsError::NotFound)?))
            }
        }
    }

    /// Checks that `path` is a directory that may be entered.
    pub fn enter(&self, worker: &Worker, path: &Path) -> Result<(), VfsError> {
        match self.folder(path) {
            Ok(folder) => folder.check_search(),
            // A stage that a link leads to is no file either.
            Err(VfsError::NotADirectory) => {
                self.stat(worker, path).and(Err(VfsError::NotADirectory))
            }
            Err(e) => Err(e),
        }
    }

    /// Lists a directory, or one file.
    pub fn list(self: &Arc<Self>, worker: &Worker, path: &Path) -> Result<Listing, VfsError> {
        match self.folder(path) {
            Ok(folder) => Listing::open(self, folder),
            Err(VfsError::NotADirectory) => Ok(Listing::single(self, self.stat(worker, path)?)),
            Err(e) => Err(e),
        }
    }

    /// Opens the file at `path` for reading.
    pub fn download(&self, _worker: &Worker, path: &Path) -> Result<Download, VfsError> {
        let Resolved::Name(name_at, stat) = self.resolve(path, Links::Follow)? else {
            return Err(VfsError::IsADirectory);
        };
        check_regular(entry::kind(&stat.ok_or(VfsError::NotFound)?))?;
        let file = name_at.open(OFlags::RDONLY)?;
        let stat = rustix::fs::fstat(file.as_fd())?;
        // It may have been replaced between the look and the opening.
        check_regular(entry::kind(&stat))?;
        Ok(Download::new(file, stat))
    }
}
