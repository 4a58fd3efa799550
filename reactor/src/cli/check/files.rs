//! Checks the server's own files and the users' homes: that they exist with the right owner and
//! mode.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{Access, access};
use rustix::process::geteuid;
use skiff_conf::{Account, AccountStatus, FileOwner, Server, UserName, UserStore};
use skiff_vfs::Owner;

use super::homes;
use super::report::Report;
use crate::accounts::owners::{look_up, named_owner};
use crate::cli::user;

/// The users, if their store can be read.
pub(super) fn examine(config: &Server, report: &mut Report<'_>) -> Option<UserStore> {
    examine_folder("state", &config.state, all(), report);
    examine_folder("homes", &config.homes, Access::EXEC_OK, report);
    let users = match UserStore::load(&config.users) {
        Ok(users) => users,
        Err(complaint) => {
            report.wrong("users", &complaint.to_string());
            return None;
        }
    };
    let text = format!("{} holds {}", config.users.display(), users.len());
    report.ok("users", &text);
    examine_owners(config, report);
    examine_homes(config, &users, report);
    Some(users)
}

fn examine_folder(key: &'static str, path: &Path, needed: Access, report: &mut Report<'_>) {
    let shown = path.display();
    match look(path, needed) {
        Ok(Folder::Usable(standing)) => {
            report.ok(key, &format!("{shown} can be used ({standing})"));
        }
        // `Server::advice` reports this.
        Ok(Folder::ToBeMade) => {}
        Err(what) => report.wrong(key, &format!("{shown} {what}")),
    }
}

/// A folder of the daemon's.
enum Folder {
    /// It exists, with this owner and mode.
    Usable(String),
    /// It is missing, but the daemon can make it.
    ToBeMade,
}

fn look(path: &Path, needed: Access) -> Result<Folder, String> {
    let found = match path.metadata() {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return look_above(path),
        Err(error) => return Err(format!("cannot be looked at: {error}")),
    };
    if !found.is_dir() {
        return Err("is no folder".to_owned());
    }
    let standing = format!("owner {}, mode {:04o}", found.uid(), found.mode() & 0o7777);
    match access(path, needed) {
        Ok(()) => Ok(Folder::Usable(standing)),
        Err(error) => Err(format!("({standing}) cannot be used by this user: {error}")),
    }
}

fn look_above(path: &Path) -> Result<Folder, String> {
    let above = path.ancestors().find(|above| above.exists());
    let above = above.unwrap_or_else(|| Path::new("/"));
    match access(above, Access::WRITE_OK | Access::EXEC_OK) {
        Ok(()) => Ok(Folder::ToBeMade),
        Err(error) => Err(format!(
            "is not there, and cannot be made in {}: {error}",
            above.display()
        )),
    }
}

fn all() -> Access {
    Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK
}

/// Root can read everything; the daemon's user may not.
fn examine_owners(config: &Server, report: &mut Report<'_>) {
    let Ok(state) = config.state.metadata() else {
        return;
    };
    let (owner, own) = (state.uid(), geteuid());
    for (key, path) in [("users", &config.users), ("homes", &config.homes)] {
        if let Ok(found) = path.metadata()
            && found.uid() != owner
        {
            let text = format!(
                "{} belongs to user {}, but the state folder to {owner}; skiffd runs as one user",
                path.display(),
                found.uid()
            );
            report.note(key, &text);
        }
    }
    if own.is_root() && owner != 0 {
        let text = format!("belongs to user {owner}; a check that runs as that user sees more");
        report.note("state", &text);
    }
}

fn examine_homes(config: &Server, users: &UserStore, report: &mut Report<'_>) {
    let enabled = |(_, account): &(&UserName, &Account)| account.standing == AccountStatus::Enabled;
    let mut usable = 0;
    for (name, account) in users.iter().filter(enabled) {
        let home = config.home(name, account);
        let owner = named_owner(name, account);
        match examine_home(config, &home, owner.as_ref()) {
            Ok(owner) => {
                usable += 1;
                homes::examine(name.as_str(), &home, owner, report);
            }
            Err(what) => {
                let text = format!("the home of {name}, {}, {what}", home.display());
                report.wrong("users", &text);
            }
        }
    }
    if usable > 0 {
        let text = format!("{usable} with a home that can be used, or made at the first login");
        report.ok("users", &text);
    }
}

/// The owner of the home, where its account has one, or what is wrong.
fn examine_home(
    config: &Server,
    home: &Path,
    owner: Option<&FileOwner>,
) -> Result<Option<Owner>, String> {
    if let Some(own) = user::exposed_by(config, home) {
        return Err(format!("puts {} into that user's hands", own.display()));
    }
    let above = home.parent().unwrap_or(home);
    if !home.exists() && !above.is_dir() && above != config.homes {
        return Err("is not there, nor is the folder above it; make it".to_owned());
    }
    if let Some(owner) = owner {
        return look_at_owned(config, home, owner).map(Some);
    }
    // Also for a read-only user: stages from before are swept.
    look(home, all()).map(|_| None)
}

