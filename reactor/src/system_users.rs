//! Looks users of the system up, with their groups.
//!
//! Names are looked up in /etc/passwd and /etc/group alone: users of a directory service are named
//! by their numbers.

use std::io;
use std::path::PathBuf;

const PASSWD: &str = "/etc/passwd";
const GROUP: &str = "/etc/group";

/// A user of the system, with groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SystemUser {
    pub(crate) name: String,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// The supplementary groups (setgroups(2)).
    pub(crate) groups: Vec<u32>,
}

/// Why there is no such user.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LookUpError {
    #[error("the user {0} is not in /etc/passwd; name another, or make it with useradd")]
    NoUser(String),
    #[error("the user {0} is not in /etc/passwd and has no group of its own; say its group too")]
    NoOwnGroup(String),
    #[error("the group {0} is not in /etc/group")]
    NoGroup(String),
    #[error("{0} is root; name a user without rights")]
    Root(String),
    #[error("{}: cannot be read: {error}", path.display())]
    Table { path: PathBuf, error: io::Error },
}

impl SystemUser {
    /// Looks the user up, with `group` in place of his own; `files` is one that he gets too.
    pub(crate) fn find(
        user: &str,
        group: Option<&str>,
        files: Option<&str>,
    ) -> Result<Self, LookUpError> {
        Self::find_in((&read(PASSWD)?, &read(GROUP)?), user, group, files)
    }

    fn find_in(
        (passwd, groups): (&str, &str),
        user: &str,
        group: Option<&str>,
        files: Option<&str>,
    ) -> Result<Self, LookUpError> {
        let row = passwd.lines().find_map(|line| PasswdRow::parse(line, user));
        let uid = row.as_ref().map(|row| row.uid);
        let uid = uid.or_else(|| user.parse().ok());
        let uid = uid.ok_or_else(|| LookUpError::NoUser(user.to_owned()))?;
        if uid == 0 {
            return Err(LookUpError::Root(user.to_owned()));
        }
        let gid = match (group, &row) {
            (Some(group), _) => find_group(groups, group)?,
            (None, Some(row)) => row.gid,
            (None, None) => return Err(LookUpError::NoOwnGroup(user.to_owned())),
        };
        let name = row.map_or_else(|| user.to_owned(), |row| row.name.to_owned());
        let mut all = vec![gid];
        all.extend(files.map(|group| find_group(groups, group)).transpose()?);
        all.extend(memberships(groups, &name));
        all.sort_unstable();
        all.dedup();
        Ok(Self {
            name,
            uid,
            gid,
            groups: all,
        })
    }
}

/// The id of a group in /etc/group; a number is taken as it is.
pub(crate) fn group_id(name: &str) -> Result<u32, LookUpError> {
    match name.parse() {
        Ok(number) => Ok(number),
        Err(_) => find_group(&read(GROUP)?, name),
    }
}

struct PasswdRow<'a> {
    name: &'a str,
    uid: u32,
    gid: u32,
}

impl<'a> PasswdRow<'a> {
    /// The row `line` (passwd(5)), if it is that of `user`, a name or a number.
    fn parse(line: &'a str, user: &str) -> Option<Self> {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let (uid, gid) = (fields.nth(1)?, fields.next()?);
        let row = Self {
            name,
            uid: uid.parse().ok()?,
            gid: gid.parse().ok()?,
        };
        (name == user || uid == user).then_some(row)
    }
}

fn find_group(table: &str, group: &str) -> Result<u32, LookUpError> {
    if let Ok(number) = group.parse() {
        return Ok(number);
    }
    let row = table.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(group)).then(|| fields.nth(1)?.parse().ok())?
    });
    row.ok_or_else(|| LookUpError::NoGroup(group.to_owned()))
}

/// The groups that have `user` among their members (group(5)).
fn memberships<'a>(table: &'a str, user: &'a str) -> impl Iterator<Item = u32> + 'a {
    table.lines().filter_map(move |line| {
        let fields: Vec<_> = line.split(':').collect();
        let [_, _, gid, members] = fields[..] else {
            return None;
        };
        let is_member = members.split(',').any(|member| member.trim() == user);
        is_member.then(|| gid.parse().ok())?
    })
}

fn read(path: &str) -> Result<String, LookUpError> {
    std::fs::read(path)
        // Names of other rows may be in any encoding.
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .map_err(|error| LookUpError::Table {
            path: PathBuf::from(path),
            error,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\n\
                          skiff:x:998:997::/var/lib/skiff:/usr/sbin/nologin\n\
                          odd:x:1000\n";
    const GROUPS: &str = "root:x:0:\nskiff:x:997:\nwww-data:x:33:\nmedia:x:44:tom,skiff\n\
                          other:x:45:skiffy\n";

    fn found(user: &str, group: Option<&str>, files: Option<&str>) -> Result<SystemUser, String> {
        SystemUser::find_in((PASSWD, GROUPS), user, group, files).map_err(|error| error.to_string())
    }

    #[test]
    fn names_and_numbers_are_found() {
        let skiff = SystemUser {
            name: "skiff".to_owned(),
            uid: 998,
            gid: 997,
            groups: vec![44, 997],
        };
        assert_eq!(found("skiff", None, None).as_ref(), Ok(&skiff));
        assert_eq!(found("998", None, None).as_ref(), Ok(&skiff));
        assert_eq!(found("skiff", Some("skiff"), None).as_ref(), Ok(&skiff));
        let media = found("skiff", Some("44"), Some("www-data")).unwrap();
        assert_eq!((media.gid, media.groups), (44, vec![33, 44]));
        let numbers = found("5000", Some("5001"), None).unwrap();
        assert_eq!((numbers.uid, numbers.groups), (5000, vec![5001]));
    }

    #[test]
    fn whom_the_system_does_not_know_is_named() {
        for (user, group, files, said) in [
            ("nobody-here", None, None, "the user nobody-here is not"),
            ("odd", None, None, "the user odd is not"),
            ("5000", None, None, "say its group too"),
            ("skiff", Some("nogroup-here"), None, "nogroup-here"),
            ("skiff", None, Some("nogroup-here"), "nogroup-here"),
            ("root", None, None, "root is root"),
            ("0", Some("skiff"), None, "0 is root"),
        ] {
            let error = found(user, group, files).unwrap_err();
            assert!(error.contains(said), "{user}: {error}");
        }
    }
}
