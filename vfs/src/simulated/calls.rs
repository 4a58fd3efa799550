//! The calls of a simulated disk: rustix's, with a look at what they change. Where there
//! is no such disk, and for files that are not on it, they are rustix's own.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Instant, SystemTime};

use rustix::fs as real;
use rustix::fs::{
    AtFlags, FallocateFlags, Gid, Mode, OFlags, RenameFlags, Stat, StatFs, Statx, StatxFlags,
    Timestamps, Uid, XattrFlags,
};
use rustix::io::{self, Errno};
use rustix::path::Arg;
use rustix::pipe::SpliceFlags;

use super::disk::Call;
use super::node::{Content, NodeId, State};
use super::with_disk;

pub(crate) fn now() -> Instant {
    with_disk(|disk| disk.now()).unwrap_or_else(Instant::now)
}

pub(crate) fn system_now() -> SystemTime {
    with_disk(|disk| disk.system_now()).unwrap_or_else(SystemTime::now)
}

fn begin(call: Call) -> io::Result<()> {
    with_disk(|disk| disk.begin(call)).unwrap_or(Ok(()))
}

/// The number of the file with this real metadata, if it is on the disk.
fn number(stat: &Stat) -> Option<NodeId> {
    with_disk(|disk| match stat.st_dev == disk.device() {
        true => disk.number_of(stat.st_ino),
        false => None,
    })?
}

fn number_of(file: impl AsFd) -> Option<NodeId> {
    number(&real::fstat(file).ok()?)
}

/// Replaces what the kernel tells of a file's identity.
fn presented(mut stat: Stat) -> Stat {
    if let Some(id) = number(&stat) {
        stat.st_ino = id;
    }
    stat
}

/// Notes how a file has changed, with its attributes after that.
fn note(file: impl AsFd, change: impl FnOnce(&mut super::node::Node)) {
    let Ok(stat) = real::fstat(file) else { return };
    let Some(id) = number(&stat) else { return };
    with_disk(|disk| {
        disk.change(id, |node| {
            change(node);
            (node.now.mode, node.now.modified) = attributes(&stat);
        });
    });
}

#[allow(clippy::unnecessary_cast, reason = "the types differ by architecture")]
fn attributes(stat: &Stat) -> (u32, (i64, i64)) {
    let modified = (stat.st_mtime as i64, stat.st_mtime_nsec as i64);
    (stat.st_mode & 0o7777, modified)
}

/// Notes a new name of a new file.
fn note_made(folder: NodeId, name: &[u8], stat: &Stat, content: Content) {
    let (mode, modified) = attributes(stat);
    let now = State {
        mode,
        modified,
        extended: std::collections::BTreeMap::new(),
        content,
    };
    with_disk(|disk| disk.note_made(folder, name, stat.st_ino, now));
}

pub(crate) fn openat(
    folder: impl AsFd,
    path: impl Arg,
    flags: OFlags,
    mode: Mode,
) -> io::Result<OwnedFd> {
    let path = path.into_c_str()?;
    if !flags.intersects(OFlags::CREATE | OFlags::TRUNC) {
        return real::openat(folder, &*path, flags, mode);
    }
    begin(Call::Create)?;
    let before = real::statat(&folder, &*path, AtFlags::SYMLINK_NOFOLLOW);
    let file = real::openat(&folder, &*path, flags, mode)?;
    match (before, number_of(&folder)) {
        (Err(Errno::NOENT), Some(folder)) => {
            let content = Content::File(Vec::new());
            note_made(folder, path.to_bytes(), &real::fstat(&file)?, content);
        }
        _ if flags.contains(OFlags::TRUNC) => note(&file, |node| node.set_len(0)),
        _ => {}
    }
    Ok(file)
}

pub(crate) fn mkdirat(folder: impl AsFd, path: impl Arg, mode: Mode) -> io::Result<()> {
    let path = path.into_c_str()?;
    begin(Call::Create)?;
    real::mkdirat(&folder, &*path, mode)?;
    if let Some(id) = number_of(&folder) {
        let stat = real::statat(&folder, &*path, AtFlags::SYMLINK_NOFOLLOW)?;
        let content = Content::Directory(std::collections::BTreeMap::new());
        note_made(id, path.to_bytes(), &stat, content);
    }
    Ok(())
}

/// Refused: the disk has files and directories alone.
pub(crate) fn symlinkat(target: impl Arg, folder: impl AsFd, path: impl Arg) -> io::Result<()> {
    match number_of(&folder) {
        Some(_) => Err(Errno::PERM),
        None => real::symlinkat(target, folder, path),
    }
}

pub(crate) fn unlinkat(folder: impl AsFd, path: impl Arg, flags: AtFlags) -> io::Result<()> {
    let path = path.into_c_str()?;
    begin(Call::Name)?;
    real::unlinkat(&folder, &*path, flags)?;
    if let Some(id) = number_of(&folder) {
        with_disk(|disk| disk.note_removed(id, path.to_bytes()));
    }
    Ok(())
}

