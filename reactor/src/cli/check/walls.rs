//! Checks whom the daemon would run as, and which walls would stand around it.

use std::os::unix::fs::MetadataExt;

use rustix::process::{Uid, geteuid};
use skiff_conf::{Server, Walls};

use super::report::Report;
use crate::system_users::SystemUser;
use crate::walls::{self, Standing, run_as};

pub(super) fn examine(config: &Server, report: &mut Report<'_>) {
    examine_user(config, geteuid(), report);
    examine_walls(config.walls, &walls::rehearse(config), report);
}

fn examine_user(config: &Server, own: Uid, report: &mut Report<'_>) {
    let key = "run_as";
    let Some(asked) = &config.run_as else {
        if own.is_root() {
            let text = "None, so a skiffd that root starts, as root started this check, runs as \
                        root; name a user without rights, or have the service manager start it \
                        as one";
            report.note(key, text);
        }
        return;
    };
    let user = match run_as::find(asked, config.group.as_deref()) {
        Ok(user) => user,
        Err(error) => return report.wrong(key, &error.to_string()),
    };
    let groups: Vec<_> = user.groups.iter().map(u32::to_string).collect();
    let SystemUser { name, uid, gid, .. } = &user;
    let groups = groups.join(", ");
    report.ok(
        key,
        &format!("{name}, user {uid}, group {gid}, all its groups {groups}"),
    );
    for (key, path) in [
        ("users", &config.users),
        ("state", &config.state),
        ("homes", &config.homes),
    ] {
        // What is not there is reported elsewhere.
        if let Ok(found) = path.metadata()
            && found.uid() != *uid
        {
            let (shown, owner) = (path.display(), found.uid());
            let text = format!("{shown} belongs to user {owner}; run: chown -R {name} {shown}");
            report.wrong(key, &text);
        }
    }
    examine_settings_owner(config, *uid, report);
}

/// Root reads the settings at the next start: who could change them could have it do more.
fn examine_settings_owner(config: &Server, uid: u32, report: &mut Report<'_>) {
    let folder = config.file.parent();
    for path in [Some(config.file.as_path()), folder].into_iter().flatten() {
        if let Ok(found) = path.metadata()
            && (found.uid() == uid || found.mode() & 0o002 != 0)
        {
            let text = format!(
                "{} can be changed by that user, and so by whoever takes skiffd over, before root \
                 starts it again; give it to root, and keep users.ron in a folder of its own",
                path.display()
            );
            return report.note("run_as", &text);
        }
    }
}

fn examine_walls(asked: Walls, standing: &Standing, report: &mut Report<'_>) {
    let key = "walls";
    if asked == Walls::Off {
        let text = "Off, so code that somebody gets to run in skiffd may do all that its user may";
        return report.note(key, text);
    }
    report.ok(key, &format!("{standing} and no core dumps"));
    for (wall, why) in standing.missing() {
        let text = format!("{wall} {why}");
        match asked {
            Walls::Strict => report.wrong(key, &format!("Strict, but {text}")),
            Walls::Best | Walls::Off => report.note(key, &text),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use skiff_conf::RunAs;

    use super::*;
    use crate::cli::check::tests::{reported, server};
    use crate::walls::Wall;

    #[test]
    fn running_as_root_is_worth_a_note() {
        let config = Server::parse("()", Path::new("/server.ron")).unwrap();
        let (text, wrong) = reported(|report| examine_user(&config, Uid::ROOT, report));
        assert!(text.starts_with("note  run_as: None, so "), "{text}");
        assert!(wrong.is_empty());
        let (text, _) = reported(|report| examine_user(&config, Uid::from_raw(7), report));
        assert_eq!(text, "");
    }

    #[test]
    fn what_is_not_the_users_is_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = server(folder.path());
        let own = folder.path().metadata().unwrap().uid();
        config.run_as = Some(RunAs {
            user: (own + 1000).to_string(),
            group: Some("5000".to_owned()),
        });
        let (text, wrong) = reported(|report| examine_user(&config, geteuid(), report));
        assert_eq!(wrong, ["users", "state", "homes"], "{text}");
        assert!(!text.contains("can be changed by that user"), "{text}");
        assert!(
            text.contains("group 5000") && text.contains("chown -R"),
            "{text}"
        );
        std::fs::set_permissions(&config.file, Permissions::from_mode(0o666)).unwrap();
        let (text, _) = reported(|report| examine_user(&config, geteuid(), report));
        assert!(
            text.contains("server.ron can be changed by that user"),
            "{text}"
        );
        config.run_as = Some(RunAs {
            user: "nobody-here".to_owned(),
            group: None,
        });
        let (_, wrong) = reported(|report| examine_user(&config, geteuid(), report));
        assert_eq!(wrong, ["run_as"]);
    }

    #[test]
    fn a_missing_wall_is_wrong_only_where_all_are_asked_for() {
        let standing = Standing::of(vec![
            (Wall::NoNewPrivs, Ok(String::new())),
            (Wall::Landlock, Err("is not in this kernel".to_owned())),
            (Wall::Seccomp, Ok(String::new())),
        ]);
        let told = |asked| reported(|report| examine_walls(asked, &standing, report));
        let (text, wrong) = told(Walls::Best);
        let expected = "ok    walls: no_new_privs, seccomp and no core dumps\n\
                        note  walls: landlock is not in this kernel\n";
        assert_eq!((text.as_str(), wrong), (expected, vec![]));
        assert_eq!(told(Walls::Strict).1, ["walls"]);
        assert!(told(Walls::Off).0.starts_with("note  walls: Off, so "));
    }
}
