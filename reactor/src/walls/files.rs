//! The wall around files: Landlock (landlock(7)) leaves the process no files but those that its
//! work needs. It holds for opening, making and removing; looking at attributes stays possible.
//!
//! TCP stays open: passive ports and the addresses of active data connections are not known.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, BitFlags, CompatLevel, Compatible, LandlockStatus, PathBeneath, PathFd,
    RestrictionStatus, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError, RulesetStatus,
    Scope, make_bitflags,
};
use skiff_conf::{FileOwners, LogTarget, PassiveAddress, Server, UserStore};

/// The newest version whose restrictions were tried with this daemon.
const TRIED: ABI = ABI::V6;

/// What the daemon may do below a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Use {
    Read,
    Change,
}

impl Use {
    /// Programs are never executed, and devices neither made nor controlled.
    fn access(self) -> BitFlags<AccessFs> {
        let read = make_bitflags!(AccessFs::{ReadFile | ReadDir});
        let devices = make_bitflags!(AccessFs::{MakeChar | MakeBlock | IoctlDev});
        match self {
            Self::Read => read,
            Self::Change => read | (AccessFs::from_write(TRIED) & !devices),
        }
    }
}

/// Folders, and files of the system, that stay reachable.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Reach(BTreeMap<PathBuf, Use>);

impl Reach {
    /// All that a daemon with these settings opens after its start. Files are named by their
    /// folders, because they are replaced by renaming.
    pub(super) fn of(config: &Server, users: &UserStore) -> Self {
        let mut reach = Self::default();
        reach.add(&config.homes, Use::Change);
        reach.add(&config.state, Use::Change);
        reach.add_folder_of(&config.users, Use::Change);
        reach.add_folder_of(&config.file, Use::Read);
        reach.add_homes_elsewhere(config, users);
        if let Some(skeleton) = &config.skeleton {
            reach.add(skeleton, Use::Read);
        }
        for folder in config.folders.values() {
            reach.add(&folder.path, Use::Change);
        }
        if let LogTarget::File(path) = &config.log.access {
            reach.add_folder_of(path, Use::Change);
        }
        if let Some(path) = &config.log.xferlog {
            reach.add_folder_of(path, Use::Change);
        }
        for path in config.tls.files() {
            reach.add_folder_of(path, Use::Read);
        }
        if config.file_owners == FileOwners::Accounts {
            // passwd(5) and group(5), which are replaced by renaming.
            reach.add(Path::new("/etc"), Use::Read);
        }
        let mut told = config.ftp.passive_addresses();
        reach.add_system(told.any(|address| matches!(address, PassiveAddress::Host(_))));
        reach
    }

    fn add(&mut self, path: &Path, what: Use) {
        let used = self.0.entry(path.to_owned()).or_insert(what);
        *used = what.max(*used);
    }

    /// The folder in which `path` has its name, and the one that a link leads to.
    fn add_folder_of(&mut self, path: &Path, what: Use) {
        let target = path.canonicalize().ok();
        for path in [Some(path), target.as_deref()].into_iter().flatten() {
            self.add(path.parent().unwrap_or(path), what);
        }
    }

    /// Homes that do not lie in the folder of the homes, by their paths or by links.
    fn add_homes_elsewhere(&mut self, config: &Server, users: &UserStore) {
        let homes = config.homes.canonicalize().ok();
        for (name, account) in users.iter() {
            let home = config.home(name, account);
            let target = home.canonicalize().ok();
            let within = match (&target, &homes) {
                (Some(target), Some(homes)) => target.starts_with(homes),
                _ => home.starts_with(&config.homes),
            };
            if !within {
                self.add(&home, Use::Change);
            }
        }
    }

