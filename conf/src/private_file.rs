//! Opens files with secrets, which only their owner may read, and replaces them atomically.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;

use crate::complaint::Complaint;
use crate::io_cause::IoCause;

/// Opens a regular file; links are followed.
pub(crate) fn open_plain(path: &Path) -> Result<File, Complaint> {
    open(path, OFlags::empty()).map(|(file, _)| file)
}

/// Opens a regular file that is no link and has no permissions for group and others.
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

/// Replaces `path` with a file of mode 0600 with these bytes. It is on the disk, whole, when this
/// returns; after an error the old file is there. The caller holds [`lock_folder`].
///
/// The new file belongs to the owner of the old one, or of the folder: a change by root must not
/// take the file away from the daemon's user.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = folder_of(path);
    let temporary = temporary_name(path);
    let owner = std::fs::symlink_metadata(path).or_else(|_| folder.metadata())?;
    let done =
        write_temporary(&temporary, bytes, &owner).and_then(|()| std::fs::rename(&temporary, path));
    if done.is_err() {
        // The next writer removes the file too.
        let _ = std::fs::remove_file(&temporary);
    }
    done?;
    sync_folder(folder)
}

/// Syncs the names in a folder with fsync(2). A file system that syncs no folders (that of
/// VirtualBox) answers EINVAL, and there is nothing to be done about it.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    match rustix::fs::fsync(File::open(folder)?) {
        Ok(()) | Err(Errno::INVAL) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Takes an exclusive lock on the folder of `path`; dropping the result releases it.
///
/// There is no lock file, which the daemon's user could not open where root has made it. Where the
/// file system locks no folders (NFS says EBADF) nothing keeps two writers apart, and the later
/// change wins.
pub(crate) fn lock_folder(path: &Path) -> io::Result<File> {
    let folder = File::open(folder_of(path))?;
    match flock(&folder, FlockOperation::LockExclusive) {
        Ok(()) | Err(Errno::BADF | Errno::NOLCK | Errno::NOTSUP | Errno::NOSYS) => Ok(folder),
        Err(error) => Err(error.into()),
    }
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

/// The text for an error of open(2): ELOOP is that of O_NOFOLLOW for a link.
fn cause(error: &io::Error) -> String {
    match Errno::from_io_error(error) {
        Some(Errno::LOOP) => "is a symbolic link; put the file itself here".to_owned(),
        _ => format!("cannot be opened: {}", IoCause(error)),
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
