//! Finds the files of the user: settings, known hosts, history (XDG Base Directory Specification).

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Where the user's files are kept.
pub(crate) struct Folders {
    home: Option<PathBuf>,
    config: Option<PathBuf>,
    state: Option<PathBuf>,
}

impl Folders {
    /// Looks at the environment of this process.
    pub(crate) fn of_this_user() -> Self {
        Self::from(std::env::home_dir(), |name| std::env::var_os(name))
    }

    /// `variable` looks up an environment variable. One that is no absolute path counts for
    /// nothing, as the specification demands.
    fn from(home: Option<PathBuf>, variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let absolute = |name: &str| {
            let path = variable(name).map(PathBuf::from);
            path.filter(|path| path.is_absolute())
        };
        Self {
            config: absolute("XDG_CONFIG_HOME"),
            state: absolute("XDG_STATE_HOME"),
            home,
        }
    }

    /// `client.ron`.
    pub(crate) fn settings(&self) -> Option<PathBuf> {
        self.find(self.config.as_deref(), ".config", "skiff/client.ron")
    }

    /// The known hosts file, where the settings name none.
    pub(crate) fn known_hosts(&self) -> Option<PathBuf> {
        self.find(self.config.as_deref(), ".config", "skiff/known_hosts")
    }

    /// The lines that were typed at the prompt.
    pub(crate) fn history(&self) -> Option<PathBuf> {
        self.find(self.state.as_deref(), ".local/state", "skiff/history")
    }

    /// Returns the place of a file below the folder that the environment names, or else below
    /// `usual` in the home. Where the file is only in the latter, from before the environment named
    /// another folder, that is its place. `None` without a home directory.
    fn find(&self, named: Option<&Path>, usual: &str, file: &str) -> Option<PathBuf> {
        let named = named.map(|folder| folder.join(file));
        let usual = self.home.as_ref().map(|home| home.join(usual).join(file));
        match (named, usual) {
            (Some(named), Some(usual)) if !named.exists() && usual.exists() => Some(usual),
            (Some(named), _) => Some(named),
            (None, usual) => usual,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn folders(home: &Path, named: Option<&Path>) -> Folders {
        Folders::from(Some(home.to_owned()), |_| {
            named.map(|folder| folder.as_os_str().to_owned())
        })
    }

    #[test]
    fn without_variables_the_files_lie_in_the_home() {
        let plain = folders(Path::new("/h"), None);
        let place = |path: Option<PathBuf>| path.unwrap().display().to_string();
        assert_eq!(place(plain.settings()), "/h/.config/skiff/client.ron");
        assert_eq!(place(plain.known_hosts()), "/h/.config/skiff/known_hosts");
        assert_eq!(place(plain.history()), "/h/.local/state/skiff/history");
        let relative = folders(Path::new("/h"), Some(Path::new("x")));
        assert_eq!(place(relative.history()), "/h/.local/state/skiff/history");
        assert!(Folders::from(None, |_| None).settings().is_none());
    }

    #[test]
    fn a_file_in_the_old_place_is_used_until_there_is_one_in_the_new() {
        let home = tempfile::tempdir().unwrap();
        let named = home.path().join("elsewhere");
        let found = || {
            let folders = folders(home.path(), Some(&named));
            [folders.settings(), folders.known_hosts(), folders.history()]
        };
        let files = ["client.ron", "known_hosts", "history"];
        let new: Vec<_> = files
            .iter()
            .map(|file| Some(named.join("skiff").join(file)))
            .collect();
        assert_eq!(found().to_vec(), new);

        let config = home.path().join(".config/skiff");
        let state = home.path().join(".local/state/skiff");
        let old = [
            config.join(files[0]),
            config.join(files[1]),
            state.join(files[2]),
        ];
        for path in &old {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        assert_eq!(found(), old.map(Some));
        fs::create_dir_all(named.join("skiff")).unwrap();
        for path in new.iter().flatten() {
            fs::write(path, "").unwrap();
        }
        assert_eq!(found().to_vec(), new);
    }
}
