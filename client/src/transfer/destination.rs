//! Finds out what a download goes to: a name, behind all symbolic links, that gets the finished
//! file, or a device, a FIFO or standard output, to which the bytes are streamed.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use skiff_sessions::client::LocalCopy;
use skiff_sessions::wire::command::Replace;

use super::local_file::{modified_at, parent_folder};
use super::part;

/// How many links are followed, as many as Linux follows (path_resolution(7)).
const LINKS_MAX: usize = 40;

/// Names of standard output other than `-`. What they lead to may have no name of its own.
const STDOUT_NAMES: [&str; 3] = ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"];

/// What a download goes to.
#[derive(Clone, Debug)]
pub(crate) enum Destination {
    File(FileTarget),
    Stream(StreamTarget),
}

/// Something that takes bytes as they come; nothing is renamed to it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum StreamTarget {
    Stdout,
    /// Standard output where it is a terminal: what would command it is shown instead.
    Screen,
    /// A device or a FIFO.
    Path(PathBuf),
}

/// A name that is free, or that a regular file has.
#[derive(Clone, Debug)]
pub(crate) struct FileTarget {
    /// The path behind all links.
    path: PathBuf,
    /// The file there when it was looked for.
    old: Option<Metadata>,
}

impl Destination {
    /// Looks at what `typed` names.
    ///
    /// # Errors
    ///
    /// It is a directory, its links lead in a circle, or the file there has no name.
    pub(crate) fn find(typed: &Path) -> io::Result<Self> {
        if STDOUT_NAMES.iter().any(|name| typed == Path::new(name)) {
            return Ok(Self::Stream(StreamTarget::Stdout));
        }
        let found = match fs::metadata(typed) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let path = behind_links(typed)?;
                return Ok(Self::File(FileTarget { path, old: None }));
            }
            Err(error) => return Err(error),
        };
        if found.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        if !found.is_file() {
            return Ok(Self::Stream(StreamTarget::Path(typed.to_owned())));
        }
        let path = behind_links(typed)?;
        // A link of /proc may lead to a file that its text does not name (proc_pid_fd(5)).
        match fs::symlink_metadata(&path) {
            Ok(named) if is_same_file(&named, &found) => Ok(Self::File(FileTarget {
                path,
                old: Some(found),
            })),
            _ => Err(io::Error::other("the file there has no name of its own")),
        }
    }
}

impl FileTarget {
    /// A target at which nothing is.
    pub(crate) fn free(path: PathBuf) -> Self {
        Self { path, old: None }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The file that was found there.
    pub(crate) fn old(&self) -> Option<&Metadata> {
        self.old.as_ref()
    }

    /// What of a download is here already.
    pub(crate) fn local_copy(&self) -> LocalCopy {
        let whole = self.old.as_ref();
        LocalCopy {
            whole: whole.map(|found| (found.len(), modified_at(found))),
            part: part::size(&part::part_path(&self.path)),
        }
    }

    /// Renames `part` to this target. What came there or changed there meanwhile is replaced only
    /// with [`Replace::Yes`], and only if it is a regular file.
    pub(crate) fn rename_to(&self, part: &Path, replace: Replace) -> io::Result<()> {
        match (&self.old, replace) {
            (None, Replace::Never) => rename_to_free(part, &self.path),
            (Some(old), Replace::Never) => {
                let now = fs::symlink_metadata(&self.path)?;
                if !is_same_file(&now, old) || !is_same_content(&now, old) {
                    return Err(changed());
                }
                fs::rename(part, &self.path)
            }
            (_, Replace::Yes) => {
                let now = fs::symlink_metadata(&self.path);
                if now.is_ok_and(|now| !now.is_file()) {
                    return Err(changed());
                }
                fs::rename(part, &self.path)
            }
        }
    }

    /// The folder that the finished file is in.
    pub(crate) fn folder(&self) -> &Path {
        parent_folder(&self.path)
    }
}

fn changed() -> io::Error {
    io::Error::other("changed while it was fetched; the part stays, get it again")
}

fn is_same_file(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

fn is_same_content(one: &Metadata, other: &Metadata) -> bool {
    let content = |found: &Metadata| (found.len(), found.mtime(), found.mtime_nsec());
    content(one) == content(other)
}

/// Renames `from` to a name that nothing has.
fn rename_to_free(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Ok(()) => Ok(()),
        Err(Errno::EXIST) => Err(changed()),
        // NFS and many FUSE file systems have no such rename.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => match fs::symlink_metadata(to) {
            Ok(_) => Err(changed()),
            Err(_) => fs::rename(from, to),
        },
        Err(error) => Err(error.into()),
    }
}

