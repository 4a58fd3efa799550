//! Reads from the kernel's caches only, so that a thread which must not block can stat, list and
//! read files.
//!
//! openat2(2) with RESOLVE_CACHED fails where a look-up would wait for the disk, preadv2(2) with
//! RWF_NOWAIT where a read would. `None` means that, and nothing about the file: the caller asks
//! again with a [`Worker`](crate::Worker). Links and paths into other mounts give `None` too.
//!
//! One disk access is left: a file that is removed while it is open here is freed when it is
//! closed.

use std::ffi::{OsStr, OsString};
use std::io::IoSliceMut;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{OFlags, Stat};
use rustix::io::{ReadWriteFlags, preadv2};

use crate::dir_reader::{DirReader, dir_read_flags};
use crate::entry::{self, Kind, check_regular};
use crate::home::Home;
use crate::jail::cached::{AccessTime, is_missing, open_cached, read_updates_atime};
use crate::jail::folder::{Control, Folder};
use crate::jail::mount::{FolderId, identify};
use crate::syscalls::fstat;
use crate::{Download, Entry, Listing, Permissions, jail};

/// A name that was found in the caches, with the metadata of its file or directory.
struct CachedName<'a> {
    folder: Arc<OwnedFd>,
    leaf: &'a OsStr,
    stat: Stat,
}

impl Home {
    /// [`Home::stat`] from the caches, of a file or a directory.
    pub fn stat_cached(&self, path: &Path) -> Option<Entry> {
        let CachedName { leaf, stat, .. } = self.cached_name(path)?;
        Some(Entry::new(leaf.to_owned(), &stat))
    }

    /// [`Home::stat_link_permitted`] from the caches, of a file or a directory.
    pub fn stat_permitted_cached(&self, path: &Path) -> Option<(Entry, Permissions)> {
        let CachedName { folder, leaf, stat } = self.cached_name(path)?;
        let entry = Entry::new(leaf.to_owned(), &stat);
        let folder = Entry::new(OsString::new(), &fstat(&folder).ok()?);
        let permissions = self.permissions(&entry, Some(&folder));
        Some((entry, permissions))
    }

    /// The size of a file from the caches, in bytes; `None` also where a name of the file system
    /// has a stage, see [`Home::size`].
    pub fn size_cached(&self, path: &Path) -> Option<u64> {
        let stat = self.cached_name(path)?.stat;
        let certain = entry::kind(&stat) == Kind::File && self.mounts.home().has_no_stages();
        certain.then(|| entry::size(&stat))
    }

    /// True only if [`Home::check_enter`] would succeed; false where the caches do not tell.
    pub fn may_enter_cached(&self, path: &Path) -> bool {
        let folder = self.cached_folder(path);
        folder.is_some_and(|(fd, _)| open_cached(fd, OsStr::new("."), OFlags::PATH).is_some())
    }

    /// True only if no file has the name `path`; false where the caches do not tell.
    pub fn is_missing_cached(&self, path: &Path) -> bool {
        self.jail.access_time().is_some()
            && !path.as_os_str().is_empty()
            && jail::check_path(path).is_ok()
            && is_missing(self.jail.handle(), path.as_os_str())
    }

    /// [`Home::list`] of a directory that is in the caches.
    pub fn list_cached(self: &Arc<Self>, path: &Path) -> Option<Listing> {
        let (fd, id) = self.cached_folder(path)?;
        let reader = DirReader::from_fd(open_cached(&fd, OsStr::new("."), dir_read_flags())?);
        let folder = Folder {
            fd,
            id,
            mount: Arc::clone(self.mounts.home()),
            path: path.to_owned(),
            born: None,
            inherited_group: None,
            control: Control::Unknown,
        };
        Some(Listing::from_reader(self, folder, reader))
    }

    /// [`Home::download`] of a file that is in the caches; without its stored digests.
    pub fn download_cached(&self, path: &Path) -> Option<Download> {
        let CachedName { folder, leaf, stat } = self.cached_name(path)?;
        // To open a FIFO or a device may block or have effects.
        check_regular(entry::kind(&stat)).ok()?;
        let file = open_cached(folder, leaf, OFlags::RDONLY)?;
        let stat = fstat(&file).ok()?;
        check_regular(entry::kind(&stat)).ok()?;
        Some(Download::without_digests(file, stat))
    }

    /// Reads at byte `offset` of `file`, which is of this home, what is in the page cache. The
    /// count may be less than asked; 0 is the end. `None` also where the read would update the
    /// atime, which may wait for the disk.
    pub fn read_cached(&self, file: &Download, offset: u64, buffer: &mut [u8]) -> Option<usize> {
        if self.jail.access_time()? == AccessTime::Relatime && read_updates_atime(file.stat()) {
            return None;
        }
        let mut buffer = [IoSliceMut::new(buffer)];
        preadv2(file.file(), &mut buffer, offset, ReadWriteFlags::NOWAIT).ok()
    }

    /// Looks up the file or directory at `path`.
    fn cached_name<'a>(&self, path: &'a Path) -> Option<CachedName<'a>> {
        let (parent, leaf) = jail::split_leaf(path)?;
        jail::check_name(leaf).ok()?;
        let (folder, _) = self.cached_folder(parent)?;
        let stat = fstat(open_cached(&folder, leaf, OFlags::PATH)?).ok()?;
        let plain = matches!(entry::kind(&stat), Kind::File | Kind::Directory);
        let seen = plain && !self.mounts.home().try_is_staging_inode(stat.st_ino)?;
        seen.then_some(CachedName { folder, leaf, stat })
    }

    /// Opens the directory at `path`, an O_PATH handle, if it is on the home's own mount.
    fn cached_folder(&self, path: &Path) -> Option<(Arc<OwnedFd>, FolderId)> {
        self.jail.access_time()?;
        let root = self.mounts.root();
        if path.as_os_str().is_empty() {
            return Some((Arc::clone(self.jail.handle()), root));
        }
        jail::check_path(path).ok()?;
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        let fd = open_cached(self.jail.handle(), path.as_os_str(), flags)?;
        let (id, _) = identify(&fd, c"").ok()?;
        let seen = id.mount == root.mount && !self.mounts.home().try_is_staging_inode(id.inode)?;
        seen.then(|| (Arc::new(fd), id))
    }
}
