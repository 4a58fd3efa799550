//! Names, opens and locks the part of a download: the file that holds its bytes until all are
//! verified.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use rustix::io::Errno;
use sha2::{Digest, Sha256};

/// The suffix of an unfinished download.
pub(crate) const PART_SUFFIX: &str = ".skiff-part";

/// The longest name that Linux's file systems take, in bytes (NAME_MAX, limits.h).
const NAME_MAX: usize = 255;

/// Who may read a part.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Privacy {
    /// Whoever may read new files, by the umask.
    Umask,
    /// Its owner alone: the file that it replaces may be private.
    Owner,
}

/// Why a part cannot be opened.
#[derive(Debug)]
pub(crate) enum OpenError {
    /// Another process writes to it.
    Locked,
    Io(io::Error),
}

impl From<io::Error> for OpenError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<Errno> for OpenError {
    fn from(error: Errno) -> Self {
        Self::Io(error.into())
    }
}

/// Returns the path of the part of `name`, in the same folder: `NAME.skiff-part`, or where that is
/// too long, the beginning of `NAME`, a hash of it, and the suffix.
pub(crate) fn part_path(name: &Path) -> PathBuf {
    let file_name = name.file_name().unwrap_or_default();
    let mut part = file_name.as_bytes().to_vec();
    if part.len() + PART_SUFFIX.len() > NAME_MAX {
        let hash = Sha256::digest(&part);
        let hash: String = hash[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        let kept = NAME_MAX - PART_SUFFIX.len() - hash.len() - 1;
        part.truncate(floor_char_boundary(&part, kept));
        part.push(b'~');
        part.extend_from_slice(hash.as_bytes());
    }
    part.extend_from_slice(PART_SUFFIX.as_bytes());
    name.with_file_name(OsString::from_vec(part))
}

/// Returns the size of the part at `path`, in bytes; 0 where there is none.
pub(crate) fn size(path: &Path) -> u64 {
    let found = fs::symlink_metadata(path).ok();
    found
        .filter(fs::Metadata::is_file)
        .map_or(0, |found| found.len())
}

/// Opens or creates the part at `path` and locks it until it is closed. Does not follow a symbolic
/// link and does not block on a FIFO.
pub(crate) fn open(path: &Path, privacy: Privacy) -> Result<File, OpenError> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    options.custom_flags(flags.bits() as i32);
    if privacy == Privacy::Owner {
        options.mode(0o600);
    }
    loop {
        let file = options.open(path)?;
        let found = file.metadata()?;
        if !found.is_file() {
            return Err(io::Error::other("not a regular file").into());
        }
        lock(&file)?;
        // Whoever had the lock before may have renamed the part to its final name.
        if !is_named(&found, path) {
            continue;
        }
        if privacy == Privacy::Owner && found.mode() & 0o077 != 0 {
            // A file system without modes (FAT) may refuse that: there, all files are alike.
            let _ = file.set_permissions(Permissions::from_mode(0o600));
        }
        return Ok(file);
    }
}

/// Locks a part (flock(2)): the kernel drops the lock with the process.
fn lock(file: &File) -> Result<(), OpenError> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked),
        Err(TryLockError::Error(error)) => match Errno::from_io_error(&error) {
            // A file system without locks: its users are no worse off than without this call.
            Some(Errno::NOLCK | Errno::NOSYS | Errno::OPNOTSUPP) => Ok(()),
            _ => Err(error.into()),
        },
    }
}

/// True while `path` names the file of `found`.
fn is_named(found: &fs::Metadata, path: &Path) -> bool {
    let named = fs::symlink_metadata(path);
    named.is_ok_and(|named| (named.dev(), named.ino()) == (found.dev(), found.ino()))
}

