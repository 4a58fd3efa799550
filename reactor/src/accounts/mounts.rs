//! Tells which file system a path is on without touching that file system, which may hang.

use std::ffi::OsString;
use std::fs::File;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::makedev;

/// The kernel's table of mounts (proc_pid_mountinfo(5)), opened once and read anew each time.
pub(crate) struct Mounts(Option<File>);

/// A line of the table is longer than this only where somebody plays with it.
const READ: usize = 16 * 1024;
/// More is not read: a machine with so many mounts does not get to know its file systems.
const TABLE_MAX: usize = 4 << 20;

impl Mounts {
    pub(crate) fn open() -> Self {
        Self(File::open("/proc/self/mountinfo").ok())
    }

    /// The device number of the file system that `path` is on, links aside; `None` where the table
    /// cannot be read.
    pub(crate) fn device_of(&self, path: &Path) -> Option<u64> {
        device_in(&self.read()?, &std::path::absolute(path).ok()?)
    }

    fn read(&self) -> Option<Vec<u8>> {
        let (file, mut table) = (self.0.as_ref()?, Vec::new());
        let mut length = 0;
        while length < TABLE_MAX {
            table.resize(length + READ, 0);
            let count = file.read_at(&mut table[length..], length as u64).ok()?;
            length += count;
            table.truncate(length);
            if count == 0 {
                return Some(table);
            }
        }
        None
    }
}

/// The device of the last mount that is nearest above `path`: a later one covers an earlier one.
fn device_in(table: &[u8], path: &Path) -> Option<u64> {
    let mounts = table.split(|&byte| byte == b'\n').filter_map(mount);
    let above = mounts.filter(|(point, _)| path.starts_with(point));
    let nearest = above.max_by_key(|(point, _)| point.components().count());
    nearest.map(|(_, device)| device)
}

/// The mount point and the device of a line.
fn mount(line: &[u8]) -> Option<(PathBuf, u64)> {
    let mut fields = line.split(|&byte| byte == b' ').skip(2);
    let device = std::str::from_utf8(fields.next()?).ok()?;
    let (major, minor) = device.split_once(':')?;
    let device = makedev(major.parse().ok()?, minor.parse().ok()?);
    let point = unescaped(fields.nth(1)?);
    Some((OsString::from_vec(point).into(), device))
}

/// Space, tab, line end and backslash stand as `\` and three octal digits.
pub(crate) fn unescaped(field: &[u8]) -> Vec<u8> {
    let (mut rest, mut plain) = (field, Vec::with_capacity(field.len()));
    while let [first, behind @ ..] = rest {
        let code = behind.first_chunk::<3>().filter(|_| *first == b'\\');
        let code = code.and_then(|digits| std::str::from_utf8(digits).ok());
        match code.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                plain.push(byte);
                rest = &behind[3..];
            }
            None => {
                plain.push(*first);
                rest = behind;
            }
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    const TABLE: &[u8] = b"\
        22 1 253:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n\
        30 22 0:40 / /srv/homes rw - tmpfs tmpfs rw\n\
        31 30 0:41 / /srv/homes/tom rw shared:2 master:1 - nfs4 nas:/tom rw\n\
        32 22 0:42 / /srv/a\\040disk rw - ext4 /dev/vdb rw\n\
        33 30 0:43 / /srv/homes rw - tmpfs over rw\n";

    #[test]
    fn the_nearest_mount_above_a_path_counts_and_of_two_the_later() {
        let device = |path: &str| device_in(TABLE, Path::new(path));
        assert_eq!(device("/srv/homes/tom"), Some(makedev(0, 41)));
        assert_eq!(device("/srv/homes/tom/deep"), Some(makedev(0, 41)));
        assert_eq!(device("/srv/homes/tommy"), Some(makedev(0, 43)));
        assert_eq!(device("/srv/a disk/sam"), Some(makedev(0, 42)));
        assert_eq!(device("/srv"), Some(makedev(253, 0)));
        assert_eq!(device_in(b"", Path::new("/srv")), None);
        assert_eq!(device_in(b"no table", Path::new("/srv")), None);
    }

    #[test]
    fn the_table_of_this_machine_agrees_with_stat() {
        let mounts = Mounts::open();
        for path in ["/proc", "/dev/shm"] {
            let expected = std::fs::metadata(path).unwrap().dev();
            for _ in 0..2 {
                assert_eq!(mounts.device_of(Path::new(path)), Some(expected), "{path}");
            }
        }
    }

    #[test]
    fn without_a_table_nothing_is_known() {
        assert_eq!(Mounts(None).device_of(Path::new("/")), None);
    }
}
