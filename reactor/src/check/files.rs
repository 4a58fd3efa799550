//! The server's own files and the users' homes: there, and of the right owner and mode.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{Access, access};
use rustix::process::geteuid;
use skiff_conf::{Account, Server, Standing, UserName, UserStore};

use super::Report;

/// The users, where their store can be read.
pub(super) fn examine(config: &Server, report: &mut Report<'_>) -> Option<UserStore> {
    let all = Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK;
    examine_folder("state", &config.state, all, report);
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
    match path.metadata() {
        Err(error) => report.wrong(key, &format!("{shown}: {error}; make it, or name another")),
        Ok(found) if !found.is_dir() => report.wrong(key, &format!("{shown} is no folder")),
        Ok(found) => match access(path, needed) {
            Ok(()) => report.ok(key, &format!("{shown} can be used ({})", standing(&found))),
            Err(error) => report.wrong(
                key,
                &format!(
                    "{shown} ({}) cannot be used by this user: {error}",
                    standing(&found)
                ),
            ),
        },
    }
}

fn standing(found: &Metadata) -> String {
    format!("owner {}, mode {:04o}", found.uid(), found.mode() & 0o7777)
}

/// Root sees everything; the user that the daemon will be does not.
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
    let enabled = |(_, account): &(&UserName, &Account)| account.standing == Standing::Enabled;
    let mut usable = 0;
    for (name, account) in users.iter().filter(enabled) {
        let home = config.home(name, account);
        match examine_home(&home) {
            Ok(()) => usable += 1,
            Err(what) => {
                let text = format!("the home of {name}, {}, {what}", home.display());
                report.wrong("users", &text);
            }
        }
    }
    if usable > 0 {
        report.ok("users", &format!("{usable} with a home that can be used"));
    }
}

fn examine_home(home: &Path) -> Result<(), String> {
    if !home.is_dir() {
        return Err("is not there; make it, or delete the user".to_owned());
    }
    // Also of a read-only user: interrupted uploads of others may have to be swept.
    let needed = Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK;
    access(home, needed).map_err(|error| format!("cannot be used by this user: {error}"))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::admin;
    use crate::check::tests::{reported, server};
    use skiff_conf::Complaint;

    fn add(config: &Server, name: &str) {
        let account = Account::new(admin::verifier("123", config.scram_iterations).unwrap());
        UserStore::edit(&config.users, |store| {
            store.add(name.parse().unwrap(), account).unwrap();
            Ok::<_, Complaint>(())
        })
        .unwrap();
    }

    #[test]
    fn a_missing_home_is_wrong_unless_nobody_may_enter_it() {
        let folder = tempfile::tempdir().unwrap();
        let config = server(folder.path());
        add(&config, "tom");
        let (text, wrong) = reported(|report| drop(examine(&config, report)));
        assert_eq!(wrong, ["users"], "{text}");
        assert!(text.contains("the home of tom, "), "{text}");

        fs::create_dir(config.homes.join("tom")).unwrap();
        let (text, wrong) = reported(|report| drop(examine(&config, report)));
        assert!(wrong.is_empty(), "{text}");
        assert!(text.contains("users: 1 with a home"), "{text}");

        fs::remove_dir(config.homes.join("tom")).unwrap();
        UserStore::edit(&config.users, |store| {
            store.get_mut(&"tom".parse().unwrap()).unwrap().standing = Standing::Disabled;
            Ok::<_, Complaint>(())
        })
        .unwrap();
        let (text, wrong) = reported(|report| drop(examine(&config, report)));
        assert!(wrong.is_empty(), "{text}");
    }

    #[test]
    fn missing_folders_are_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let config = server(folder.path());
        fs::remove_dir(&config.state).unwrap();
        fs::remove_dir(&config.homes).unwrap();
        fs::write(&config.homes, "").unwrap();
        let (text, wrong) = reported(|report| drop(examine(&config, report)));
        assert_eq!(wrong, ["state", "homes"], "{text}");
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
