//! The entries of a directory, streamed.

use std::ffi::{CStr, OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::sync::Arc;

use rustix::fs::{AtFlags, Stat, statat};
use rustix::io::Errno;

use crate::folder::{Folder, Links, Resolved, is_link};
use crate::home::Home;
use crate::jail;
use crate::reader::DirReader;
use crate::{Entry, VfsError, Worker};

/// A directory being listed, or one file. Memory is one batch of names, whatever the size.
///
/// Links inside the home show what they lead to; a link that dangles or leads out shows as
/// [`crate::Kind::Link`]. Stages and staging directories are not listed.
#[derive(Debug)]
pub struct Listing {
    home: Arc<Home>,
    source: Source,
    hidden: u64,
}

#[derive(Debug)]
enum Source {
    Directory(Box<(Folder, DirReader)>),
    One(Option<Entry>),
}

impl Listing {
    pub(crate) fn directory(home: &Arc<Home>, folder: Folder) -> Result<Self, VfsError> {
        let reader = DirReader::open(&folder)?;
        Ok(Self::of(home, folder, reader))
    }

    pub(crate) fn of(home: &Arc<Home>, folder: Folder, reader: DirReader) -> Self {
        Self {
            home: Arc::clone(home),
            source: Source::Directory(Box::new((folder, reader))),
            hidden: 0,
        }
    }

    pub(crate) fn one(home: &Arc<Home>, entry: Entry) -> Self {
        Self {
            home: Arc::clone(home),
            source: Source::One(Some(entry)),
            hidden: 0,
        }
    }

    /// The next entry, in the order of the file system; `None` at the end.
    pub fn next(&mut self, _worker: &Worker) -> Result<Option<Entry>, VfsError> {
        let (folder, reader) = match &mut self.source {
            Source::Directory(open) => (&open.0, &mut open.1),
            Source::One(entry) => return Ok(entry.take()),
        };
        loop {
            let Some((_, name)) = reader.next()? else {
                return Ok(None);
            };
            if jail::is_staging(name.to_bytes()) {
                continue;
            }
            if jail::forges(name.to_bytes()) {
                self.hidden += 1;
                continue;
            }
            match statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) if folder.mount.hides(&stat) => {}
                Ok(stat) if is_link(&stat) => {
                    return Ok(Some(follow(&self.home, folder, name, &stat)));
                }
                Ok(stat) => return Ok(Some(Entry::new(owned(name), &stat))),
                // Removed since its name was read.
                Err(Errno::NOENT) => {}
                Err(e) => return Err(e.into()),
            }
        }
    }

    /// How many names were left out so far because they hold a line's end.
    pub fn hidden(&self) -> u64 {
        self.hidden
    }
}

/// What a link leads to, under the link's name; the link itself where that is nothing to see.
fn follow(home: &Home, folder: &Folder, name: &CStr, link: &Stat) -> Entry {
    let path = folder.path.join(OsStr::from_bytes(name.to_bytes()));
    let target = match home.resolve(&path, Links::Follow) {
        Ok(Resolved::Name(_, stat)) => stat,
        Ok(Resolved::Folder(folder)) => statat(&folder, c"", AtFlags::EMPTY_PATH).ok(),
        Err(_) => None,
    };
    Entry::new(owned(name), target.as_ref().unwrap_or(link))
}

fn owned(name: &CStr) -> OsString {
    OsString::from_vec(name.to_bytes().to_vec())
}
