//! The user that the daemon becomes once root's part of the start is done (`run_as`).
//!
//! Names are looked up in /etc/passwd and /etc/group alone: users of a directory service are named
//! by their numbers.

use std::io;
use std::path::PathBuf;

use rustix::io::Errno;
use rustix::process::{Gid, Uid, getegid, geteuid, getgid, getgroups, getuid};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set, set_capabilities,
    set_thread_groups, set_thread_res_gid, set_thread_res_uid,
};
use skiff_conf::RunAs;

const PASSWD: &str = "/etc/passwd";
const GROUP: &str = "/etc/group";

/// A user of the system, with the groups that the daemon has as that user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SystemUser {
    pub(crate) name: String,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// The supplementary groups (setgroups(2)).
    pub(crate) groups: Vec<u32>,
}

/// Why the daemon cannot run as the user that it should.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunAsError {
    #[error("run_as: the user {0} is not in /etc/passwd; name another, or make it with useradd")]
    NoUser(String),
    #[error("run_as: the user {0} is not in /etc/passwd and has no group of its own; say `group`")]
    NoOwnGroup(String),
    #[error("the group {0} of the configuration is not in /etc/group")]
    NoGroup(String),
    #[error("run_as: {0} is root; name a user without rights, or leave run_as out")]
    Root(String),
    #[error(
        "run_as: skiffd was started by user {own} and cannot become {name} ({uid}); start it as \
         root or as that user, or leave run_as out"
    )]
    NotRoot { own: u32, name: String, uid: u32 },
    #[error("{}: cannot be read: {error}", path.display())]
    Table { path: PathBuf, error: io::Error },
    #[error("run_as: {call}: {error}")]
    Call { call: &'static str, error: Errno },
    #[error("run_as: the process has {0} threads already, and only one would change its user")]
    Threads(usize),
    #[error("run_as: root's rights could be taken back: {0}")]
    NotForGood(&'static str),
}

impl SystemUser {
    /// Looks `run_as` up; `files` is the `group` of new files, which the user gets too.
    pub(crate) fn find(run_as: &RunAs, files: Option<&str>) -> Result<Self, RunAsError> {
        Self::find_in(&read(PASSWD)?, &read(GROUP)?, run_as, files)
    }

    fn find_in(
        passwd: &str,
        groups: &str,
        run_as: &RunAs,
        files: Option<&str>,
    ) -> Result<Self, RunAsError> {
        let user = &run_as.user;
        let row = passwd.lines().find_map(|line| PasswdRow::parse(line, user));
        let uid = row.as_ref().map(|row| row.uid);
        let uid = uid.or_else(|| user.parse().ok());
        let uid = uid.ok_or_else(|| RunAsError::NoUser(user.clone()))?;
        if uid == 0 {
            return Err(RunAsError::Root(user.clone()));
        }
        let gid = match (&run_as.group, &row) {
            (Some(group), _) => find_group(groups, group)?,
            (None, Some(row)) => row.gid,
            (None, None) => return Err(RunAsError::NoOwnGroup(user.clone())),
        };
        let name = row.map_or_else(|| user.clone(), |row| row.name.to_owned());
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

    /// Makes the process this user's, for good. A process that is this user's already stays as it
    /// is.
    pub(crate) fn become_for_good(&self) -> Result<(), RunAsError> {
        let own = geteuid();
        if own.as_raw() == self.uid && getuid() == own {
            return Ok(());
        }
        if !own.is_root() {
            return Err(RunAsError::NotRoot {
                own: own.as_raw(),
                name: self.name.clone(),
                uid: self.uid,
            });
        }
        require_one_thread()?;
        let (uid, gid) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
        let groups: Vec<Gid> = self.groups.iter().map(|&gid| Gid::from_raw(gid)).collect();
        set_thread_groups(&groups).map_err(failed("setgroups"))?;
        set_thread_res_gid(gid, gid, gid).map_err(failed("setresgid"))?;
        set_thread_res_uid(uid, uid, uid).map_err(failed("setresuid"))?;
        drop_capabilities().map_err(failed("capset"))?;
        self.require_for_good(&groups)
    }

    fn require_for_good(&self, groups: &[Gid]) -> Result<(), RunAsError> {
        let users = [getuid(), geteuid()].map(Uid::as_raw);
        let owned = [getgid(), getegid()].map(Gid::as_raw);
        if users != [self.uid; 2] || owned != [self.gid; 2] {
            return Err(RunAsError::NotForGood("the process is another user's"));
        }
        let mut had = getgroups().map_err(failed("getgroups"))?;
        had.sort_unstable_by_key(|gid| gid.as_raw());
        if had != groups {
            return Err(RunAsError::NotForGood("it has other groups"));
        }
        if set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT).is_ok() {
            return Err(RunAsError::NotForGood("setresuid(0) is allowed"));
        }
        let left = capabilities(None).map_err(failed("capget"))?;
        match left.effective | left.permitted | left.inheritable {
            none if none.is_empty() => Ok(()),
            _ => Err(RunAsError::NotForGood("it has capabilities")),
        }
    }
}

/// Gives up all capabilities, such as the one for ports under 1024 that a service manager gave.
pub(super) fn drop_capabilities() -> rustix::io::Result<()> {
    let none = CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    };
    if capabilities(None)? == none {
        return Ok(());
    }
    // EINVAL: a kernel before 4.3, which has no ambient set.
    match clear_ambient_capability_set() {
        Ok(()) | Err(Errno::INVAL) => set_capabilities(None, none),
        Err(error) => Err(error),
    }
}

