//! [`Snapshots`]: stores what a ledger says at a clean stop, in one checksummed file per home.
//!
//! A snapshot is used once: [`Snapshots::take`] removes it from the disk before it returns it, so
//! that after a crash there is none and the home is counted. A snapshot that is missing, torn or
//! of another home means the same: count.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::path::PathBuf;

use sha2::{Digest, Sha256};

use crate::Amount;

const MAGIC: &[u8; 8] = b"skiffq01";
const BODY: usize = MAGIC.len() + 3 * 8;
const LENGTH: usize = BODY + 32;

/// What one home uses, and the mark of that home.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Snapshot {
    pub used: Amount,
    /// A number by which the caller recognizes the home (the inode of its root directory): a
    /// snapshot with another mark is of another home.
    pub mark: u64,
}

impl Snapshot {
    fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(LENGTH);
        bytes.extend_from_slice(MAGIC);
        for number in [self.used.bytes, self.used.entries, self.mark] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        let sum = Sha256::digest(&bytes);
        bytes.extend_from_slice(&sum);
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != LENGTH || !bytes.starts_with(MAGIC) {
            return None;
        }
        let (body, sum) = bytes.split_at(BODY);
        if Sha256::digest(body)[..] != *sum {
            return None;
        }
        let mut numbers = body[MAGIC.len()..]
            .as_chunks::<8>()
            .0
            .iter()
            .map(|n| u64::from_le_bytes(*n));
        let used = Amount {
            bytes: numbers.next()?,
            entries: numbers.next()?,
        };
        Some(Self {
            used,
            mark: numbers.next()?,
        })
    }
}

/// The calls on a disk that snapshots need. Names are plain file names in one folder.
///
/// Tests implement this trait to let calls fail and to lose what was not synced.
pub trait Storage {
    /// The content of `name`, at most `max` bytes of it.
    fn read(&self, name: &str, max: u64) -> io::Result<Vec<u8>>;
    /// Creates or truncates `name` and writes `bytes`; durable only after [`Storage::sync`].
    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()>;
    /// Makes the content of `name` durable.
    fn sync(&self, name: &str) -> io::Result<()>;
    /// Renames over `to`; durable only after [`Storage::sync_names`].
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes `name`; durable only after [`Storage::sync_names`].
    fn unlink(&self, name: &str) -> io::Result<()>;
    /// Makes renames and removals durable.
    fn sync_names(&self) -> io::Result<()>;
}

/// The snapshots of many homes in one [`Storage`].
#[derive(Debug)]
pub struct Snapshots<S> {
    storage: S,
}

impl<S: Storage> Snapshots<S> {
    pub fn new(storage: S) -> Self {
        Self { storage }
    }

    /// Removes the snapshot of `home` durably and returns it; `None` where there is none, or only a
    /// torn one. After an error the snapshot may still be on the disk: the caller must not change
    /// the home.
    pub fn take(&self, home: &str) -> io::Result<Option<Snapshot>> {
        let name = file_name(home);
        let bytes = match self.storage.read(&name, LENGTH as u64 + 1) {
            Ok(bytes) => Some(bytes),
            Err(e) if e.kind() == ErrorKind::NotFound => None,
            // A snapshot that cannot be read is treated as a torn one, if it can be removed.
            Err(_) => Some(Vec::new()),
        };
        let Some(bytes) = bytes else { return Ok(None) };
        self.remove(&name)?;
        Ok(Snapshot::decode(&bytes))
    }

    /// Stores `snapshot` for `home`: after a crash it is there whole, or not at all.
    pub fn store(&self, home: &str, snapshot: &Snapshot) -> io::Result<()> {
        let name = file_name(home);
        let temporary = format!("{name}.new");
        self.storage.write(&temporary, &snapshot.encode())?;
        self.storage.sync(&temporary)?;
        self.storage.rename(&temporary, &name)?;
        self.storage.sync_names()
    }

    /// Like [`Snapshots::store`], without waiting for the disk: a power loss may take the snapshot,
    /// or tear it, which is noticed. For a home that is closed while the daemon goes on.
    pub fn store_unsynced(&self, home: &str, snapshot: &Snapshot) -> io::Result<()> {
        let name = file_name(home);
        let temporary = format!("{name}.new");
        self.storage.write(&temporary, &snapshot.encode())?;
        self.storage.rename(&temporary, &name)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        match self.storage.unlink(name) {
            Err(e) if e.kind() != ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        // The name may be gone already by an earlier removal that was not synced.
        self.storage.sync_names()
    }
}

fn file_name(home: &str) -> String {
    format!("{home}.ledger")
}

/// The [`Storage`] of the daemon: a folder of the host.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// `path` is an existing folder.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }
}

impl Storage for Folder {
    fn read(&self, name: &str, max: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(self.path.join(name))?
            .take(max)
            .read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        File::create(self.path.join(name))?.write_all(bytes)
    }

    fn sync(&self, name: &str) -> io::Result<()> {
        File::open(self.path.join(name))?.sync_all()
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        std::fs::rename(self.path.join(from), self.path.join(to))
    }

    fn unlink(&self, name: &str) -> io::Result<()> {
        std::fs::remove_file(self.path.join(name))
    }

    fn sync_names(&self) -> io::Result<()> {
        match File::open(&self.path)?.sync_all() {
            // A file system that syncs no directories (that of VirtualBox) answers EINVAL.
            Err(error) if error.kind() == ErrorKind::InvalidInput => Ok(()),
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SNAPSHOT: Snapshot = Snapshot {
        used: Amount {
            bytes: 7,
            entries: 3,
        },
        mark: 42,
    };

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let whole = SNAPSHOT.encode();
        assert_eq!(Snapshot::decode(&whole), Some(SNAPSHOT));
        for bit in 0..whole.len() * 8 {
            let mut torn = whole.clone();
            torn[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Snapshot::decode(&torn), None, "bit {bit}");
        }
        for length in 0..whole.len() {
            assert_eq!(Snapshot::decode(&whole[..length]), None, "length {length}");
        }
    }

    #[test]
    fn a_folder_gives_back_what_it_keeps_once() {
        let folder = tempfile::tempdir().unwrap();
        let snapshots = Snapshots::new(Folder::new(folder.path()));
        assert_eq!(snapshots.take("tom").unwrap(), None);
        snapshots.store("tom", &SNAPSHOT).unwrap();
        assert_eq!(snapshots.take("jerry").unwrap(), None);
        assert_eq!(snapshots.take("tom").unwrap(), Some(SNAPSHOT));
        assert_eq!(snapshots.take("tom").unwrap(), None);
    }

    #[test]
    fn a_torn_snapshot_is_removed_and_not_believed() {
        let folder = tempfile::tempdir().unwrap();
        let snapshots = Snapshots::new(Folder::new(folder.path()));
        std::fs::write(
            folder.path().join("tom.ledger"),
            b"skiffq01 and then nothing",
        )
        .unwrap();
        assert_eq!(snapshots.take("tom").unwrap(), None);
        assert!(!folder.path().join("tom.ledger").exists());
    }
}
