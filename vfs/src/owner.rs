//! [`Owner`]: the user of the system to whom the files of a home belong, and as whom threads work
//! in it, so that the kernel keeps that user out of the files of others too.
//!
//! A thread takes the owner's effective ids and supplementary groups for the time of one operation
//! ([`Acting`]); the real and the saved ids stay the daemon's, which is how it comes back. Linux
//! has these ids for each thread, and rustix makes the calls without the C library, which would
//! have every thread follow. What is not in a home, such as the snapshots of ledgers, is the
//! daemon's.

use std::cell::{OnceCell, RefCell};
use std::marker::PhantomData;
use std::sync::Arc;

use rustix::process::{Gid, Uid, getegid, geteuid, getgroups};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};

use crate::VfsError;

/// A user of the system other than root, with groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    uid: Uid,
    gid: Gid,
    /// The supplementary groups.
    groups: Vec<Gid>,
}

impl Owner {
    /// `None` for root, whom the kernel keeps out of nothing.
    pub fn new(uid: u32, gid: u32, groups: &[u32]) -> Option<Self> {
        let known = (uid, gid) != (u32::MAX, u32::MAX) && uid != 0;
        known.then(|| Self {
            uid: Uid::from_raw(uid),
            gid: Gid::from_raw(gid),
            groups: groups.iter().map(|&group| Gid::from_raw(group)).collect(),
        })
    }

    pub fn uid(&self) -> u32 {
        self.uid.as_raw()
    }

    /// The group of the files that it makes.
    pub fn gid(&self) -> u32 {
        self.gid.as_raw()
    }

    pub(crate) fn groups(&self) -> impl Iterator<Item = u32> + '_ {
        self.groups.iter().map(|group| group.as_raw())
    }

    /// The one that the process is, by the ids of this thread.
    fn of_process() -> rustix::io::Result<Self> {
        Ok(Self {
            uid: geteuid(),
            gid: getegid(),
            groups: getgroups()?,
        })
    }

    /// Gives its ids to this thread, which has those of the process; after an error it has those
    /// still.
    fn assume(&self) -> rustix::io::Result<()> {
        set_thread_groups(&self.groups)?;
        // The user last: after this the thread of a daemon that is root may not change the others.
        let changed = set_thread_res_gid(None, self.gid, None)
            .and_then(|()| set_thread_res_uid(None, self.uid, None));
        changed.inspect_err(|_| come_back())
    }

    /// Gives the ids of the process, which this is, back to this thread.
    fn come_back(&self) -> rustix::io::Result<()> {
        set_thread_res_uid(None, self.uid, None)?;
        set_thread_res_gid(None, self.gid, None)?;
        set_thread_groups(&self.groups)
    }
}

thread_local! {
    static ACTING_AS: RefCell<Option<Arc<Owner>>> = const { RefCell::new(None) };
    /// The ids that the thread had before it first acted as an owner: those of the process.
    static OWN: OnceCell<Owner> = const { OnceCell::new() };
}

/// Keeps this thread acting as an owner until it is dropped.
#[derive(Debug)]
#[must_use]
pub struct Acting {
    /// `None` where it acts as before.
    before: Option<Option<Arc<Owner>>>,
    /// It belongs to one thread.
    pinned: PhantomData<*const ()>,
}

/// Has this thread act as `owner`; as the daemon itself where that is `None`. Fails where the
/// process may not change its ids.
pub(crate) fn act_as(owner: Option<&Arc<Owner>>) -> Result<Acting, VfsError> {
    let same = ACTING_AS.with_borrow(|now| now.as_deref() == owner.map(|owner| &**owner));
    let before = match same {
        true => None,
        false => Some(change_to(owner.cloned())?),
    };
    let pinned = PhantomData;
    Ok(Acting { before, pinned })
}

/// Whether this thread acts as an owner, which a thread that it starts would go on doing.
pub(crate) fn is_acting() -> bool {
    ACTING_AS.with_borrow(Option::is_some)
}

/// Changes whom this thread acts as; gives whom it did before.
fn change_to(owner: Option<Arc<Owner>>) -> Result<Option<Arc<Owner>>, VfsError> {
    let before = ACTING_AS.take();
    if before.is_some() {
        come_back();
    }
    if let Some(owner) = &owner
        && let Err(error) = remember_own().and_then(|()| owner.assume())
    {
        log::error!(
            "the daemon may not work as the system's user {}: {error}; it must be started as \
             root, with file_owners: Accounts",
            owner.uid()
        );
        go_on_as(before);
        return Err(error.into());
    }
    ACTING_AS.set(owner);
    Ok(before)
}

/// Gives this thread, which is the daemon's, the ids back that it had.
fn go_on_as(before: Option<Arc<Owner>>) {
    if before.as_ref().is_some_and(|owner| owner.assume().is_err()) {
        log::error!("a thread cannot go on as the user that it was");
        std::process::abort();
    }
    ACTING_AS.set(before);
}

fn remember_own() -> rustix::io::Result<()> {
    OWN.with(|own| {
        if own.get().is_none() {
            let now = Owner::of_process()?;
            own.get_or_init(|| now);
        }
        Ok(())
    })
}

/// Nothing may be done with the ids of a wrong user: a thread that cannot come back ends the
/// process.
fn come_back() {
    let back = OWN.with(|own| own.get().map_or(Ok(()), Owner::come_back));
    if let Err(error) = back {
        log::error!("a thread cannot come back from another user's ids: {error}");
        std::process::abort();
    }
}

impl Drop for Acting {
    fn drop(&mut self) {
        let Some(before) = self.before.take() else {
            return;
        };
        if ACTING_AS.take().is_some() {
            come_back();
        }
        go_on_as(before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_is_no_owner() {
        assert_eq!(Owner::new(0, 0, &[]), None);
        assert_eq!(Owner::new(0, 1, &[]), None);
        assert!(Owner::new(1, 0, &[]).is_some());
        assert_eq!(Owner::new(u32::MAX, u32::MAX, &[]), None);
    }

    /// By root only: others have no right to another user's ids.
    #[test]
    fn a_thread_acts_as_the_owner_and_no_other_thread_does() {
        if !geteuid().is_root() {
            return;
        }
        let (ann, bob) = (owner(54_321), owner(54_322));
        let own = Owner::of_process().unwrap();
        {
            let _as_ann = act_as(Some(&ann)).unwrap();
            assert_eq!(Owner::of_process().unwrap(), *ann);
            let elsewhere = std::thread::spawn(|| ());
            elsewhere.join().unwrap();
            {
                let _as_bob = act_as(Some(&bob)).unwrap();
                assert_eq!(Owner::of_process().unwrap(), *bob);
                let _as_daemon = act_as(None).unwrap();
                assert_eq!(Owner::of_process().unwrap(), own);
                assert!(!is_acting());
            }
            assert_eq!(Owner::of_process().unwrap(), *ann);
            let _still = act_as(Some(&ann)).unwrap();
            assert!(is_acting());
        }
        assert_eq!(Owner::of_process().unwrap(), own);
    }

    fn owner(uid: u32) -> Arc<Owner> {
        Arc::new(Owner::new(uid, uid, &[uid, 54_400]).unwrap())
    }
}
