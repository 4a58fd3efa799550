//! Judges from modes and owners what the file permissions let the daemon do, without a call of the
//! kernel for each file.

use rustix::process::{getegid, geteuid, getgroups};

use crate::Owner;
use crate::entry::{Entry, Kind};

const READ: u32 = 4;
const WRITE: u32 = 2;
const SEARCH: u32 = 1;
/// On a directory: names may be changed by the owner of the file or of the directory only.
const STICKY: u32 = 0o1000;

/// What the daemon may do with a file or directory. Access control lists are not looked at: a
/// file that has one may be more or less than its mode says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permissions(u8);

/// One thing that may be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// Read a file's content; list a directory.
    Read,
    /// Change a file's content; change names in a directory.
    Write,
    /// Use names in a directory.
    Search,
    /// Rename, replace or remove it.
    Rename,
}

impl Permissions {
    pub fn has(self, permission: Permission) -> bool {
        self.0 & bit(permission) != 0
    }
}

fn bit(permission: Permission) -> u8 {
    1 << permission as u8
}

/// The user and the groups that the daemon runs as.
#[derive(Debug)]
pub(crate) struct Credentials {
    pub(crate) user: u32,
    groups: Vec<u32>,
}

impl Credentials {
    pub(crate) fn of_process() -> Self {
        let mut groups = vec![getegid().as_raw()];
        groups.extend(
            getgroups()
                .into_iter()
                .flatten()
                .map(|group| group.as_raw()),
        );
        let user = geteuid().as_raw();
        Self { user, groups }
    }

    pub(crate) fn of(owner: &Owner) -> Self {
        let mut groups = vec![owner.gid()];
        groups.extend(owner.groups());
        Self {
            user: owner.uid(),
            groups,
        }
    }

    /// What may be done with `entry`, which is in the directory `folder`; the home itself is in
    /// none.
    pub(crate) fn permissions(&self, entry: &Entry, folder: Option<&Entry>) -> Permissions {
        let own = self.mode_bits(entry);
        let has = |wanted| own & wanted == wanted;
        let (read, write) = match entry.kind {
            // A listing asks for the metadata of each name.
            Kind::Directory => (has(READ | SEARCH), has(WRITE | SEARCH)),
            Kind::File | Kind::Link | Kind::Other => (has(READ), has(WRITE)),
        };
        let rename = folder.is_some_and(|folder| self.may_change_name(entry, folder));
        let all = [
            (Permission::Read, read),
            (Permission::Write, write),
            (Permission::Search, has(SEARCH)),
            (Permission::Rename, rename),
        ];
        let granted = all.into_iter().filter(|(_, granted)| *granted);
        Permissions(granted.fold(0, |bits, (permission, _)| bits | bit(permission)))
    }

    fn may_change_name(&self, entry: &Entry, folder: &Entry) -> bool {
        let owned = self.user == 0 || [entry.uid, folder.uid].contains(&self.user);
        let changes_names = WRITE | SEARCH;
        self.mode_bits(folder) & changes_names == changes_names
            && (folder.mode & STICKY == 0 || owned)
    }

    /// The three bits of the mode that hold for this user (path_resolution(7)).
    fn mode_bits(&self, entry: &Entry) -> u32 {
        match entry {
            _ if self.user == 0 => READ | WRITE | SEARCH,
            _ if entry.uid == self.user => entry.mode >> 6 & 7,
            _ if self.groups.contains(&entry.gid) => entry.mode >> 3 & 7,
            _ => entry.mode & 7,
        }
    }
}
