//! Makes folders such as homes, with an exact mode and the owner of the folder above.

use std::fs::{DirBuilder, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

/// A folder that could not be made as it was asked for.
#[derive(Debug, thiserror::Error)]
#[error("{}: cannot be {action}: {error}", path.display())]
pub(crate) struct FolderError {
    path: PathBuf,
    action: &'static str,
    error: io::Error,
}

impl FolderError {
    fn new(path: &Path, action: &'static str, error: io::Error) -> Self {
        let path = path.to_owned();
        Self {
            path,
            action,
            error,
        }
    }
}

/// Whether something was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Made {
    New,
    /// It existed, and stays as it is.
    Kept,
}

/// Makes the folder `path` with exactly this mode, whatever the umask, and with the owner of its
/// parent: root must not make what the daemon's user cannot use. The parent must exist, so that the
/// home of a file system that is not mounted is never made up.
pub(crate) fn make_folder(path: &Path, mode: u32) -> Result<Made, FolderError> {
    match DirBuilder::new().mode(mode).create(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {
            return Ok(Made::Kept);
        }
        Err(error) => return Err(FolderError::new(path, "made", error)),
    }
    settle(path, mode)
        .map(|()| Made::New)
        .map_err(|error| FolderError::new(path, "given its owner and mode", error))
}

fn settle(path: &Path, mode: u32) -> io::Result<()> {
    // Opened first, so that nobody can put a link in its place meanwhile.
    let flags = OFlags::NOFOLLOW | OFlags::DIRECTORY;
    let folder = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits() as i32)
        .open(path)?;
    let above = std::fs::metadata(path.join(".."))?;
    let made = folder.metadata()?;
    if made.uid() != above.uid() {
        fchown(&folder, Some(above.uid()), Some(above.gid()))?;
    }
    // A file system without modes of its own refuses chmod(2), also where it would change nothing.
    match made.mode() & 0o7777 == mode {
        true => Ok(()),
        false => folder.set_permissions(Permissions::from_mode(mode)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        path.symlink_metadata().unwrap().mode() & 0o7777
    }

    #[test]
    fn a_folder_gets_its_mode_or_stays_as_it_is() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("home");
        assert_eq!(make_folder(&path, 0o2775).unwrap(), Made::New);
        assert_eq!(mode(&path), 0o2775);
        assert_eq!(make_folder(&path, 0o700).unwrap(), Made::Kept);
        assert_eq!(mode(&path), 0o2775);

        let file = place.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert!(make_folder(&file, 0o755).is_err());
        assert!(make_folder(&place.path().join("no/parent"), 0o755).is_err());
    }
}
