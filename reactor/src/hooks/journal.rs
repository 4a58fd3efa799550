//! [`Journal`]: what the daemon's workers write down for one hook, before anybody is told that it
//! has happened.
//!
//! It is bounded by the number of its segments, which the runner removes. Each process writes
//! segments of its own, so that two may run while one takes the place of the other.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use rustix::fs::{FlockOperation, flock};
use skiff_conf::{Durability, sync_folder};
use skiff_vfs::Worker;

use super::event::Event;
use super::segments::{encode, list, path_of};

/// A segment that has as many bytes or events is not continued.
const SEGMENT_BYTES: u64 = 1 << 20;
const SEGMENT_EVENTS: u32 = 1562;
/// Together 64 MiB and 100,000 events.
const SEGMENTS_MAX: usize = 64;
/// Between two looks whether a full journal has room again.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Names that are tried for a segment.
const TRIES_MAX: u32 = 8;

/// What a segment that has no name yet ends with.
const UNNAMED: &str = ".new";

/// Why an event is lost.
#[derive(Debug, thiserror::Error)]
pub(super) enum Lost {
    #[error("as many events wait as may")]
    Full,
    #[error("the journal in state/hooks cannot be written: {0}")]
    Unwritten(#[from] io::Error),
}

pub(super) struct Journal {
    folder: PathBuf,
    durability: Durability,
    active: Mutex<Active>,
    segments_max: usize,
}

#[derive(Default)]
struct Active {
    segment: Option<Arc<Segment>>,
    bytes: u64,
    events: u32,
    /// When a full journal is looked at again.
    full_until: Option<Instant>,
}

struct Segment {
    file: File,
    written: AtomicU64,
    /// Bytes that are on the disk.
    synced: Mutex<u64>,
}

impl Journal {
    /// The journal in a folder, which is made.
    pub(super) fn open(folder: PathBuf, durability: Durability) -> io::Result<Self> {
        super::make_folder(&folder)?;
        for entry in std::fs::read_dir(&folder)? {
            let path = entry?.path();
            if path
                .as_os_str()
                .as_encoded_bytes()
                .ends_with(UNNAMED.as_bytes())
            {
                let _ = std::fs::remove_file(path);
            }
        }
        Ok(Self {
            folder,
            durability,
            active: Mutex::default(),
            segments_max: SEGMENTS_MAX,
        })
    }

    /// One that is full sooner.
    #[cfg(test)]
    pub(super) fn bounded(mut self, segments_max: usize) -> Self {
        self.segments_max = segments_max;
        self
    }

    /// Writes it down, on the disk where files are.
    pub(super) fn append(&self, _worker: &Worker, event: &Event) -> Result<(), Lost> {
        let line = encode(event)?;
        let (segment, end) = self.write(&line)?;
        match self.durability {
            Durability::Fsync => Ok(segment.sync(end)?),
            Durability::None => Ok(()),
        }
    }

    fn write(&self, line: &[u8]) -> Result<(Arc<Segment>, u64), Lost> {
        let mut active = self.active.lock();
        if active.bytes >= SEGMENT_BYTES || active.events >= SEGMENT_EVENTS {
            *active = Active::default();
        }
        let segment = match &active.segment {
            Some(segment) => Arc::clone(segment),
            None => {
                let segment = self.new_segment(&mut active.full_until)?;
                active.segment = Some(Arc::clone(&segment));
                segment
            }
        };
        if let Err(error) = (&segment.file).write_all(line) {
            // Where that fails too, the reader recognises the torn line.
            let _ = segment.file.set_len(active.bytes);
            *active = Active::default();
            return Err(error.into());
        }
        active.bytes += line.len() as u64;
        active.events += 1;
        segment.written.store(active.bytes, Ordering::Release);
        let end = active.bytes;
        Ok((segment, end))
    }

    fn new_segment(&self, full_until: &mut Option<Instant>) -> Result<Arc<Segment>, Lost> {
        let now = Instant::now();
        if full_until.is_some_and(|until| now < until) {
            return Err(Lost::Full);
        }
        let numbers = list(&self.folder)?;
        if numbers.len() >= self.segments_max {
            *full_until = Some(now + LOOK_EVERY);
            return Err(Lost::Full);
        }
        *full_until = None;
        // Never one that there was: the runner may remember how far it had read it.
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let clock = since.map_or(0, |since| since.as_micros() as u64);
        let behind = numbers.last().map_or(0, |last| last + 1);
        let first = clock.max(behind);
        let mut made = Err(io::ErrorKind::AlreadyExists.into());
        for number in first..first + u64::from(TRIES_MAX) {
            made = make(&self.folder, number);
            if made.is_ok() {
                break;
            }
        }
        let file = made?;
        if self.durability == Durability::Fsync {
            sync_folder(&self.folder)?;
        }
        Ok(Arc::new(Segment {
            file,
            written: AtomicU64::new(0),
            synced: Mutex::new(0),
        }))
    }
}

/// A new segment, which gets its name once it is locked: a reader takes one without a lock for one
/// that nobody writes.
fn make(folder: &Path, number: u64) -> io::Result<File> {
    let path = path_of(folder, number);
    let unnamed = path.with_extension(&UNNAMED[1..]);
    if path.exists() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    let mut options = OpenOptions::new();
    let file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&unnamed)?;
    flock(&file, FlockOperation::NonBlockingLockShared)?;
    std::fs::rename(&unnamed, &path)?;
    Ok(file)
}

impl Segment {
    /// Has the bytes before `end` on the disk. Of several that wait for it, one does it for all.
    fn sync(&self, end: u64) -> io::Result<()> {
        let mut synced = self.synced.lock();
        if *synced >= end {
            return Ok(());
        }
        let written = self.written.load(Ordering::Acquire);
        self.file.sync_data()?;
        *synced = written;
        Ok(())
    }
}
