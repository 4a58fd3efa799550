//! What a ledger said at a clean stop, kept as one checksummed snapshot per home.
//!
//! A snapshot is believed once: [`Snapshots::take`] removes it from the disk before handing it
//! out, so that a later crash finds none and the home is counted anew. Missing, torn or foreign
//! snapshots all mean the same: count.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::path::PathBuf;

use sha2::{Digest, Sha256};

use crate::Amount;

const MAGIC: &[u8; 8] = b"skiffq01";
const BODY: usize = MAGIC.len() + 3 * 8;
const LENGTH: usize = BODY + 32;

/// What one home used, and the mark of the home it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Snapshot {
    pub used: Amount,
    /// The caller's mark of what was counted (the inode of a home's root): a snapshot with
    /// another mark is about something else.
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

/// The few calls a snapshot needs of a disk. Names are plain file names in one folder.
///
/// The seam for faults: a call may fail, and what was not synced may be lost in a crash.
pub trait Storage {
    /// The content of `name`, at most `max` bytes of it.
    fn read(&self, name: &str, max: u64) -> io::Result<Vec<u8>>;
    /// Creates or cuts `name` and writes `bytes`; durable only after [`Storage::sync`].
    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()>;
    fn sync(&self, name: &str) -> io::Result<()>;
    /// Renames over `to`; durable only after [`Storage::sync_names`].
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes `name`; durable only after [`Storage::sync_names`].
    fn unlink(&self, name: &str) -> io::Result<()>;
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

    /// The snapshot of `home`, removed for good before it is handed out; `None` where there is
    /// none to believe. After an error the snapshot may still be on the disk: do not change the
    /// home.
    pub fn take(&self, home: &str) -> io::Result<Option<Snapshot>> {
        let name = file_name(home);
        let bytes = match self.storage.read(&name, LENGTH as u64 + 1) {
            Ok(bytes) => Some(bytes),
            Err(e) if e.kind() == ErrorKind::NotFound => None,
            // Unreadable is as good as torn, as long as it can be removed.
            Err(_) => Some(Vec::new()),
        };
        let Some(bytes) = bytes else { return Ok(None) };
        self.remove(&name)?;
        Ok(Snapshot::decode(&bytes))
    }

    /// Keeps `snapshot` for `home`: a crash leaves it whole or not at all.
    pub fn store(&self, home: &str, snapshot: &Snapshot) -> io::Result<()> {
        let name = file_name(home);
        let temporary = format!("{name}.new");
        self.storage.write(&temporary, &snapshot.encode())?;
        self.storage.sync(&temporary)?;
        self.storage.rename(&temporary, &name)?;
        self.storage.sync_names()
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        match self.storage.unlink(name) {
            Err(e) if e.kind() != ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        // Also when it was gone already: an earlier removal may not have been synced.
        self.storage.sync_names()
    }
}

fn file_name(home: &str) -> String {
    format!("{home}.ledger")
}

/// A folder of the host, as [`Storage`].
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
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
        File::open(&self.path)?.sync_all()
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
