//! [`Listing`]: the entries of a directory, one at a time.

use std::ffi::CStr;
use std::sync::Arc;

use rustix::fs::AtFlags;
use rustix::io::Errno;

use crate::dir_reader::DirReader;
use crate::home::Home;
use crate::jail;
use crate::jail::folder::{Folder, is_link};
use crate::reading::folder_entry;
use crate::reading::link_target::link_target;
use crate::reading::names_ahead::{Direction, NamesAhead, SortKey};
use crate::syscalls::statat;
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
    line_breaks: LineBreaks,
    hidden: u64,
}

/// What becomes of names that hold a CR or LF.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LineBreaks {
    Listed,
    /// They are left out, and counted.
    Hidden,
}

#[derive(Debug)]
enum Source {
    Directory(Box<OpenDirectory>),
    /// One file, whose entry is filled in.
    Single,
    Done,
}

#[derive(Debug)]
struct OpenDirectory {
    folder: Folder,
    reader: DirReader,
    /// Names that come before those which the reader will give.
    ahead: NamesAhead,
}

impl Listing {
    pub(crate) fn open(home: &Arc<Home>, folder: Folder) -> Result<Self, VfsError> {
        let reader = DirReader::open(&folder)?;
        Ok(Self::from_reader(home, folder, reader))
    }

    pub(crate) fn from_reader(home: &Arc<Home>, folder: Folder, reader: DirReader) -> Self {
        Self {
            home: Arc::clone(home),
            source: Source::Directory(Box::new(OpenDirectory {
                folder,
                reader,
                ahead: NamesAhead::default(),
            })),
            entry: Entry::blank(),
            line_breaks: LineBreaks::Listed,
            hidden: 0,
        }
    }

    pub(crate) fn single(home: &Arc<Home>, entry: Entry) -> Self {
        Self {
            home: Arc::clone(home),
            source: Source::Single,
            entry,
            line_breaks: LineBreaks::Listed,
            hidden: 0,
        }
    }

    /// The next entry, in the order of the file system unless it was sorted; `None` at the end.
    pub fn next(&mut self, worker: &Worker) -> Result<Option<&Entry>, VfsError> {
        let _acting = self.home.act(worker)?;
        Ok(self.advance(worker)?.then_some(&self.entry))
    }

    /// Has this thread act as the home's owner, as each call here does for itself: for many
    /// entries in a row.
    pub fn act(&self, worker: &Worker) -> Result<crate::Acting, VfsError> {
        self.home.act(worker)
    }

    /// Says what becomes of names that hold a CR or LF; to be called before the first entry.
    pub fn set_line_breaks(&mut self, line_breaks: LineBreaks) {
        self.line_breaks = line_breaks;
    }

    /// The entry that [`Listing::advance`] came to last.
    pub fn entry(&self) -> &Entry {
        &self.entry
    }

    /// Sorts the entries to come, if up to 10,000 names pass `keep`; more stay in the order of the
    /// file system. To be called before the first entry. The others may be listed too.
    pub fn sort(
        &mut self,
        worker: &Worker,
        key: SortKey,
        direction: Direction,
        keep: impl Fn(&[u8]) -> bool,
    ) -> Result<(), VfsError> {
        let _acting = self.home.act(worker)?;
        let Source::Directory(directory) = &mut self.source else {
            return Ok(());
        };
        let OpenDirectory {
            folder,
            reader,
            ahead,
        } = &mut **directory;
        while let Some(name) = next_listed(reader, self.line_breaks, &mut self.hidden)? {
            if keep(name.to_bytes()) {
                ahead.push(name);
            }
            if ahead.is_full() {
                return Ok(());
            }
        }
        ahead.sort(folder, key, direction)
    }

    /// Goes on to the next entry, in the order of the file system unless it was sorted; false at the
    /// end.
    pub fn advance(&mut self, worker: &Worker) -> Result<bool, VfsError> {
        let _acting = self.home.act(worker)?;
        let directory = match &mut self.source {
            Source::Directory(directory) => directory,
            Source::Single => {
                self.source = Source::Done;
                return Ok(true);
            }
            Source::Done => return Ok(false),
        };
        let OpenDirectory {
            folder,
            reader,
            ahead,
        } = &mut **directory;
        let folder = &*folder;
        loop {
            let name = match ahead.next() {
                Some(name) => name,
                None => match next_listed(reader, self.line_breaks, &mut self.hidden)? {
                    Some(name) => name,
                    None => return Ok(false),
                },
            };
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
                // One bad entry does not hide the others.
                Err(e) => {
                    log::error!("{}: an entry cannot be listed: {e}", self.home.user);
                    self.hidden += 1;
                }
            }
        }
    }

    /// The entry of the directory that is listed; `None` where the listing is of one file.
    pub fn folder(&self, worker: &Worker) -> Result<Option<Entry>, VfsError> {
        let _acting = self.home.act(worker)?;
        match &self.source {
            Source::Directory(open) => folder_entry(&open.folder).map(Some),
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

    /// The number of names left out so far because they hold a CR or LF, or because nothing could be
    /// learnt of them.
    pub fn hidden(&self) -> u64 {
        self.hidden
    }
}

/// The next name that may be listed; counts those that are hidden.
fn next_listed<'a>(
    reader: &'a mut DirReader,
    line_breaks: LineBreaks,
    hidden: &mut u64,
) -> Result<Option<&'a CStr>, VfsError> {
    loop {
        // Asked for again below: the borrow of a name that is passed over must end.
        let Some(name) = reader.peek()? else {
            return Ok(None);
        };
        let is_hidden = line_breaks == LineBreaks::Hidden && jail::has_line_break(name.to_bytes());
        if !is_hidden && !jail::is_staging_name(name.to_bytes()) {
            break;
        }
        *hidden += u64::from(is_hidden);
        reader.next()?;
    }
    Ok(reader.next()?.map(|(_, name)| name))
}