/// The id of a group in /etc/group; a number is taken as it is.
pub(crate) fn group_id(name: &str) -> Result<u32, RunAsError> {
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

fn find_group(table: &str, group: &str) -> Result<u32, RunAsError> {
    if let Ok(number) = group.parse() {
        return Ok(number);
    }
    let row = table.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(group)).then(|| fields.nth(1)?.parse().ok())?
    });
    row.ok_or_else(|| RunAsError::NoGroup(group.to_owned()))
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

/// setresuid(2) and its like change the calling thread only.
fn require_one_thread() -> Result<(), RunAsError> {
    let tasks = std::fs::read_dir("/proc/self/task").map_err(|error| RunAsError::Table {
        path: PathBuf::from("/proc/self/task"),
        error,
    })?;
    match tasks.count() {
        1 => Ok(()),
        more => Err(RunAsError::Threads(more)),
    }
}

fn read(path: &str) -> Result<String, RunAsError> {
    std::fs::read(path)
        // Names of other rows may be in any encoding.
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .map_err(|error| RunAsError::Table {
            path: PathBuf::from(path),
            error,
        })
}

fn failed(call: &'static str) -> impl FnOnce(Errno) -> RunAsError {
    move |error| RunAsError::Call { call, error }
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
        let run_as = RunAs {
            user: user.to_owned(),
            group: group.map(str::to_owned),
        };
        SystemUser::find_in(PASSWD, GROUPS, &run_as, files).map_err(|error| error.to_string())
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
            ("5000", None, None, "say `group`"),
            ("skiff", Some("nogroup-here"), None, "nogroup-here"),
            ("skiff", None, Some("nogroup-here"), "nogroup-here"),
            ("root", None, None, "root is root"),
            ("0", Some("skiff"), None, "0 is root"),
        ] {
            let error = found(user, group, files).unwrap_err();
            assert!(error.contains(said), "{user}: {error}");
        }
    }

    /// The test's own threads are among them.
    #[test]
    fn a_process_with_threads_is_refused() {
        let refused = std::thread::spawn(require_one_thread).join().unwrap();
        assert!(matches!(refused, Err(RunAsError::Threads(2..))));
    }
}
