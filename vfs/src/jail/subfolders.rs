//! [`Subfolders`]: what a walk that only looks at names wants to know of one directory.

use std::ffi::CString;
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, FileType};

use super::mount::{FolderId, identify};
use crate::VfsError;
use crate::dir_reader::DirReader;
use crate::entry::{self, Kind};
use crate::syscalls::statat;

/// The names in one directory.
#[derive(Debug)]
pub(crate) struct Subfolders {
    pub(crate) id: FolderId,
    pub(crate) below: Vec<CString>,
    /// Bytes of the longest name of any file; 0 where there is none.
    pub(crate) longest: usize,
}

impl Subfolders {
    /// Reads the directory `fd`, and takes its names off `left`: no more are read than that.
    pub(crate) fn read(fd: &OwnedFd, left: &mut u64) -> Result<Self, VfsError> {
        let (id, _) = identify(fd, c"")?;
        let (mut below, mut longest) = (Vec::new(), 0);
        let mut reader = DirReader::open(fd)?;
        while *left > 0
            && let Some((kind, name)) = reader.next()?
        {
            *left -= 1;
            longest = longest.max(name.count_bytes());
            let is_directory = match kind {
                // Some file systems do not tell.
                FileType::Unknown => statat(fd, name, AtFlags::SYMLINK_NOFOLLOW)
                    .is_ok_and(|stat| entry::kind(&stat) == Kind::Directory),
                kind => kind == FileType::Directory,
            };
            if is_directory {
                below.push(name.to_owned());
            }
        }
        Ok(Self { id, below, longest })
    }
}