/// What is wrong with a folder whose files are to belong to `owner`.
pub(super) fn look_at_owned(
    config: &Server,
    folder: &Path,
    owner: &FileOwner,
) -> Result<Owner, String> {
    let ids = look_up(config, owner).map_err(|error| format!("cannot be used: {error}"))?;
    let shown = folder.display();
    match folder.metadata() {
        Ok(found) if found.is_dir() && found.uid() == ids.uid() => Ok(ids),
        Ok(found) if found.is_dir() => Err(format!(
            "belongs to user {}, and not to its owner {owner}; run: chown -R {owner} {shown}",
            found.uid()
        )),
        Ok(_) => Err("is no folder".to_owned()),
        Err(_) => Err(format!(
            "is not there, and only root makes what is another user's; run: install -d -o {} \
             -m 0700 {shown}",
            owner.user()
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::cli::check::tests::{reported, server};
    use skiff_conf::{Complaint, FileOwners};

    fn add(config: &Server, name: &str) {
        let account = Account::new(user::verifier("123", config.scram_iterations).unwrap());
        UserStore::edit(&config.users, |store| {
            store.add(name.parse().unwrap(), account).unwrap();
            Ok::<_, Complaint>(())
        })
        .unwrap();
    }

    #[test]
    fn a_home_must_be_a_folder_or_not_there_yet() {
        let folder = tempfile::tempdir().unwrap();
        let config = server(folder.path());
        add(&config, "tom");
        let (text, wrong) = reported(|report| drop(examine(&config, report)));
        assert!(wrong.is_empty(), "{text}");
        assert!(text.contains("users: 1 with a home"), "{text}");

        fs::write(config.homes.join("tom"), "").unwrap();
        let (text, wrong) = reported(|report| drop(examine(&config, report)));
        assert_eq!(wrong, ["users"], "{text}");
        assert!(
            text.contains("the home of tom, ") && text.contains("is no folder"),
            "{text}"
        );
    }

    #[test]
    fn a_home_belongs_to_the_owner_that_its_account_says() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = server(folder.path());
        let home = config.homes.join("tom");
        let owner: FileOwner = "54321:54321".parse().unwrap();
        let told = |config: &Server| examine_home(config, &home, Some(&owner)).unwrap_err();
        assert!(told(&config).contains("file_owners is Daemon"));
        config.file_owners = FileOwners::Accounts;
        assert!(told(&config).contains("install -d -o 54321"));
        fs::create_dir_all(&home).unwrap();
        assert!(told(&config).contains("run: chown -R 54321:54321 "));
        if geteuid().is_root() {
            std::os::unix::fs::chown(&home, Some(54_321), Some(54_321)).unwrap();
            let found = examine_home(&config, &home, Some(&owner)).unwrap().unwrap();
            assert_eq!(found.uid(), 54_321);
        }
    }

    #[test]
    fn a_home_in_a_missing_folder_is_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let config = server(folder.path());
        assert!(examine_home(&config, &config.homes.join("tom"), None).is_ok());
        assert!(examine_home(&config, &config.homes.join("no/tom"), None).is_err());
    }

    #[test]
    fn the_home_of_a_disabled_user_is_nobodys_trouble() {
        let folder = tempfile::tempdir().unwrap();
        let config = server(folder.path());
        add(&config, "tom");
        fs::write(config.homes.join("tom"), "").unwrap();
        UserStore::edit(&config.users, |store| {
            store.get_mut(&"tom".parse().unwrap()).unwrap().standing = AccountStatus::Disabled;
            Ok::<_, Complaint>(())
        })
        .unwrap();
        let (text, wrong) = reported(|report| drop(examine(&config, report)));
        assert!(wrong.is_empty(), "{text}");
    }

    #[test]
    fn a_home_with_the_servers_own_files_is_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let config = server(folder.path());
        add(&config, "tom");
        std::os::unix::fs::symlink(folder.path(), config.homes.join("tom")).unwrap();
        let (text, wrong) = reported(|report| drop(examine(&config, report)));
        assert_eq!(wrong, ["users"], "{text}");
        assert!(text.contains("into that user's hands"), "{text}");
    }

    #[test]
    fn a_folder_is_made_where_that_can_be() {
        let folder = tempfile::tempdir().unwrap();
        let config = server(folder.path());
        fs::remove_dir(&config.state).unwrap();
        let (text, wrong) = reported(|report| drop(examine(&config, report)));
        assert!(wrong.is_empty(), "{text}");
        assert!(!text.contains(" state: "), "{text}");

        // Nobody makes folders below a file.
        fs::write(&config.state, "").unwrap();
        let (text, wrong) = reported(|report| drop(examine(&config, report)));
        assert_eq!(wrong, ["state"], "{text}");
    }

    #[test]
    fn an_open_user_store_is_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let config = server(folder.path());
        fs::set_permissions(&config.users, Permissions::from_mode(0o644)).unwrap();
        let (text, wrong) = reported(|report| assert!(examine(&config, report).is_none()));
        assert_eq!(wrong, ["users"], "{text}");
        assert!(text.contains("chmod 600"), "{text}");
    }
}
