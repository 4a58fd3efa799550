//! Reads the names of a directory, one buffer of getdents64(2) at a time.

use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};

use crate::syscalls::openat;
use rustix::fs::{FileType, Mode, OFlags, RawDir};
use rustix::io;

/// Bytes of the getdents64(2) buffer.
const BUFFER_LEN: usize = 8 * 1024;

/// Reads a directory with memory for one buffer, whatever the directory's size.
#[derive(Debug)]
pub(crate) struct DirReader {
    fd: OwnedFd,
    buffer: Box<[MaybeUninit<u8>]>,
    /// The names of the current buffer, each ended by NUL.
    names: Vec<u8>,
    kinds: Vec<FileType>,
    next_name: usize,
    next_index: usize,
    /// True once the kernel has reported the end: it is not asked again.
    is_at_end: bool,
}

impl DirReader {
    /// Opens the directory `folder`, which may be an O_PATH handle, for reading.
    pub(crate) fn open(folder: impl AsFd) -> io::Result<Self> {
        Ok(Self::from_fd(openat(
            folder,
            c".",
            dir_read_flags(),
            Mode::empty(),
        )?))
    }

    /// Reads the directory `fd`, which is open with [`dir_read_flags`].
    pub(crate) fn from_fd(fd: OwnedFd) -> Self {
        Self {
            fd,
            buffer: Box::new_uninit_slice(BUFFER_LEN),
            names: Vec::new(),
            kinds: Vec::new(),
            next_name: 0,
            next_index: 0,
            is_at_end: false,
        }
    }

    /// The name that [`DirReader::next`] will give.
    pub(crate) fn peek(&mut self) -> io::Result<Option<&CStr>> {
        Ok(self.fill_if_empty()?.then(|| self.name()))
    }

    /// The next name other than `.` and `..`, with its type where the file system reports one;
    /// `None` at the end.
    pub(crate) fn next(&mut self) -> io::Result<Option<(FileType, &CStr)>> {
        if !self.fill_if_empty()? {
            return Ok(None);
        }
        let kind = self.kinds[self.next_index];
        self.next_index += 1;
        let start = self.next_name;
        self.next_name += self.name().count_bytes() + 1;
        Ok(Some((kind, name_at(&self.names, start))))
    }

    fn name(&self) -> &CStr {
        name_at(&self.names, self.next_name)
    }

    /// Reads names if all that were read have been given; false at the end.
    fn fill_if_empty(&mut self) -> io::Result<bool> {
        if self.next_index == self.kinds.len() {
            self.is_at_end = self.is_at_end || !self.fill()?;
        }
        Ok(!self.is_at_end)
    }

    /// Reads names until there is at least one; false at the end.
    fn fill(&mut self) -> io::Result<bool> {
        self.names.clear();
        self.kinds.clear();
        (self.next_name, self.next_index) = (0, 0);
        let mut batch = RawDir::new(&self.fd, &mut self.buffer);
        while let Some(entry) = batch.next() {
            let entry = entry?;
            if entry.file_name() != c"." && entry.file_name() != c".." {
                self.names
                    .extend_from_slice(entry.file_name().to_bytes_with_nul());
                self.kinds.push(entry.file_type());
            }
            if batch.is_buffer_empty() && !self.kinds.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn name_at(names: &[u8], start: usize) -> &CStr {
    // A NUL is there: `fill` ends each name with one.
    CStr::from_bytes_until_nul(&names[start..]).unwrap_or_default()
}

/// The flags of openat(2) for a directory that is to be read or synced.
pub(crate) fn dir_read_flags() -> OFlags {
    OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC
}
