//! The user that the daemon becomes once root's part of the start is done (`run_as`).

use std::io;
use std::path::PathBuf;

use rustix::io::Errno;
use rustix::process::{Gid, Uid, getegid, geteuid, getgid, getgroups, getuid};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set, set_capabilities,
    set_keep_capabilities, set_thread_groups, set_thread_res_gid, set_thread_res_uid,
};
use skiff_conf::{FileOwners, RunAs};

use crate::system_users::{LookUpError, SystemUser};

/// Why the daemon cannot run as the user that it should.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunAsError {
    #[error("run_as: {0}")]
    LookUp(#[from] LookUpError),
    #[error(
        "run_as: skiffd was started by user {own} and cannot become {name} ({uid}); start it as \
         root or as that user, or leave run_as out"
    )]
    NotRoot { own: u32, name: String, uid: u32 },
    #[error(
        "file_owners: Accounts, but skiffd may not work as other users; start it as root, or give \
         its service AmbientCapabilities=CAP_SETUID CAP_SETGID"
    )]
    NoOwners,
    #[error("{}: cannot be read: {error}", path.display())]
    Table { path: PathBuf, error: io::Error },
    #[error("run_as: {call}: {error}")]
    Call { call: &'static str, error: Errno },
    #[error("run_as: the process has {0} threads already, and only one would change its user")]
    Threads(usize),
    #[error("run_as: root's rights could be taken back: {0}")]
    NotForGood(&'static str),
}

/// Looks `run_as` up; `files` is the `group` of new files, which the user gets too.
pub(crate) fn find(run_as: &RunAs, files: Option<&str>) -> Result<SystemUser, RunAsError> {
    let group = run_as.group.as_deref();
    Ok(SystemUser::find(&run_as.user, group, files)?)
}

/// Makes the process this user's, for good, with no rights of root's but those that the owners of
/// files need. A process that is this user's already stays as it is.
pub(crate) fn become_for_good(user: &SystemUser, owners: FileOwners) -> Result<(), RunAsError> {
    let own = geteuid();
    if own.as_raw() == user.uid && getuid() == own {
        return Ok(());
    }
    if !own.is_root() {
        return Err(RunAsError::NotRoot {
            own: own.as_raw(),
            name: user.name.clone(),
            uid: user.uid,
        });
    }
    require_one_thread()?;
    let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
    let groups: Vec<Gid> = user.groups.iter().map(|&gid| Gid::from_raw(gid)).collect();
    set_thread_groups(&groups).map_err(failed("setgroups"))?;
    set_thread_res_gid(gid, gid, gid).map_err(failed("setresgid"))?;
    // Else the next call takes all capabilities.
    set_keep_capabilities(true).map_err(failed("prctl"))?;
    set_thread_res_uid(uid, uid, uid).map_err(failed("setresuid"))?;
    set_keep_capabilities(false).map_err(failed("prctl"))?;
    keep_only(needed_for(owners)).map_err(failed("capset"))?;
    require_for_good(user, &groups, owners)
}

fn require_for_good(
    user: &SystemUser,
    groups: &[Gid],
    owners: FileOwners,
) -> Result<(), RunAsError> {
    let users = [getuid(), geteuid()].map(Uid::as_raw);
    let owned = [getgid(), getegid()].map(Gid::as_raw);
    if users != [user.uid; 2] || owned != [user.gid; 2] {
        return Err(RunAsError::NotForGood("the process is another user's"));
    }
    let mut had = getgroups().map_err(failed("getgroups"))?;
    had.sort_unstable_by_key(|gid| gid.as_raw());
    if had != groups {
        return Err(RunAsError::NotForGood("it has other groups"));
    }
    // Where files have owners, the wall around system calls keeps from this.
    let may_not = owners == FileOwners::Daemon;
    if may_not && set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT).is_ok() {
        return Err(RunAsError::NotForGood("setresuid(0) is allowed"));
    }
    let left = capabilities(None).map_err(failed("capget"))?;
    let needed = needed_for(owners);
    match left.effective | left.permitted | left.inheritable {
        left if left == needed => Ok(()),
        _ => Err(RunAsError::NotForGood("it has other capabilities")),
    }
}

/// Fails where files are to have owners, and the process may not work as those.
pub(crate) fn require_owners(owners: FileOwners) -> Result<(), RunAsError> {
    let has = capabilities(None).map_err(failed("capget"))?.effective;
    match has.contains(needed_for(owners)) {
        true => Ok(()),
        false => Err(RunAsError::NoOwners),
    }
}

/// The capabilities by which a thread takes other ids, where it needs them.
pub(super) fn needed_for(owners: FileOwners) -> CapabilitySet {
    match owners {
        FileOwners::Daemon => CapabilitySet::empty(),
        FileOwners::Accounts => CapabilitySet::SETUID | CapabilitySet::SETGID,
    }
}

/// Gives up all capabilities but those of `needed` that it has, such as the one for ports under 1024
/// that a service manager gave.
pub(super) fn keep_only(needed: CapabilitySet) -> rustix::io::Result<()> {
    let now = capabilities(None)?;
    let kept = CapabilitySets {
        effective: now.permitted & needed,
        permitted: now.permitted & needed,
        inheritable: CapabilitySet::empty(),
    };
    if now == kept {
        return Ok(());
    }
    // EINVAL: a kernel before 4.3, which has no ambient set.
    match clear_ambient_capability_set() {
        Ok(()) | Err(Errno::INVAL) => set_capabilities(None, kept),
        Err(error) => Err(error),
    }
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

fn failed(call: &'static str) -> impl FnOnce(Errno) -> RunAsError {
    move |error| RunAsError::Call { call, error }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The test's own threads are among them.
    #[test]
    fn a_process_with_threads_is_refused() {
        let refused = std::thread::spawn(require_one_thread).join().unwrap();
        assert!(matches!(refused, Err(RunAsError::Threads(2..))));
    }
}
