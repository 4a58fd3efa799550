//! Gives a part the permissions and the owner of the file that it replaces.

use std::fs::{File, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use rustix::fs::{Gid, Uid, XattrFlags, fchown, fremovexattr, fsetxattr, getxattr};

/// The attribute that holds a POSIX access control list (acl(5)).
const ACL: &str = "system.posix_acl_access";

/// The longest value of an attribute, in bytes (limits.h of Linux).
const XATTR_SIZE_MAX: usize = 65536;

/// The permission bits that are kept. Not the set-ID bits: the content is another one, and writing
/// in place would clear them as well.
const KEPT: u32 = 0o777;

const GROUP_BITS: u32 = 0o070;

/// Gives `part` the mode and the access control list of the file at `old`, and its owner and group
/// where this process may do that. Whoever could not read `old` cannot read `part`.
pub(crate) fn take_from(part: &File, old: &Path, found: &Metadata) -> io::Result<()> {
    let mut mode = found.mode() & KEPT;
    let is_same_group = take_owner(part, found)?;
    let acl = read_acl(old);
    if acl.is_none() {
        // The folder's default list may have given it one.
        let _ = fremovexattr(part, ACL);
    }
    if !is_same_group {
        // The bits were another group's; this one gets what all others have.
        mode = mode & !GROUP_BITS | mode & (mode & 0o007) << 3;
    }
    set_mode(part, mode)?;
    if let Some(acl) = acl
        && fsetxattr(part, ACL, &acl, XattrFlags::empty()).is_err()
    {
        // With a list, the group bits are its mask: the group itself may have had less.
        set_mode(part, mode & !GROUP_BITS)?;
    }
    Ok(())
}

/// Changes owner and group as far as that is allowed, and returns whether the group is the same.
fn take_owner(part: &File, found: &Metadata) -> io::Result<bool> {
    let is = part.metadata()?;
    let (uid, gid) = (Uid::from_raw(found.uid()), Gid::from_raw(found.gid()));
    if is.uid() == found.uid() && is.gid() == found.gid() {
        return Ok(true);
    }
    // Only root may give a file away; a group may be any of one's own.
    let done = fchown(part, Some(uid), Some(gid)).or_else(|_| fchown(part, None, Some(gid)));
    Ok(done.is_ok() || is.gid() == found.gid())
}

/// Sets the mode. A file system without modes (FAT) may refuse that: no failure as long as nobody
/// may do more than by `mode`.
fn set_mode(part: &File, mode: u32) -> io::Result<()> {
    let Err(error) = part.set_permissions(Permissions::from_mode(mode)) else {
        return Ok(());
    };
    match part.metadata()?.mode() & KEPT & !mode {
        0 => Ok(()),
        _ => Err(error),
    }
}

/// Reads the access control list of the file at `path`; `None` where it has none.
fn read_acl(path: &Path) -> Option<Vec<u8>> {
    let mut acl = vec![0; XATTR_SIZE_MAX];
    let size = getxattr(path, ACL, &mut acl).ok()?;
    acl.truncate(size);
    Some(acl)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rustix::process::geteuid;

    use super::*;

    #[test]
    fn the_mode_is_taken_without_set_id_bits() {
        let folder = tempfile::tempdir().unwrap();
        let (old, new) = (folder.path().join("old"), folder.path().join("new"));
        fs::write(&old, "old").unwrap();
        for (mode, taken) in [
            (0o600, 0o600),
            (0o755, 0o755),
            (0o444, 0o444),
            (0o4755, 0o755),
        ] {
            fs::set_permissions(&old, Permissions::from_mode(mode)).unwrap();
            let part = File::create(&new).unwrap();
            take_from(&part, &old, &old.metadata().unwrap()).unwrap();
            assert_eq!(part.metadata().unwrap().mode() & 0o7777, taken);
            fs::remove_file(&new).unwrap();
        }
    }

    #[test]
    fn the_owner_is_taken_by_root() {
        if !geteuid().is_root() {
            eprintln!("skipped: only root gives files away");
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let (old, new) = (folder.path().join("old"), folder.path().join("new"));
        fs::write(&old, "old").unwrap();
        std::os::unix::fs::chown(&old, Some(12345), Some(23456)).unwrap();
        fs::set_permissions(&old, Permissions::from_mode(0o640)).unwrap();
        let part = File::create(&new).unwrap();
        take_from(&part, &old, &old.metadata().unwrap()).unwrap();
        let found = part.metadata().unwrap();
        assert_eq!(
            (found.uid(), found.gid(), found.mode() & 0o777),
            (12345, 23456, 0o640)
        );
    }

    /// The list of acl(5): version 2, then tag, permissions and id of each entry.
    fn acl(entries: &[(u16, u16, u32)]) -> Vec<u8> {
        let mut list = 2u32.to_le_bytes().to_vec();
        for (tag, permissions, id) in entries {
            list.extend(tag.to_le_bytes());
            list.extend(permissions.to_le_bytes());
            list.extend(id.to_le_bytes());
        }
        list
    }

    #[test]
    fn an_access_control_list_is_taken_and_no_other_kept() {
        let folder = tempfile::tempdir().unwrap();
        let (old, new) = (folder.path().join("old"), folder.path().join("new"));
        // Owner, user 12345, group, mask, others.
        let list = acl(&[
            (1, 6, u32::MAX),
            (2, 4, 12345),
            (4, 0, u32::MAX),
            (16, 4, u32::MAX),
            (32, 0, u32::MAX),
        ]);
        let file = File::create(&old).unwrap();
        if let Err(error) = fsetxattr(&file, ACL, &list, XattrFlags::empty()) {
            eprintln!("skipped: no access control lists here: {error}");
            return;
        }
        let part = File::create(&new).unwrap();
        take_from(&part, &old, &old.metadata().unwrap()).unwrap();
        assert_eq!(read_acl(&new), Some(list));
        fremovexattr(&file, ACL).unwrap();
        take_from(&part, &old, &old.metadata().unwrap()).unwrap();
        assert_eq!(read_acl(&new), None);
    }
}