/// Follows the links that `path` itself may be, also to a name that nothing has.
fn behind_links(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..LINKS_MAX {
        match fs::symlink_metadata(&path) {
            Ok(found) if found.is_symlink() => {
                path = parent_folder(&path).join(fs::read_link(&path)?);
            }
            _ => return Ok(path),
        }
    }
    Err(Errno::LOOP.into())
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::symlink;

    use rustix::fs::{FileType, mknodat};

    use super::*;

    fn target(typed: &Path) -> FileTarget {
        match Destination::find(typed).unwrap() {
            Destination::File(target) => target,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_link_is_followed_to_its_end_whether_a_file_is_there_or_not() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("sub")).unwrap();
        symlink("sub/second", at("first")).unwrap();
        symlink("../file", at("sub/second")).unwrap();
        let found = target(&at("first"));
        assert!(found.old().is_none());
        fs::write(at("file"), "old").unwrap();
        let found = target(&at("first"));
        assert_eq!(found.old().unwrap().len(), 3);
        fs::write(at("part"), "new").unwrap();
        found.rename_to(&at("part"), Replace::Never).unwrap();
        assert_eq!(fs::read(at("file")).unwrap(), b"new");
        assert!(at("first").is_symlink() && at("sub/second").is_symlink());
        symlink("circle", at("circle")).unwrap();
        assert!(Destination::find(&at("circle")).is_err());
    }

    #[test]
    fn what_is_no_regular_file_is_a_stream_and_a_directory_is_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("fifo");
        mknodat(CWD, &fifo, FileType::Fifo, 0o600.into(), 0).unwrap();
        symlink("fifo", folder.path().join("link")).unwrap();
        for (name, target) in [
            (fifo.as_path(), StreamTarget::Path(fifo.clone())),
            (
                &folder.path().join("link"),
                StreamTarget::Path(folder.path().join("link")),
            ),
            (Path::new("/dev/stdout"), StreamTarget::Stdout),
        ] {
            match Destination::find(name).unwrap() {
                Destination::Stream(found) => assert_eq!(found, target),
                other => panic!("{other:?}"),
            }
        }
        assert!(Destination::find(folder.path()).is_err());
    }

    #[test]
    fn a_file_without_a_name_is_nothing() {
        let file = tempfile::tempfile().unwrap();
        let link = format!("/proc/self/fd/{}", file.as_raw_fd());
        assert!(fs::metadata(&link).unwrap().is_file());
        assert!(Destination::find(Path::new(&link)).is_err());
    }

    #[test]
    fn what_came_or_changed_meanwhile_is_not_replaced_unasked() {
        let folder = tempfile::tempdir().unwrap();
        let (part, name) = (folder.path().join("part"), folder.path().join("name"));
        fs::write(&part, "new").unwrap();
        let free = target(&name);
        fs::write(&name, "own").unwrap();
        let taken = target(&name);
        assert!(free.rename_to(&part, Replace::Never).is_err());
        fs::write(&name, "own edit").unwrap();
        assert!(taken.rename_to(&part, Replace::Never).is_err());
        assert_eq!(fs::read(&name).unwrap(), b"own edit");
        fs::remove_file(&name).unwrap();
        mknodat(CWD, &name, FileType::Fifo, 0o600.into(), 0).unwrap();
        assert!(taken.rename_to(&part, Replace::Yes).is_err());
        fs::remove_file(&name).unwrap();
        fs::write(&name, "own").unwrap();
        assert!(taken.rename_to(&part, Replace::Yes).is_ok());
        assert_eq!(fs::read(&name).unwrap(), b"new");
    }
}
