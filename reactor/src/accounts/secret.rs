//! The server's secret: 32 random bytes in the state folder, made once.
//!
//! The salts that are shown for unknown users are derived from it, so that they stay the same after
//! a restart: a peer that asks twice cannot tell an unknown user from a known one.

use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

/// Length of the secret in bytes.
pub(crate) const LENGTH: usize = 32;

const NAME: &str = "secret";

/// Reads the secret in the folder `state`, which must exist, or makes it. Its file is whole or
/// absent, also after a crash, and has mode 0600.
///
/// # Errors
///
/// One line that names the file within `state` and the way out. A file that is damaged or readable
/// by others is never replaced, because that would change what unknown users are shown.
pub(crate) fn load_or_make(state: &Path) -> io::Result<[u8; LENGTH]> {
    let path = state.join(NAME);
    let secret = match load(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(state, &path),
        loaded => loaded,
    };
    secret.map_err(|error| io::Error::new(error.kind(), format!("{NAME}: {error}")))
}

/// Whether the secret can be read; makes none.
pub(crate) fn look(state: &Path) -> io::Result<()> {
    let loaded = load(&state.join(NAME));
    loaded
        .map(drop)
        .map_err(|error| io::Error::new(error.kind(), format!("{NAME}: {error}")))
}

fn load(path: &Path) -> io::Result<[u8; LENGTH]> {
    // O_NONBLOCK: a FIFO in the file's place must not hang the start in open(2).
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits() as i32)
        .open(path)?;
    let found = file.metadata()?;
    if found.mode() & 0o077 != 0 {
        return Err(refusal(
            "others may read this secret; delete it, and a new one is made",
        ));
    }
    let mut bytes = Vec::with_capacity(LENGTH + 1);
    file.take(LENGTH as u64 + 1).read_to_end(&mut bytes)?;
    bytes
        .try_into()
        .map_err(|_| refusal("is not 32 bytes long; delete it, and a new one is made"))
}

fn make(state: &Path, path: &Path) -> io::Result<[u8; LENGTH]> {
    let mut secret = [0; LENGTH];
    getrandom::fill(&mut secret).map_err(|error| io::Error::other(error.to_string()))?;
    let fresh = state.join(format!(".{NAME}.{}.new", std::process::id()));
    let published = write(&fresh, &secret).and_then(|()| publish(&fresh, path));
    // Best effort: a later attempt by a process of the same number removes it too.
    let _ = std::fs::remove_file(&fresh);
    match published {
        Ok(()) => skiff_conf::sync_folder(state).map(|()| secret),
        // Another daemon was faster, and both must use one secret.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => load(path),
        Err(error) => Err(error),
    }
}

/// Gives the file `fresh` the name `path` too, unless another file has it. A link replaces nothing
/// on any file system; one without links (FAT) gets a rename, after a look.
fn publish(fresh: &Path, path: &Path) -> io::Result<()> {
    match std::fs::hard_link(fresh, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
        Err(_) if path.symlink_metadata().is_ok() => Err(io::ErrorKind::AlreadyExists.into()),
        Err(_) => std::fs::rename(fresh, path),
        Ok(()) => Ok(()),
    }
}

fn write(fresh: &Path, secret: &[u8]) -> io::Result<()> {
    match std::fs::remove_file(fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(fresh)?;
    file.write_all(secret)?;
    file.sync_all()
}

fn refusal(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn it_is_made_once_and_private() {
        let state = tempfile::tempdir().unwrap();
        let made = load_or_make(state.path()).unwrap();
        assert_ne!(made, [0; LENGTH]);
        assert_eq!(load_or_make(state.path()).unwrap(), made);
        let found = fs::metadata(state.path().join(NAME)).unwrap();
        assert_eq!(found.mode() & 0o7777, 0o600);
        let names = fs::read_dir(state.path()).unwrap().count();
        assert_eq!(names, 1, "nothing is left beside it");
    }

    #[test]
    fn two_servers_do_not_share_one() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let made = load_or_make(one.path()).unwrap();
        assert_ne!(made, load_or_make(other.path()).unwrap());
    }

    #[test]
    fn a_race_is_lost_to_the_one_who_published() {
        let state = tempfile::tempdir().unwrap();
        let path = state.path().join(NAME);
        let theirs = load_or_make(state.path()).unwrap();
        assert_eq!(make(state.path(), &path).unwrap(), theirs);
        assert_eq!(fs::read_dir(state.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_damaged_or_open_file_is_refused_and_kept() {
        let state = tempfile::tempdir().unwrap();
        let path = state.path().join(NAME);
        fs::write(&path, [7; LENGTH]).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        let open = load_or_make(state.path()).unwrap_err().to_string();
        assert!(open.contains("others may read"), "{open}");

        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        assert_eq!(load_or_make(state.path()).unwrap(), [7; LENGTH]);
        fs::write(&path, [7; LENGTH - 1]).unwrap();
        let short = load_or_make(state.path()).unwrap_err().to_string();
        assert!(short.contains("is not 32 bytes"), "{short}");
        assert_eq!(fs::read(&path).unwrap().len(), LENGTH - 1);
    }

    #[test]
    fn a_missing_folder_is_an_error() {
        let error = load_or_make(Path::new("/nowhere/state")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert!(error.to_string().starts_with("secret: "), "{error}");
    }
}
