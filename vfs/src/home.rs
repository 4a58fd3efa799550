//! A user's home: a jail and an account. Reading operations.

use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use rustix::fs::{AtFlags, OFlags, statat};
use skiff_quota::{Ledger, Usage};

use crate::account::Names;
use crate::entry::{self, Kind};
use crate::folder::{Links, Resolved};
use crate::jail::Jail;
use crate::mount::Mounts;
use crate::{Download, Entry, Limit, Listing, Policy, VfsError, Worker};

/// A home, shared by all sessions of its user. Paths are relative to it; empty means the home.
#[derive(Debug)]
pub struct Home {
    pub(crate) jail: Jail,
    pub(crate) mounts: Mounts,
    pub(crate) ledger: Ledger,
    pub(crate) policy: Policy,
    pub(crate) names: Mutex<Names>,
    /// Whether something was found that the ledger cannot account for until the next scan.
    pub(crate) drifted: AtomicBool,
    /// Who the log speaks of.
    pub(crate) user: String,
}

impl Home {
    pub(crate) fn new(
        jail: Jail,
        policy: Policy,
        user: &str,
        limit: Limit,
    ) -> Result<Self, VfsError> {
        let mounts = Mounts::new(jail.root().try_clone_to_owned()?)?;
        Ok(Self {
            jail,
            mounts,
            ledger: Ledger::new(limit, Limit::ZERO),
            policy,
            names: Mutex::new(Names::new()),
            drifted: AtomicBool::new(false),
            user: user.to_owned(),
        })
    }

    /// What the home may hold, holds and has promised. Before the first scan `used` is zero.
    pub fn usage(&self) -> Usage {
        self.ledger.usage()
    }

    pub(crate) fn has_drifted(&self) -> bool {
        self.drifted.load(Ordering::Relaxed)
    }

    /// What is at `path`, links inside the home followed.
    pub fn stat(&self, worker: &Worker, path: &Path) -> Result<Entry, VfsError> {
        self.stat_by(worker, path, Links::Follow)
    }

    /// What is at `path`; a link is told as itself, wherever it leads.
    pub fn stat_link(&self, worker: &Worker, path: &Path) -> Result<Entry, VfsError> {
        self.stat_by(worker, path, Links::Keep)
    }

    fn stat_by(&self, _worker: &Worker, path: &Path, links: Links) -> Result<Entry, VfsError> {
        match self.resolve(path, links)? {
            Resolved::Folder(folder) => {
                let stat = statat(&folder, c"", AtFlags::EMPTY_PATH)?;
                let name = path.file_name().unwrap_or_default();
                Ok(Entry::new(name.to_owned(), &stat))
            }
            Resolved::Name(place, stat) => {
                let name = path
                    .file_name()
                    .map_or_else(|| place.name(), ToOwned::to_owned);
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
            Ok(folder) => Listing::directory(self, folder),
            Err(VfsError::NotADirectory) => Ok(Listing::one(self, self.stat(worker, path)?)),
            Err(e) => Err(e),
        }
    }

    /// Opens the file at `path` for reading.
    pub fn download(&self, _worker: &Worker, path: &Path) -> Result<Download, VfsError> {
        let Resolved::Name(place, stat) = self.resolve(path, Links::Follow)? else {
            return Err(VfsError::IsADirectory);
        };
        regular(entry::kind(&stat.ok_or(VfsError::NotFound)?))?;
        let file = place.open(OFlags::RDONLY)?;
        let stat = rustix::fs::fstat(file.as_fd())?;
        // It may have been replaced between the look and the opening.
        regular(entry::kind(&stat))?;
        Ok(Download::new(file, stat))
    }
}

/// Only regular files are opened: the rest may block, or do something.
pub(crate) fn regular(kind: Kind) -> Result<(), VfsError> {
    match kind {
        Kind::File => Ok(()),
        Kind::Directory => Err(VfsError::IsADirectory),
        Kind::Link | Kind::Other => Err(VfsError::NotRegular),
    }
}