    /// What the standard library, the C library and the jail read.
    fn add_system(&mut self, resolves_names: bool) {
        // Locks of files, the process's own descriptors (vfs), the processors it may use.
        let always = ["/proc", "/sys/fs/cgroup", "/sys/devices/system/cpu"];
        // For a kernel that has no getrandom(2) yet.
        let random = ["/dev/urandom"];
        // resolv.conf(5), hosts(5), nsswitch.conf(5), the modules that the latter names, and where
        // resolvers keep what /etc/resolv.conf links to.
        let names: &[&str] = match resolves_names {
            true => &["/etc", "/lib", "/lib64", "/usr/lib", "/usr/lib64", "/run"],
            false => &[],
        };
        for path in always.iter().chain(&random).chain(names) {
            self.add(Path::new(path), Use::Read);
        }
    }

    /// The folders of the operator's that are not there, so that no rule can name them.
    pub(super) fn missing(&self) -> impl Iterator<Item = &Path> {
        let changed = self.0.iter().filter(|(_, what)| **what == Use::Change);
        changed
            .map(|(path, _)| path.as_path())
            .filter(|path| !path.exists())
    }
}

/// Restricts the calling thread, and all that it starts, to `reach`; returns the version of
/// Landlock, or why there is none.
pub(super) fn restrict(reach: &Reach) -> Result<String, String> {
    let status = apply(reach).map_err(|error| describe(&error))?;
    let version = match status.landlock {
        LandlockStatus::Available {
            effective_abi,
            kernel_abi,
        } => kernel_abi.unwrap_or(effective_abi as i32),
        LandlockStatus::NotEnabled => return Err("is switched off in this kernel".to_owned()),
        LandlockStatus::NotImplemented => return Err("is not in this kernel".to_owned()),
    };
    match status.ruleset {
        RulesetStatus::NotEnforced => Err("is not enforced by this kernel".to_owned()),
        RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced => {
            Ok(format!("ABI {version}"))
        }
    }
}

fn apply(reach: &Reach) -> Result<RestrictionStatus, RulesetError> {
    // Without Refer (ABI 1) nothing may be renamed into another folder, and uploads are.
    let ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::Refer)?
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(TRIED))?
        .scope(Scope::Signal)?;
    let mut ruleset = ruleset.create()?;
    for (path, what) in &reach.0 {
        // What is not there cannot be named: see `Reach::missing`.
        let Ok(folder) = PathFd::new(path) else {
            continue;
        };
        let access = match path.is_dir() {
            true => what.access(),
            false => what.access() & AccessFs::from_file(TRIED),
        };
        ruleset = ruleset.add_rule(PathBeneath::new(folder, access))?;
    }
    ruleset.restrict_self()
}

