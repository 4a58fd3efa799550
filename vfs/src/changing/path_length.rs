//! Measures a directory that is to be renamed: no name below it may get a path that is too long to
//! be used ([`PATH_LEN_MAX`]).

use std::path::Path;
use std::sync::Arc;

use crate::entry::{self, Kind};
use crate::jail::descent::{Descent, Next, open_dir};
use crate::jail::folder::NameAt;
use crate::jail::subfolders::Subfolders;
use crate::jail::{PATH_LEN_MAX, check_length};
use crate::{VfsError, Worker};

/// Names that are read of one directory and those below it. With more, the rename is let through:
/// it would take long, and a tree of any depth can be counted. What is lost is only that the names
/// in its depth can be reached again once it is moved back.
const NAMES_MAX: u64 = 100_000;

/// [`VfsError::NameTooLong`] where `to`, or a name below it once `from` is renamed to it, would have a
/// path of more than [`PATH_LEN_MAX`] bytes. Nothing is read where the paths get no longer.
pub(super) fn check_paths_below(
    _worker: &Worker,
    from: &NameAt,
    to: &NameAt,
) -> Result<(), VfsError> {
    let (from_path, to_path) = (from.path(), to.path());
    check_length(&to_path)?;
    let to_len = to_path.as_os_str().len();
    if to_len <= from_path.as_os_str().len() {
        return Ok(());
    }
    let is_directory = |stat| entry::kind(&stat) == Kind::Directory;
    if !from.stat()?.is_some_and(is_directory) {
        return Ok(());
    }
    match Measure::of(from, PATH_LEN_MAX - to_len) {
        Measure::Fits => Ok(()),
        Measure::TooLong => Err(VfsError::NameTooLong),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Measure {
    Fits,
    TooLong,
}

impl Measure {
    /// Whether all names below `top` have paths of at most `most` bytes from there. What cannot be
    /// read does not count.
    fn of(top: &NameAt, most: usize) -> Self {
        let mut descent = Descent::new(Path::new(""));
        let mut left = NAMES_MAX;
        let mut next = open_dir(&top.folder, top.leaf()).ok();
        loop {
            if let Some(fd) = next.take() {
                // A slash stands before each name.
                let before = match descent.path().as_os_str().len() {
                    0 => 1,
                    above => above + 2,
                };
                match Subfolders::read(&fd, &mut left) {
                    Ok(names) if names.longest > 0 && before + names.longest > most => {
                        return Self::TooLong;
                    }
                    Ok(names) => descent.enter(Arc::new(fd), names.id, names.below),
                    Err(_) => {}
                }
            }
            if left == 0 {
                return Self::Fits;
            }
            match descent.next() {
                Next::Below { parent, name } => next = open_dir(parent, &name).ok(),
                // Moved by somebody else: the caller resolves its paths again.
                Next::Lost | Next::End => return Self::Fits,
            }
        }
    }
}
