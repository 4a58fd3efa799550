//! [`Listing`]: the entries of a directory, one at a time.

use std::sync::Arc;

use rustix::fs::{AtFlags, statat};
use rustix::io::Errno;

use crate::dir_reader::DirReader;
use crate::home::Home;
use crate::jail;
use crate::jail::folder::{Folder, is_link};
use crate::reading::folder_entry;
use crate::reading::link_target::link_target;
use crate::{Entry, Permissions, VfsError, Worker};

/// The entries of a directory, or of one file. It needs memory for one buffer of names and one
/// entry, whatever the directory's size.
///
/// The entry of a link is its own, as of lstat(2), and says where it leads. Stages and staging
/// directories are not listed.
#[derive(Debug)]
pub struct Listing {
    home: Arc<Home>,
    source: Source,
    entry: Entry,
    hidden: u64,
}

#[derive(Debug)]
enum Source {
    Directory(Box<(Folder, DirReader)>),
    /// One file, whose entry is filled in.
    Single,
    Done,
}

impl Listing {
    pub(crate) fn open(home: &Arc<Home>, folder: Folder) -> Result<Self, VfsError> {
        let reader = DirReader::open(&folder)?;
        Ok(Self::from_reader(home, folder, reader))
    }

    pub(crate) fn from_reader(home: &Arc<Home>, folder: Folder, reader: DirReader) -> Self {
        Self {
            home: Arc::clone(home),
            source: Source::Directory(Box::new((folder, reader))),
            entry: Entry::blank(),
            hidden: 0,
        }
    }

    pub(crate) fn single(home: &Arc<Home>, entry: Entry) -> Self {
        Self {
            home: Arc::clone(home),
            source: Source::Single,
            entry,
            hidden: 0,
        }
    }

    /// The next entry, in the order of the file system; `None` at the end.
    pub fn next(&mut self, worker: &Worker) -> Result<Option<&Entry>, VfsError> {
        Ok(self.advance(worker)?.then_some(&self.entry))
    }

    /// The entry that [`Listing::advance`] came to last.
    pub fn entry(&self) -> &Entry {
        &self.entry
    }

    /// Goes on to the next entry, in the order of the file system; false at the end.
    pub fn advance(&mut self, _worker: &Worker) -> Result<bool, VfsError> {
        let (folder, reader) = match &mut self.source {
            Source::Directory(open) => (&open.0, &mut open.1),
            Source::Single => {
                self.source = Source::Done;
                return Ok(true);
            }
            Source::Done => return Ok(false),
        };
        loop {
            let Some((_, name)) = reader.next()? else {
                return Ok(false);
            };
            if jail::is_staging_name(name.to_bytes()) {
                continue;
            }
            if jail::has_line_break(name.to_bytes()) {
                self.hidden += 1;
                continue;
            }
            match statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) if folder.mount.is_staging_dir(&stat) => {}
                Ok(stat) if is_link(&stat) => {
                    self.entry.set(name, &stat);
                    self.entry.target = link_target(&self.home, folder, name);
                    return Ok(true);
                }
                Ok(stat) => {
                    self.entry.set(name, &stat);
                    return Ok(true);
                }
                // The file was removed after its name was read.
                Err(Errno::NOENT) => {}
                Err(e) => return Err(e.into()),
            }
        }
    }

    /// The entry of the directory that is listed; `None` where the listing is of one file.
    pub fn folder(&self, _worker: &Worker) -> Result<Option<Entry>, VfsError> {
        match &self.source {
            Source::Directory(open) => folder_entry(&open.0).map(Some),
            Source::Single | Source::Done => Ok(None),
        }
    }

    /// What the file permissions let the daemon do with an entry of this listing; `folder` is what
    /// [`Listing::folder`] gave.
    pub fn permissions(&self, entry: &Entry, folder: Option<&Entry>) -> Permissions {
        self.home.permissions(entry, folder)
    }

    /// Whether the entries are those of a directory; else there is one, which the listing is of.
    pub fn is_directory(&self) -> bool {
        matches!(self.source, Source::Directory(_))
    }

    /// The number of names left out so far because they hold a CR or LF.
    pub fn hidden(&self) -> u64 {
        self.hidden
    }
}