pub(crate) fn renameat(
    from: impl AsFd,
    old: impl Arg,
    to: impl AsFd,
    new: impl Arg,
) -> io::Result<()> {
    renameat_with(from, old, to, new, RenameFlags::empty())
}

pub(crate) fn renameat_with(
    from: impl AsFd,
    old: impl Arg,
    to: impl AsFd,
    new: impl Arg,
    flags: RenameFlags,
) -> io::Result<()> {
    let (old, new) = (old.into_c_str()?, new.into_c_str()?);
    begin(Call::Name)?;
    real::renameat_with(&from, &*old, &to, &*new, flags)?;
    match (number_of(&from), number_of(&to)) {
        (Some(from), Some(to)) => {
            with_disk(|disk| disk.note_renamed((from, old.to_bytes()), (to, new.to_bytes())));
        }
        (None, None) => {}
        (from, to) => log::error!("{from:?}/{old:?} to {to:?}/{new:?}"),
    }
    Ok(())
}

pub(crate) fn linkat(
    from: impl AsFd,
    old: impl Arg,
    to: impl AsFd,
    new: impl Arg,
    flags: AtFlags,
) -> io::Result<()> {
    let (old, new) = (old.into_c_str()?, new.into_c_str()?);
    begin(Call::Name)?;
    real::linkat(&from, &*old, &to, &*new, flags)?;
    let linked = real::statat(&to, &*new, AtFlags::SYMLINK_NOFOLLOW)?;
    if let (Some(to), Some(id)) = (number_of(&to), number(&linked)) {
        with_disk(|disk| disk.note_linked(to, new.to_bytes(), id));
    }
    Ok(())
}

pub(crate) fn pwrite(file: impl AsFd, data: &[u8], at: u64) -> io::Result<usize> {
    begin(Call::Write)?;
    let written = io::pwrite(&file, data, at)?;
    note(file, |node| node.write(at as usize, &data[..written]));
    Ok(written)
}

/// write(2) to the end of a file.
pub(crate) fn write(file: impl AsFd, data: &[u8]) -> io::Result<usize> {
    begin(Call::Write)?;
    let at = real::fstat(&file)?.st_size;
    let written = io::write(&file, data)?;
    note(file, |node| node.write(at as usize, &data[..written]));
    Ok(written)
}

pub(crate) fn splice(
    from: impl AsFd,
    from_at: Option<&mut u64>,
    to: impl AsFd,
    to_at: Option<&mut u64>,
    count: usize,
    flags: SpliceFlags,
) -> io::Result<usize> {
    begin(Call::Write)?;
    let at = to_at.as_deref().copied();
    let moved = rustix::pipe::splice(from, from_at, &to, to_at, count, flags)?;
    if let Some(at) = at {
        note_copied(to, at, moved);
    }
    Ok(moved)
}

pub(crate) fn copy_file_range(
    from: impl AsFd,
    from_at: Option<&mut u64>,
    to: impl AsFd,
    to_at: Option<&mut u64>,
    count: usize,
) -> io::Result<usize> {
    begin(Call::Write)?;
    let at = to_at.as_deref().copied();
    let copied = real::copy_file_range(from, from_at, &to, to_at, count)?;
    if let Some(at) = at {
        note_copied(to, at, copied);
    }
    Ok(copied)
}

/// Notes bytes that the kernel has put into a file.
fn note_copied(file: impl AsFd, at: u64, count: usize) {
    if number_of(&file).is_none() {
        return;
    }
    let mut bytes = vec![0; count];
    let read = io::pread(&file, &mut *bytes, at).unwrap_or(0);
    assert_eq!(read, count, "what was copied cannot be read back");
    note(file, |node| node.write(at as usize, &bytes));
}

pub(crate) fn ftruncate(file: impl AsFd, len: u64) -> io::Result<()> {
    begin(Call::Length)?;
    real::ftruncate(&file, len)?;
    note(file, |node| node.set_len(len as usize));
    Ok(())
}

pub(crate) fn fallocate(
    file: impl AsFd,
    flags: FallocateFlags,
    at: u64,
    len: u64,
) -> io::Result<()> {
    begin(Call::Length)?;
    real::fallocate(&file, flags, at, len)?;
    let size = real::fstat(&file)?.st_size;
    if !flags.contains(FallocateFlags::KEEP_SIZE) {
        note(file, |node| node.set_len(size as usize));
    }
    Ok(())
}

pub(crate) fn fchmod(file: impl AsFd, mode: Mode) -> io::Result<()> {
    begin(Call::Attribute)?;
    real::fchmod(&file, mode)?;
    note(file, |_| ());
    Ok(())
}

