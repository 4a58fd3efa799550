//! The files of a hook's journal: each has events as lines, is written by one process, which holds
//! a lock on it until no event follows, and is read by the runner.
//!
//! A line is the first bytes of the SHA-256 of its JSON in hexadecimal, a blank, and the JSON: what
//! a power cut has torn is recognised, wherever it tore.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};

use super::event::Event;

/// What the names of segments end with.
const SUFFIX: &str = ".events";

/// Digits of the checksum.
const SUM: usize = 8;

pub(super) fn path_of(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:020}{SUFFIX}"))
}

/// The numbers of the segments in a folder, the oldest first.
pub(super) fn list(folder: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(SUFFIX));
        numbers.extend(number.and_then(|number| number.parse::<u64>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

fn checksum(json: &[u8]) -> String {
    let sum = Sha256::digest(json);
    sum[..SUM / 2]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// The line of an event, with its end.
pub(super) fn encode(event: &Event) -> io::Result<Vec<u8>> {
    let json = serde_json::to_vec(event)?;
    let mut line = checksum(&json).into_bytes();
    line.push(b' ');
    line.extend_from_slice(&json);
    line.push(b'\n');
    Ok(line)
}

/// The event of a line without its end; `None` where it is not what was written.
fn decode(line: &[u8]) -> Option<Event> {
    let (sum, json) = line.split_at_checked(SUM)?;
    let json = json.strip_prefix(b" ")?;
    let is_whole = checksum(json).as_bytes() == sum;
    is_whole.then(|| serde_json::from_slice(json).ok())?
}

/// A line of a segment, and where it begins.
pub(super) struct Found {
    pub(super) offset: u64,
    /// `None` where the line is damaged.
    pub(super) event: Option<Event>,
}

/// What follows the lines that were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rest {
    /// Maybe more: as many were read as were asked for.
    More,
    /// What its writer may still add.
    Unwritten,
    /// Nothing, ever.
    Nothing,
    /// Part of a line, which nobody will finish.
    Torn,
}

pub(super) struct Portion {
    pub(super) found: Vec<Found>,
    /// Where the next line begins.
    pub(super) end: u64,
    pub(super) rest: Rest,
}

/// Reads at most so many lines from the offset on.
pub(super) fn read(path: &Path, offset: u64, at_most: usize) -> io::Result<Portion> {
    let file = File::open(path)?;
    let mut portion = Portion {
        found: Vec::new(),
        end: offset,
        rest: Rest::More,
    };
    let tail = portion.read_lines(&file, at_most)?;
    if tail.is_none() {
        return Ok(portion);
    }
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => {
            portion.rest = Rest::Unwritten;
            return Ok(portion);
        }
        Err(error) => return Err(error.into()),
    }
    // The writer may have added something before it let go.
    match portion.read_lines(&file, at_most)? {
        Some(Tail::Whole) => portion.rest = Rest::Nothing,
        Some(Tail::Torn) => portion.rest = Rest::Torn,
        None => {}
    }
    Ok(portion)
}

/// How a file ends.
enum Tail {
    Whole,
    Torn,
}

impl Portion {
    /// `None` where as many lines were read as may be.
    fn read_lines(&mut self, file: &File, at_most: usize) -> io::Result<Option<Tail>> {
        let mut reader = BufReader::new(file);
        reader.seek(SeekFrom::Start(self.end))?;
        let mut line = Vec::new();
        while self.found.len() < at_most {
            line.clear();
            let length = reader.read_until(b'\n', &mut line)?;
            let Some(text) = line.strip_suffix(b"\n") else {
                return Ok(Some(match length {
                    0 => Tail::Whole,
                    _ => Tail::Torn,
                }));
            };
            self.found.push(Found {
                offset: self.end,
                event: decode(text),
            });
            self.end += length as u64;
        }
        Ok(None)
    }
}
