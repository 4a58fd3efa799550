//! Makes folders such as homes, with an exact mode and the owner of the folder above.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{
    DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown, lchown,
};
use std::path::{Component, Path, PathBuf};

use rustix::fs::OFlags;
use skiff_conf::Server;
use skiff_vfs::Owner;

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

/// Makes a home, and the folders above it that lie in the folder of the homes. A new one gets what
/// the skeleton has, and all of it is the owner's.
pub(crate) fn make_new_home(
    config: &Server,
    home: &Path,
    owner: Option<&Owner>,
) -> Result<Made, FolderError> {
    let mode = config.dir_mode.bits();
    let up = |path: &Path| path.components().any(|part| part == Component::ParentDir);
    let within = |above: &&Path| {
        let below = above.strip_prefix(&config.homes);
        below.is_ok_and(|below| !below.as_os_str().is_empty() && !up(below))
    };
    let mut above: Vec<_> = home.ancestors().skip(1).filter(within).collect();
    above.reverse();
    for folder in above {
        make_folder(folder, mode)?;
    }
    let made = make_folder(home, mode)?;
    if let (Made::New, Some(skeleton)) = (made, &config.skeleton) {
        let failed = |error| FolderError::new(skeleton, "copied into a new home", error);
        copy_tree(skeleton, home).map_err(failed)?;
    }
    if let (Made::New, Some(owner)) = (made, owner) {
        give_tree(home, owner)
            .map_err(|error| FolderError::new(home, "given to its owner", error))?;
    }
    Ok(made)
}

/// Gives all that is in a new home, and then the home itself, so that nobody else has changed it
/// meanwhile.
fn give_tree(path: &Path, owner: &Owner) -> io::Result<()> {
    if path.symlink_metadata()?.is_dir() {
        for entry in std::fs::read_dir(path)? {
            give_tree(&entry?.path(), owner)?;
        }
    }
    lchown(path, Some(owner.uid()), Some(owner.gid()))
}

/// Copies files and directories with their modes, and the owner of `to`. Links and devices are left
/// out: who made the skeleton did not mean this home.
fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let (found, target) = (entry.metadata()?, to.join(entry.file_name()));
        if found.is_dir() {
            DirBuilder::new().mode(0o700).create(&target)?;
            copy_tree(&entry.path(), &target)?;
            settle(&target, found.mode() & 0o7777)?;
        } else if found.is_file() {
            let mut copy = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&target)?;
            io::copy(&mut File::open(entry.path())?, &mut copy)?;
            let above = std::fs::metadata(to)?;
            if copy.metadata()?.uid() != above.uid() {
                fchown(&copy, Some(above.uid()), Some(above.gid()))?;
            }
            copy.set_permissions(Permissions::from_mode(found.mode() & 0o7777))?;
        }
    }
    Ok(())
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

    #[test]
    fn a_new_home_has_what_the_skeleton_has_and_an_old_one_keeps_what_it_had() {
        let place = tempfile::tempdir().unwrap();
        let at = |path: &str| place.path().join(path);
        std::fs::create_dir_all(at("skel/in/deep")).unwrap();
        std::fs::create_dir(at("homes")).unwrap();
        std::fs::write(at("skel/in/readme"), "hello").unwrap();
        std::os::unix::fs::symlink("/etc/passwd", at("skel/link")).unwrap();
        std::fs::set_permissions(at("skel/in"), Permissions::from_mode(0o750)).unwrap();
        let text = "(skeleton: \"skel\", dir_mode: \"0755\")";
        let config = Server::parse(text, &at("server.ron")).unwrap();
        let home = at("homes/students/ann");
        assert_eq!(make_new_home(&config, &home, None).unwrap(), Made::New);
        assert_eq!(mode(&home), 0o755);
        assert_eq!(mode(&home.join("in")), 0o750);
        assert!(home.join("in/deep").is_dir());
        assert_eq!(std::fs::read(home.join("in/readme")).unwrap(), b"hello");
        assert!(home.join("link").symlink_metadata().is_err());
        std::fs::remove_file(home.join("in/readme")).unwrap();
        assert_eq!(make_new_home(&config, &home, None).unwrap(), Made::Kept);
        assert!(!home.join("in/readme").exists());
        assert!(make_new_home(&config, &at("homes/../other/ann"), None).is_err());
        assert!(make_new_home(&config, &at("elsewhere/ann"), None).is_err());
    }
}
