//! Checks the hooks: that their programs can be run, and that whom they are for is there.

use std::path::Path;

use rustix::fs::{Access, access};
use skiff_conf::{Hook, Server, UserStore};

use super::report::Report;

const KEY: &str = "on";

pub(super) fn examine(config: &Server, users: Option<&UserStore>, report: &mut Report<'_>) {
    let mut usable = 0;
    for hook in &config.on {
        let (event, path) = (hook.event, &hook.run.path);
        match examine_program(path) {
            Ok(()) => usable += 1,
            Err(what) => report.wrong(KEY, &format!("{event}: {} {what}", path.display())),
        }
        if let Some(users) = users {
            examine_users(hook, users, report);
        }
    }
    if usable > 0 {
        report.ok(KEY, &format!("{usable} with a program that can be run"));
    }
}

fn examine_program(path: &Path) -> Result<(), String> {
    let found = path.metadata();
    let found = found.map_err(|error| format!("cannot be run: {error}"))?;
    if !found.is_file() {
        return Err("is no program".to_owned());
    }
    access(path, Access::EXEC_OK)
        .map_err(|error| format!("cannot be run: {error}; run: chmod +x {}", path.display()))
}

/// A user whom the authenticator knows is in no store.
fn examine_users(hook: &Hook, users: &UserStore, report: &mut Report<'_>) {
    let (event, path) = (hook.event, hook.run.path.display());
    for user in &hook.users {
        if users.get(user.as_str()).is_none() {
            let text = format!("{event}: {path} is for {user}, whom users.ron does not have");
            report.note(KEY, &text);
        }
    }
    for group in hook.groups.iter().filter(|group| !users.has_group(group)) {
        let text = format!("{event}: {path} is for the group {group}, which is not there");
        report.wrong(KEY, &text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::check::tests::{reported, server};

    #[test]
    fn programs_users_and_groups_are_looked_for() {
        let folder = tempfile::tempdir().unwrap();
        let plain = folder.path().join("plain");
        std::fs::write(&plain, "").unwrap();
        let mut config = server(folder.path());
        let set = |config: &mut Server, keys: &str| {
            let text = format!("(on: [{keys}])");
            config.on = Server::parse(&text, &config.file).unwrap().on;
        };
        let told = |config: &Server| {
            let users = UserStore::default();
            reported(|report| examine(config, Some(&users), report))
        };
        assert_eq!(told(&config).0, "");
        set(
            &mut config,
            "(event: Upload, run: [\"/bin/sh\", \"-c\", \"true\"])",
        );
        let (text, wrong) = told(&config);
        assert_eq!(text, "ok    on: 1 with a program that can be run\n");
        assert!(wrong.is_empty());
        for (keys, said) in [
            (
                "run: [\"/no/such\"]",
                "wrong on: Login: /no/such cannot be run: ",
            ),
            ("run: [\"/bin\"]", "wrong on: Login: /bin is no program"),
            (
                "run: [\"/bin/sh\"], users: [\"tom\"]",
                "note  on: Login: /bin/sh is for tom, whom users.ron does not have",
            ),
            (
                "run: [\"/bin/sh\"], groups: [\"all\"]",
                "wrong on: Login: /bin/sh is for the group all, which is not there",
            ),
            (&format!("run: [{plain:?}]"), "run: chmod +x "),
        ] {
            set(&mut config, &format!("(event: Login, {keys})"));
            let (text, _) = told(&config);
            assert!(text.contains(said), "{text}");
        }
    }
}