/// Returns the largest length up to `at` that cuts no UTF-8 character: some file systems take
/// nothing else. A name that is not UTF-8 is cut anywhere.
fn floor_char_boundary(name: &[u8], at: usize) -> usize {
    match str::from_utf8(name) {
        Ok(text) => text.floor_char_boundary(at),
        Err(_) => at,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::os::unix::fs::symlink;

    use super::*;

    fn part_of(name: &[u8]) -> Vec<u8> {
        let path = Path::new("folder").join(OsString::from_vec(name.to_vec()));
        let part = part_path(&path);
        assert_eq!(part.parent(), Some(Path::new("folder")));
        part.file_name().unwrap().as_bytes().to_vec()
    }

    #[test]
    fn a_part_has_its_files_name_as_far_as_that_fits() {
        assert_eq!(part_of(b"a.iso"), b"a.iso.skiff-part");
        let longest = vec![b'n'; NAME_MAX - PART_SUFFIX.len()];
        assert!(part_of(&longest).starts_with(&longest));
        let mut parts = HashSet::new();
        for length in longest.len() + 1..=NAME_MAX {
            for name in [
                vec![b'n'; length],
                vec![0xff; length],
                "年".repeat(length / 3).into_bytes(),
            ] {
                let part = part_of(&name);
                assert!(part.len() <= NAME_MAX && part.ends_with(PART_SUFFIX.as_bytes()));
                let is_text = |bytes: &[u8]| str::from_utf8(bytes).is_ok();
                assert_eq!(is_text(&name), is_text(&part));
                let is_new = parts.insert(part);
                assert!(is_new || length % 3 > 0, "two names have one part");
            }
        }
    }

    #[test]
    fn a_part_has_one_writer() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("part");
        let first = open(&path, Privacy::Umask).unwrap();
        assert!(matches!(
            open(&path, Privacy::Umask),
            Err(OpenError::Locked)
        ));
        drop(first);
        assert!(open(&path, Privacy::Umask).is_ok());
    }

    #[test]
    fn a_part_that_got_its_final_name_is_no_part() {
        let folder = tempfile::tempdir().unwrap();
        let (part, name) = (folder.path().join("part"), folder.path().join("name"));
        let found = open(&part, Privacy::Umask).unwrap().metadata().unwrap();
        assert!(is_named(&found, &part));
        fs::rename(&part, &name).unwrap();
        assert!(!is_named(&found, &part) && is_named(&found, &name));
        fs::write(&part, "another").unwrap();
        assert!(!is_named(&found, &part));
    }

    /// Each of them finds the part of the one before, opened before that was renamed.
    #[test]
    fn no_finished_file_is_written_to() {
        let folder = tempfile::tempdir().unwrap();
        let part = folder.path().join("part");
        std::thread::scope(|scope| {
            for writer in 0..4 {
                let (part, folder) = (&part, folder.path());
                scope.spawn(move || {
                    for round in 0..50 {
                        let name = format!("{writer}-{round}");
                        let file = loop {
                            match open(part, Privacy::Umask) {
                                Ok(file) => break file,
                                Err(OpenError::Locked) => std::thread::yield_now(),
                                Err(OpenError::Io(error)) => panic!("{error}"),
                            }
                        };
                        assert_eq!(file.metadata().unwrap().len(), 0, "it was finished");
                        fs::write(part, &name).unwrap();
                        fs::rename(part, folder.join(name)).unwrap();
                    }
                });
            }
        });
        for entry in fs::read_dir(folder.path()).unwrap() {
            let entry = entry.unwrap();
            assert_eq!(
                fs::read(entry.path()).unwrap(),
                entry.file_name().as_bytes()
            );
        }
    }

    #[test]
    fn a_part_of_a_private_file_is_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("part");
        fs::write(&path, "begun").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        for _ in 0..2 {
            let part = open(&path, Privacy::Owner).unwrap();
            assert_eq!(part.metadata().unwrap().mode() & 0o777, 0o600);
            fs::remove_file(&path).unwrap();
        }
    }

    #[test]
    fn a_link_or_a_fifo_in_its_place_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (link, fifo) = (folder.path().join("link"), folder.path().join("fifo"));
        fs::write(folder.path().join("victim"), "precious").unwrap();
        symlink("victim", &link).unwrap();
        let kind = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, kind, 0o600.into(), 0).unwrap();
        for path in [link, fifo] {
            assert!(matches!(open(&path, Privacy::Umask), Err(OpenError::Io(_))));
            assert_eq!(size(&path), 0);
        }
    }
}
