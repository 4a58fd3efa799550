//! [`Descent`]: a walk from a directory downwards, by handles alone: no path is too long for it, and
//! no tree so deep that it needs more than some descriptors.

use std::ffi::{CStr, CString, OsStr};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{Mode, OFlags};

use super::mount::{FolderId, identify};
use crate::syscalls::openat;

/// Directories that are held open at once. Those above are opened again from below, by `..`.
const OPEN_MAX: usize = if cfg!(test) { 3 } else { 64 };

/// The directories from the top of a walk down to where it is, and what is still to be walked in
/// each.
#[derive(Debug)]
pub(crate) struct Descent {
    levels: Vec<Level>,
    /// How many levels from the top are closed.
    closed: usize,
    /// The path of the directory that [`Descent::next`] gave last.
    path: Vec<u8>,
}

#[derive(Debug)]
struct Level {
    fd: Option<Arc<OwnedFd>>,
    id: FolderId,
    below: Vec<CString>,
    /// Bytes of its path.
    path_len: usize,
}

/// The next step of a walk.
#[derive(Debug)]
pub(crate) enum Next {
    /// The directory of this name is to be walked: [`Descent::enter`], or go on without it.
    Below {
        parent: Arc<OwnedFd>,
        name: CString,
    },
    /// The walk cannot go back up, as a directory was moved meanwhile. What is left is not walked.
    Lost,
    End,
}

impl Descent {
    /// A walk that begins at `top`, which is entered first.
    pub(crate) fn new(top: &Path) -> Self {
        Self {
            levels: Vec::new(),
            closed: 0,
            path: top.as_os_str().as_bytes().to_vec(),
        }
    }

    /// The path of the directory that is to be entered now.
    pub(crate) fn path(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.path))
    }

    /// Enters the top or the directory that [`Descent::next`] gave last, which is open as `fd`, and
    /// in which the directories `below` are to be walked.
    pub(crate) fn enter(&mut self, fd: Arc<OwnedFd>, id: FolderId, below: Vec<CString>) {
        if below.is_empty() {
            return;
        }
        self.levels.push(Level {
            fd: Some(fd),
            id,
            below,
            path_len: self.path.len(),
        });
        if self.levels.len() - self.closed > OPEN_MAX {
            self.levels[self.closed].fd = None;
            self.closed += 1;
        }
    }

    /// The next directory to walk. The deepest goes first.
    pub(crate) fn next(&mut self) -> Next {
        loop {
            let Some(level) = self.levels.last_mut() else {
                return Next::End;
            };
            self.path.truncate(level.path_len);
            match (level.below.pop(), &level.fd) {
                (Some(name), Some(parent)) => {
                    if !self.path.is_empty() {
                        self.path.push(b'/');
                    }
                    self.path.extend_from_slice(name.to_bytes());
                    let parent = Arc::clone(parent);
                    return Next::Below { parent, name };
                }
                (None, _) => {
                    if !self.go_up() {
                        return self.lost();
                    }
                }
                (Some(_), None) => return self.lost(),
            }
        }
    }

    fn lost(&mut self) -> Next {
        self.levels.clear();
        self.closed = 0;
        Next::Lost
    }

    /// Leaves the deepest directory; gives whether the one above could be opened again.
    fn go_up(&mut self) -> bool {
        let left = self.levels.pop();
        self.closed = self.closed.min(self.levels.len().saturating_sub(1));
        let (Some(left), Some(above)) = (left, self.levels.last_mut()) else {
            return true;
        };
        if above.fd.is_some() {
            return true;
        }
        let opened = left.fd.and_then(|fd| open_dir(fd, c"..").ok());
        let is_same = |fd: &OwnedFd| identify(fd, c"").is_ok_and(|(id, _)| id == above.id);
        above.fd = opened.filter(is_same).map(Arc::new);
        above.fd.is_some()
    }
}

/// Opens the directory `name` in `folder` for the *at(2) calls, following no link.
pub(crate) fn open_dir(folder: impl AsFd, name: &CStr) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(folder, name, flags, Mode::empty())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn top(folder: &Path) -> (Arc<OwnedFd>, FolderId) {
        let fd = OwnedFd::from(fs::File::open(folder).unwrap());
        let id = identify(&fd, c"").unwrap().0;
        (Arc::new(fd), id)
    }

    /// Walks all, and gives the paths that were entered, and whether the walk was lost.
    fn walk(folder: &Path, mut at_each: impl FnMut(&Path)) -> (Vec<String>, bool) {
        let mut descent = Descent::new(Path::new(""));
        let (fd, id) = top(folder);
        descent.enter(Arc::clone(&fd), id, names(&fd));
        let mut paths = Vec::new();
        loop {
            match descent.next() {
                Next::Below { parent, name } => {
                    let path = descent.path().to_owned();
                    paths.push(path.to_str().unwrap().to_owned());
                    at_each(&path);
                    let fd = Arc::new(open_dir(parent, &name).unwrap());
                    let id = identify(&fd, c"").unwrap().0;
                    let below = names(&fd);
                    descent.enter(fd, id, below);
                    let open = descent.levels.iter().filter(|level| level.fd.is_some());
                    assert!(open.count() <= OPEN_MAX);
                }
                Next::Lost => return (paths, true),
                Next::End => return (paths, false),
            }
        }
    }

    fn names(fd: &OwnedFd) -> Vec<CString> {
        let mut reader = crate::dir_reader::DirReader::open(fd).unwrap();
        let mut names = Vec::new();
        while let Some((_, name)) = reader.next().unwrap() {
            names.push(name.to_owned());
        }
        names.sort();
        names
    }

    #[test]
    fn a_deep_tree_is_walked_whole_with_few_descriptors() {
        let folder = tempfile::tempdir().unwrap();
        for path in ["a/b/c/d/e/f/g/h", "a/b/c/d/e/x", "a/y/z", "b"] {
            fs::create_dir_all(folder.path().join(path)).unwrap();
        }
        let (mut paths, lost) = walk(folder.path(), |_| {});
        paths.sort();
        let expected = [
            "a",
            "a/b",
            "a/b/c",
            "a/b/c/d",
            "a/b/c/d/e",
            "a/b/c/d/e/f",
            "a/b/c/d/e/f/g",
            "a/b/c/d/e/f/g/h",
            "a/b/c/d/e/x",
            "a/y",
            "a/y/z",
            "b",
        ];
        assert_eq!(paths, expected);
        assert!(!lost);
    }

    #[test]
    fn a_directory_that_is_moved_meanwhile_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let at = |path: &str| folder.path().join(path);
        fs::create_dir_all(at("a/b/c/d/e/f")).unwrap();
        fs::create_dir_all(at("a/a/left")).unwrap();
        let (paths, lost) = walk(folder.path(), |path| {
            if path == Path::new("a/b/c/d/e/f") {
                fs::rename(at("a/b"), at("moved")).unwrap();
            }
        });
        assert!(lost, "{paths:?}");
    }
}
