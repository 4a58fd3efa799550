//! Files that only their owner may read: opened with their mode checked, replaced atomically.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use crate::complaint::Complaint;

/// Opens a regular file, wherever a link may lead.
pub(crate) fn open_plain(path: &Path) -> Result<File, Complaint> {
    open(path, OFlags::empty()).map(|(file, _)| file)
}

/// Opens a regular file that is no link and that nobody but its owner can touch.
pub(crate) fn open_private(path: &Path) -> Result<(File, Metadata), Complaint> {
    let (file, found) = open(path, OFlags::NOFOLLOW)?;
    let mode = found.mode() & 0o7777;
    if mode & 0o077 != 0 {
        let what = format!(
            "holds secrets but has mode {mode:04o}; run: chmod 600 {}",
            path.display()
        );
        return Err(Complaint::about(path, what));
    }
    Ok((file, found))
}

/// Replaces `path` by a 0600 file with these bytes: whole and on the disk, or not
/// at all. The caller holds the [`lock_folder`] of the file's folder.
///
/// An administrator's root shell must not take the file away from the daemon's
/// user: the new file belongs to the owner of the old one, or of the folder.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = folder_of(path);
    let temporary = temporary_name(path);
    let owner = std::fs::symlink_metadata(path).or_else(|_| folder.metadata())?;
    let done =
        write_temporary(&temporary, bytes, &owner).and_then(|()| std::fs::rename(&temporary, path));
    if done.is_err() {
        // Best effort: the next writer removes it too.
        let _ = std::fs::remove_file(&temporary);
    }
    done?;
    File::open(folder)?.sync_all()
}

/// An exclusive lock on the folder of `path`, held until the file is dropped.
///
/// The folder itself is locked: a lock file made by root would be one that the
/// daemon's user cannot open.
pub(crate) fn lock_folder(path: &Path) -> io::Result<File> {
    let folder = File::open(folder_of(path))?;
    folder.lock()?;
    Ok(folder)
}

fn open(path: &Path, extra: OFlags) -> Result<(File, Metadata), Complaint> {
    // O_NONBLOCK: a FIFO in the file's place must not hang the caller in open(2).
    let flags = OFlags::NONBLOCK | extra;
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits() as i32)
        .open(path);
    let file = opened.map_err(|error| Complaint::about(path, cause(&error)))?;
    let found = file
        .metadata()
        .map_err(|error| Complaint::about(path, cause(&error)))?;
    match found.is_file() {
        true => Ok((file, found)),
        false => Err(Complaint::about(path, "is not a plain file")),
    }
}

/// open(2): ELOOP is what O_NOFOLLOW says of a link.
fn cause(error: &io::Error) -> String {
    match rustix::io::Errno::from_io_error(error) {
        Some(rustix::io::Errno::LOOP) => "is a symbolic link; put the file itself here".to_owned(),
        _ => format!("cannot be opened: {error}"),
    }
}

fn write_temporary(temporary: &Path, bytes: &[u8], owner: &Metadata) -> io::Result<()> {
    match std::fs::remove_file(temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(temporary)?;
    if file.metadata()?.uid() != owner.uid() {
        fchown(&file, Some(owner.uid()), Some(owner.gid()))?;
    }
    file.write_all(bytes)?;
    file.sync_all()
}

fn temporary_name(path: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".new");
    path.with_file_name(name)
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}