/// The cause alone: the crate's own words name its types.
fn describe(error: &RulesetError) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    match cause.downcast_ref::<io::Error>() {
        Some(error) => format!("was refused: {error}"),
        None => format!("cannot be had here (it needs Linux 5.19): {cause}"),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    /// Runs `body` on a thread that is restricted to `reach`; false where the kernel has no
    /// Landlock.
    fn restricted(reach: Reach, body: impl FnOnce() + Send + 'static) -> bool {
        let thread = std::thread::spawn(move || {
            let stands = restrict(&reach).is_ok();
            if stands {
                body();
            }
            stands
        });
        thread.join().unwrap()
    }

    fn is_denied<T>(result: io::Result<T>) -> bool {
        result.is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
    }

    #[test]
    fn nothing_outside_is_opened_made_or_removed() {
        let place = tempfile::tempdir().unwrap();
        let (homes, other) = (place.path().join("homes"), place.path().join("other"));
        for folder in [&homes, &other] {
            std::fs::create_dir_all(folder.join("tom/deep")).unwrap();
            std::fs::write(folder.join("tom/file"), "content").unwrap();
        }
        std::os::unix::fs::symlink(&other, homes.join("out")).unwrap();
        let mut reach = Reach::default();
        reach.add(&homes, Use::Change);
        let stood = restricted(reach, move || {
            let tom = homes.join("tom");
            assert_eq!(std::fs::read(tom.join("file")).unwrap(), b"content");
            std::fs::rename(tom.join("file"), tom.join("deep/moved")).unwrap();
            std::fs::write(tom.join("new"), "new").unwrap();
            std::fs::remove_file(tom.join("new")).unwrap();
            for outside in [other.join("tom"), homes.join("out/tom")] {
                assert!(is_denied(File::open(outside.join("file"))));
                assert!(is_denied(File::create(outside.join("new"))));
                assert!(is_denied(std::fs::remove_file(outside.join("file"))));
                assert!(is_denied(std::fs::read_dir(&outside)));
                // EXDEV, as across file systems, or EACCES.
                assert!(std::fs::rename(tom.join("deep/moved"), outside.join("moved")).is_err());
            }
            assert!(is_denied(File::open("/etc/passwd")));
            assert!(is_denied(std::process::Command::new("/bin/true").spawn()));
        });
        assert_eq!(stood, kernel_has_landlock());
    }

    #[test]
    fn what_may_only_be_read_stays_as_it_is() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("key.pem");
        std::fs::write(&file, "key").unwrap();
        let mut reach = Reach::default();
        reach.add_folder_of(&file, Use::Read);
        let stood = restricted(reach, move || {
            assert_eq!(std::fs::read(&file).unwrap(), b"key");
            assert!(is_denied(std::fs::write(&file, "other")));
            assert!(is_denied(std::fs::remove_file(&file)));
        });
        assert_eq!(stood, kernel_has_landlock());
    }

    fn kernel_has_landlock() -> bool {
        let asked = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
        let asked = asked.handle_access(AccessFs::Refer);
        asked.and_then(Ruleset::create).is_ok()
    }

    #[test]
    fn the_settings_say_what_is_reached() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        for folder in ["live", "archive", "homes", "mnt"] {
            std::fs::create_dir(at(folder)).unwrap();
        }
        std::fs::write(at("archive/key1.pem"), "").unwrap();
        std::os::unix::fs::symlink("../archive/key1.pem", at("live/key.pem")).unwrap();
        std::os::unix::fs::symlink(at("mnt"), at("homes/linked")).unwrap();
        let settings = "(tls: (certificate: \"live/cert.pem\", key: \"live/key.pem\"), \
                        users: \"accounts/users.ron\", \
                        log: (access: \"logs/access.log\", xferlog: \"xfer/log\"))";
        let config = Server::parse(settings, &at("server.ron")).unwrap();
        let mut users = UserStore::default();
        for (name, home) in [
            ("tom", None),
            ("linked", None),
            ("ann", Some("/no/disk/ann")),
        ] {
            let account = skiff_conf::Account {
                home: home.map(PathBuf::from),
                ..skiff_conf::Account::new(skiff_conf::Verifier {
                    salt: vec![0; 16],
                    iterations: skiff_conf::Iterations::MIN,
                    stored_key: [0; 32],
                    server_key: [0; 32],
                })
            };
            users.add(name.parse().unwrap(), account).unwrap();
        }
        let mut reach = Reach::of(&config, &users);
        reach
            .0
            .retain(|path, _| path.starts_with(place.path()) || path.starts_with("/no"));
        let expected = [
            (at(""), Use::Read),
            (at("accounts"), Use::Change),
            (at("archive"), Use::Read),
            (at("homes"), Use::Change),
            (at("homes/linked"), Use::Change),
            (at("live"), Use::Read),
            (at("logs"), Use::Change),
            (at("state"), Use::Change),
            (at("xfer"), Use::Change),
            (PathBuf::from("/no/disk/ann"), Use::Change),
        ];
        assert_eq!(reach, Reach(expected.into()));
        let missing: Vec<_> = reach.missing().collect();
        assert!(missing.contains(&Path::new("/no/disk/ann")), "{missing:?}");
        assert!(!missing.contains(&at("homes").as_path()), "{missing:?}");
    }
}
