//! Checks that what homes are on is mounted: the file systems that fstab(5) names at or above them.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use skiff_conf::{AccountStatus, Server, UserStore};

use super::report::Report;
use crate::accounts::mounts::unescaped;

pub(super) fn examine(config: &Server, users: Option<&UserStore>, report: &mut Report<'_>) {
    let homes = users.into_iter().flat_map(UserStore::iter);
    let homes = homes
        .filter(|(_, account)| account.standing == AccountStatus::Enabled)
        .map(|(name, account)| config.home(name, account));
    let shared = config.folders.values().map(|folder| folder.path.clone());
    let own = std::iter::once(config.homes.clone());
    let homes: Vec<_> = own.chain(homes).chain(shared).collect();
    let read = |path: &str| std::fs::read(path).unwrap_or_default();
    let planned = points(&read("/etc/fstab"), 1);
    let mounted = points(&read("/proc/self/mountinfo"), 4);
    if mounted.is_empty() {
        // Nothing is known.
        return;
    }
    for point in missing(&homes, &planned, &mounted) {
        let text = format!(
            "{} is in /etc/fstab and not mounted, and homes are on it; mount it",
            point.display()
        );
        report.wrong("homes", &text);
    }
}

/// The mount points of a table, in the field of this number.
fn points(table: &[u8], field: usize) -> BTreeSet<PathBuf> {
    let lines = table.split(|&byte| byte == b'\n');
    let rows = lines.filter(|line| !line.starts_with(b"#"));
    rows.filter_map(|line| {
        let is_space = |byte: &u8| byte.is_ascii_whitespace();
        let mut fields = line.split(is_space).filter(|field| !field.is_empty());
        let point = PathBuf::from(OsString::from_vec(unescaped(fields.nth(field)?)));
        point.is_absolute().then_some(point)
    })
    .collect()
}

/// The planned mount points that are not mounted, of those nearest above the homes.
fn missing<'a>(
    homes: &[PathBuf],
    planned: &'a BTreeSet<PathBuf>,
    mounted: &BTreeSet<PathBuf>,
) -> BTreeSet<&'a Path> {
    let nearest = |home: &PathBuf| {
        let above = planned.iter().filter(|point| home.starts_with(point));
        above.max_by_key(|point| point.components().count())
    };
    let wanted = homes.iter().filter_map(nearest).map(PathBuf::as_path);
    wanted.filter(|point| !mounted.contains(*point)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FSTAB: &[u8] = b"# a table\n\
        /dev/vda / ext4 defaults 0 1\n\
        UUID=1 /srv/a\\040disk ext4 defaults 0 2\n\
        nas:/homes   /srv/homes\tnfs defaults 0 0\n\
        /dev/vdb none swap sw 0 0\n";
    const MOUNTS: &[u8] = b"22 1 253:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n\
        30 22 0:40 / /srv/a\\040disk rw - ext4 /dev/vdb rw\n";

    #[test]
    fn a_planned_disk_that_is_not_mounted_is_named_once() {
        let homes = [
            "/srv/homes",
            "/srv/homes/tom",
            "/srv/a disk/sam",
            "/data/ann",
        ];
        let homes = homes.map(PathBuf::from);
        let planned = points(FSTAB, 1);
        let missing = missing(&homes, &planned, &points(MOUNTS, 4));
        assert_eq!(missing, BTreeSet::from([Path::new("/srv/homes")]));
    }

    #[test]
    fn without_a_table_nothing_is_missed() {
        let homes = [PathBuf::from("/srv/homes")];
        let (planned, mounted) = (points(b"", 1), points(MOUNTS, 4));
        assert!(missing(&homes, &planned, &mounted).is_empty());
        let of_root = points(b"/dev/vda / ext4 defaults 0 1\n", 1);
        assert!(missing(&homes, &of_root, &mounted).is_empty());
    }
}
