//! Checks the shared folders: that they are there, that their users are, and that no byte of them is
//! counted twice.

use skiff_conf::{FolderName, FolderQuota, Server, SharedFolder, UserName, UserStore};

use super::files::look_at_owned;
use super::report::Report;
use crate::cli::user::exposed_by;

const KEY: &str = "folders";

pub(super) fn examine(config: &Server, users: Option<&UserStore>, report: &mut Report<'_>) {
    let mut usable = 0;
    for (name, folder) in &config.folders {
        match examine_folder(config, folder) {
            Ok(()) => usable += 1,
            Err(what) => {
                let path = folder.path.display();
                report.wrong(KEY, &format!("{name}, {path}, {what}"));
            }
        }
        if let Some(users) = users {
            examine_users(config, users, (name, folder), report);
        }
    }
    if usable > 0 {
        report.ok(KEY, &format!("{usable} that can be used"));
    }
}

fn examine_folder(config: &Server, folder: &SharedFolder) -> Result<(), String> {
    if !folder.path.is_dir() {
        return Err("is not there, or is no folder; the daemon never makes it".to_owned());
    }
    if let Some(own) = exposed_by(config, &folder.path) {
        return Err(format!("puts {} into its users' hands", own.display()));
    }
    if let Some(owner) = &folder.owner {
        return look_at_owned(config, &folder.path, owner).map(drop);
    }
    let read = std::fs::read_dir(&folder.path);
    read.map(drop)
        .map_err(|error| format!("cannot be read: {error}"))
}

fn examine_users(
    config: &Server,
    users: &UserStore,
    (name, folder): (&FolderName, &SharedFolder),
    report: &mut Report<'_>,
) {
    let known = |user: &&UserName| users.get(user.as_str()).is_some();
    for user in folder.users.iter().filter(|user| !known(user)) {
        report.wrong(KEY, &format!("{name} is for {user}, who is no user"));
    }
    for group in folder.groups.iter().filter(|group| !users.has_group(group)) {
        report.wrong(
            KEY,
            &format!("{name} is for the group {group}, which is not there"),
        );
    }
    let mut homes = users
        .iter()
        .map(|(user, account)| (user, config.home(user, account)));
    match &folder.quota {
        FolderQuota::Owner(owner) => {
            let home = homes.find(|(user, _)| *user == owner);
            let is_inside =
                |home: &std::path::Path| folder.path != home && folder.path.starts_with(home);
            match home {
                None => report.wrong(KEY, &format!("{name} is of {owner}, who is no user")),
                Some((_, home)) if !is_inside(&home) => {
                    let text = format!(
                        "{name} counts against {owner}, and does not lie in the home {}",
                        home.display()
                    );
                    report.wrong(KEY, &text);
                }
                Some(_) => {}
            }
        }
        FolderQuota::Own(_) => {
            let overlaps = |home: &std::path::Path| {
                folder.path.starts_with(home) || home.starts_with(&folder.path)
            };
            if let Some((user, _)) = homes.find(|(_, home)| overlaps(home)) {
                let text = format!(
                    "{name} has a quota of its own and shares files with the home of {user}, which \
                     would be counted twice; write quota: Owner(\"{user}\"), or move it"
                );
                report.wrong(KEY, &text);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use skiff_conf::{Account, Complaint, Iterations};

    use super::*;
    use crate::cli::check::tests::{reported, server};
    use crate::cli::user::verifier;

    /// What is said of these folders, of a server with tom.
    fn said(folders: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        server(folder.path());
        for made in ["homes/tom/own", "shared"] {
            fs::create_dir_all(folder.path().join(made)).unwrap();
        }
        let file = folder.path().join("server.ron");
        fs::write(
            &file,
            format!("(scram_iterations: 10000, folders: {folders})"),
        )
        .unwrap();
        let config = Server::load(&file).unwrap();
        let account = Account::new(verifier("123", Iterations::MIN).unwrap());
        let added: Result<(), Complaint> = UserStore::edit(&config.users, |store| {
            store.add("tom".parse().unwrap(), account).unwrap();
            Ok(())
        });
        added.unwrap();
        let (text, _) = reported(|report| {
            let users = UserStore::load(&config.users).unwrap();
            examine(&config, Some(&users), report);
        });
        text.replace(&format!("{}/", folder.path().display()), "")
    }

    #[test]
    fn what_is_wrong_with_a_folder_is_said() {
        for (folders, expected) in [
            (
                r#"{"a": (path: "shared", users: ["tom"])}"#,
                "ok    folders: 1 that can be used\n",
            ),
            (
                r#"{"a": (path: "homes/tom/own", quota: Owner("tom"))}"#,
                "ok    folders: 1 that can be used\n",
            ),
            (
                r#"{"a": (path: "gone")}"#,
                "wrong folders: a, gone, is not there, or is no folder; the daemon never makes it\n",
            ),
            (
                r#"{"a": (path: "shared", users: ["tim"])}"#,
                "a is for tim, who is no user\n",
            ),
            (
                r#"{"a": (path: "shared", groups: ["staff"])}"#,
                "a is for the group staff, which is not there\n",
            ),
            (
                r#"{"a": (path: "shared", quota: Owner("tom"))}"#,
                "a counts against tom, and does not lie in the home homes/tom\n",
            ),
            (
                r#"{"a": (path: "homes/tom/own")}"#,
                "a has a quota of its own and shares files with the home of tom",
            ),
            (
                r#"{"a": (path: ".")}"#,
                "puts homes into its users' hands\n",
            ),
        ] {
            let text = said(folders);
            assert!(text.contains(expected), "{folders}: {text}");
        }
    }
}
