//! `skiffd init`: makes the settings and folders of a new server.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use skiff_conf::{Complaint, SERVER_SAMPLE, Server, UserStore};

use crate::accounts::folder::{Made, make_folder};
use crate::cli::failure::Failure;

pub(crate) const SETTINGS: &str = "server.ron";

/// Makes the commented settings, an empty user store and folders in `folder`; returns what to do
/// next.
pub(crate) fn run(folder: &Path) -> Result<String, Failure> {
    make_folders(folder)?;
    let settings = folder.join(SETTINGS);
    let users = folder.join("users.ron");
    if users.symlink_metadata().is_ok() {
        return Err(already_there(&users));
    }
    if write_new(&settings, SERVER_SAMPLE)? == Made::Kept {
        return Err(already_there(&settings));
    }
    let config = Server::load(&settings)?;
    lay_out(&config)?;
    UserStore::edit(&config.users, |_| Ok::<_, Complaint>(()))?;
    Ok(next_steps(&config.file))
}

/// Makes the folders that the settings name, where they are missing.
pub(crate) fn lay_out(config: &Server) -> Result<(), Failure> {
    make_folder(&config.homes, config.dir_mode.bits())?;
    make_folder(&config.state, 0o700)?;
    Ok(())
}

/// Makes `path` and the missing folders above it, with mode 0755.
pub(crate) fn make_folders(path: &Path) -> Result<(), Failure> {
    if let Some(parent) = path.parent()
        && !parent.as_os_str().is_empty()
        && !parent.is_dir()
    {
        make_folders(parent)?;
    }
    make_folder(path, 0o755)?;
    Ok(())
}

/// Writes a file with this text, unless there is one.
pub(crate) fn write_new(path: &Path, text: &str) -> Result<Made, Failure> {
    let failed = |error| Failure::at(path, "written", &error);
    let created = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o644)
        .open(path);
    let mut file = match created {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(Made::Kept),
        Err(error) => return Err(failed(error)),
    };
    file.write_all(text.as_bytes()).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    Ok(Made::New)
}

fn already_there(path: &Path) -> Failure {
    Failure::Failed(format!(
        "{} is there already and is not overwritten; choose another folder, or move it away",
        path.display()
    ))
}

fn next_steps(settings: &Path) -> String {
    let file = settings.display();
    format!(
        "made {file}, and beside it users.ron, homes and state; next:
  skiffd user add --config {file} NAME
  skiffd check --config {file}
  skiffd --config {file}"
    )
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    fn mode(path: &Path) -> u32 {
        path.symlink_metadata().unwrap().mode() & 0o7777
    }

    #[test]
    fn a_new_server_has_all_it_needs() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("new/server");
        run(&folder).unwrap();
        let config = Server::load(&folder.join(SETTINGS)).unwrap();
        assert_eq!(mode(&config.homes), 0o700);
        assert_eq!(mode(&config.state), 0o700);
        assert_eq!(mode(&config.users), 0o600);
        assert!(UserStore::load(&config.users).unwrap().is_empty());
    }

    #[test]
    fn nothing_is_overwritten() {
        for name in [SETTINGS, "users.ron"] {
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join(name), "mine").unwrap();
            let message = run(folder.path()).unwrap_err().to_string();
            assert!(
                message.contains(name) && message.contains("not overwritten"),
                "{message}"
            );
            let kept = std::fs::read_to_string(folder.path().join(name)).unwrap();
            assert_eq!(kept, "mine");
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        }
    }
}