/// Owners are not simulated: a tree has one.
pub(crate) fn fchown(file: impl AsFd, owner: Option<Uid>, group: Option<Gid>) -> io::Result<()> {
    begin(Call::Attribute)?;
    real::fchown(file, owner, group)
}

pub(crate) fn futimens(file: impl AsFd, times: &Timestamps) -> io::Result<()> {
    begin(Call::Attribute)?;
    real::futimens(&file, times)?;
    note(file, |_| ());
    Ok(())
}

pub(crate) fn chmodat(
    folder: impl AsFd,
    path: impl Arg,
    mode: Mode,
    flags: AtFlags,
) -> io::Result<()> {
    let path = path.into_c_str()?;
    begin(Call::Attribute)?;
    real::chmodat(&folder, &*path, mode, flags)?;
    note_path(folder, &path);
    Ok(())
}

pub(crate) fn utimensat(
    folder: impl AsFd,
    path: impl Arg,
    times: &Timestamps,
    flags: AtFlags,
) -> io::Result<()> {
    let path = path.into_c_str()?;
    begin(Call::Attribute)?;
    real::utimensat(&folder, &*path, times, flags)?;
    note_path(folder, &path);
    Ok(())
}

/// Notes changed attributes of the file at `path`.
fn note_path(folder: impl AsFd, path: &std::ffi::CStr) {
    let found = real::openat(folder, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty());
    if let Ok(file) = found {
        note(file, |_| ());
    }
}

pub(crate) fn fsetxattr(
    file: impl AsFd,
    name: impl Arg,
    value: &[u8],
    flags: XattrFlags,
) -> io::Result<()> {
    let name = name.into_c_str()?;
    begin(Call::Attribute)?;
    real::fsetxattr(&file, &*name, value, flags)?;
    note(file, |node| {
        let (name, value) = (name.to_bytes().to_vec(), value.to_vec());
        node.now.extended.insert(name, value);
    });
    Ok(())
}

pub(crate) fn fremovexattr(file: impl AsFd, name: impl Arg) -> io::Result<()> {
    let name = name.into_c_str()?;
    begin(Call::Attribute)?;
    real::fremovexattr(&file, &*name)?;
    note(file, |node| {
        node.now.extended.remove(name.to_bytes());
    });
    Ok(())
}

pub(crate) fn fsync(file: impl AsFd) -> io::Result<()> {
    let stat = real::fstat(&file)?;
    let id = number(&stat);
    match begin(Call::Sync) {
        Ok(()) => {
            // The kernel would refuse an O_PATH handle.
            rustix::fs::fcntl_getfl(&file).and_then(|flags| {
                match flags.contains(OFlags::PATH) {
                    true => Err(Errno::BADF),
                    false => Ok(()),
                }
            })?;
            if let Some(id) = id {
                with_disk(|disk| disk.sync(id));
            } else {
                real::fsync(file)?;
            }
            Ok(())
        }
        Err(error) => {
            if let Some(id) = id {
                with_disk(|disk| disk.fail_sync(id));
            }
            Err(error)
        }
    }
}

pub(crate) fn fdatasync(file: impl AsFd) -> io::Result<()> {
    fsync(file)
}

pub(crate) fn syncfs(file: impl AsFd) -> io::Result<()> {
    begin(Call::Sync)?;
    match number_of(&file) {
        Some(_) => {
            with_disk(|disk| disk.sync_all());
            Ok(())
        }
        None => real::syncfs(file),
    }
}

pub(crate) fn fstat(file: impl AsFd) -> io::Result<Stat> {
    real::fstat(file).map(presented)
}

pub(crate) fn statat(folder: impl AsFd, path: impl Arg, flags: AtFlags) -> io::Result<Stat> {
    real::statat(folder, path, flags).map(presented)
}

pub(crate) fn statx(
    folder: impl AsFd,
    path: impl Arg,
    flags: AtFlags,
    mask: StatxFlags,
) -> io::Result<Statx> {
    let mut status = real::statx(folder, path, flags, mask)?;
    let device = real::makedev(status.stx_dev_major, status.stx_dev_minor);
    let known = with_disk(|disk| {
        let id = disk
            .number_of(status.stx_ino)
            .filter(|_| device == disk.device())?;
        Some((id, disk.born(id)?))
    });
    if let Some((id, born)) = known.flatten() {
        status.stx_ino = id;
        status.stx_btime.tv_sec = (born / 1_000_000_000) as i64;
        status.stx_btime.tv_nsec = (born % 1_000_000_000) as u32;
    }
    Ok(status)
}

#[allow(clippy::unnecessary_cast, reason = "the type differs by architecture")]
pub(crate) fn fstatfs(file: impl AsFd) -> io::Result<StatFs> {
    let mut told = real::fstatfs(&file)?;
    if number_of(file).is_some()
        && let Some(magic) = with_disk(|disk| disk.file_system().magic())
    {
        told.f_type = magic as _;
    }
    Ok(told)
}
