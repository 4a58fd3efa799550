//! What the native client reads: reply lines and listings of arbitrary bytes, and every reply of
//! the server. What is read can be written, and is read again as it was.

use skiff_sessions::digest::{Algorithm, Sum};
use skiff_sessions::path::{PathArg, VirtualPath};
use skiff_sessions::wire::line::{Head, Inbox};
use skiff_sessions::wire::native::codes::encode;
use skiff_sessions::wire::native::facts::{parse_entry, push_entry};
use skiff_sessions::wire::native::replies::{ReplyLine, is_final};
use skiff_sessions::wire::reply::{Facts, Held, Kind, Reply, Usage};
use skiff_sessions::wire::stamp::Stamp;

use super::input::Input;

/// Bytes of the largest file: off_t is signed, and no larger number crosses the wire.
const LARGEST: u64 = i64::MAX as u64;

pub(crate) fn replies(data: &[u8]) {
    let mut input = Input::new(data);
    match input.byte() % 3 {
        0 => {
            let step = usize::from(input.byte()).max(1);
            listing(input.rest(), step);
        }
        1 => input.rest().split(|&b| b == b'\n').for_each(line),
        _ => {
            while !input.is_empty() {
                said(&mut input);
            }
        }
    }
}

/// A listing is read the same whatever way it is cut.
fn listing(data: &[u8], step: usize) {
    assert_eq!(entries(data, step), entries(data, data.len().max(1)));
}

/// The entries of a listing up to the first line that is none, as the client reads them.
fn entries(data: &[u8], step: usize) -> Vec<(Vec<u8>, Facts)> {
    let (mut inbox, mut found) = (Inbox::default(), Vec::new());
    for chunk in data.chunks(step) {
        inbox.push(chunk);
        loop {
            match inbox.take() {
                Head::Incomplete => break,
                Head::Broken | Head::TooLong => return found,
                Head::Line(range) => match entry(inbox.slice(range)) {
                    Some(entry) => found.push(entry),
                    None => return found,
                },
            }
        }
        inbox.compact();
    }
    found
}

fn entry(line: &[u8]) -> Option<(Vec<u8>, Facts)> {
    let (name, facts) = parse_entry(line)?;
    assert!(facts.size <= LARGEST);
    let mut written = Vec::new();
    push_entry(&name, &facts, &mut written);
    let written = written.strip_suffix(b"\r\n").unwrap();
    assert!(!written.contains(&b'\r') && !written.contains(&b'\n'));
    assert_eq!(parse_entry(written), Some((name.clone(), facts)));
    Some((name, facts))
}

/// A line that is read as a reply: what the server would have meant by it is read alike.
fn line(line: &[u8]) {
    entry(line);
    let Ok(read) = ReplyLine::decode(line) else {
        assert!(!is_final(line));
        return;
    };
    assert!(read.code <= 999);
    assert_eq!(is_final(line), !read.is_preliminary());
    assert_eq!(ReplyLine::decode(line).as_ref(), Ok(&read));
    let _ = read.path();
    for number in [read.size, read.offset, read.have, read.hidden] {
        assert!(number.is_none_or(|number| number <= LARGEST));
    }
    if let Some(usage) = read.usage {
        let again = write(&Reply::Usage(usage));
        assert_eq!(again.usage, Some(usage));
    }
    if let Some(scram) = read.scram {
        let again = write(&Reply::Challenge {
            scram: scram.clone(),
        });
        assert_eq!(again.scram, Some(scram));
    }
    if let (Some(size), Some(sum)) = (read.size, read.sum) {
        let again = write(&Reply::Stored { size, sum });
        assert_eq!((again.size, again.sum), (read.size, read.sum));
    }
    if let Some((done, of)) = read.progress {
        assert_eq!(write(&Reply::Working { done, of }).progress, read.progress);
    }
    if let Some(facts) = read.facts {
        let path = VirtualPath::root();
        assert_eq!(write(&Reply::Facts { path, facts }).facts, Some(facts));
    }
}

/// Writes a reply as the server does, and reads it as the client does.
pub(crate) fn write(reply: &Reply) -> ReplyLine {
    let mut written = Vec::new();
    let code = encode(reply, &mut written);
    let line = written.strip_suffix(b"\r\n").unwrap();
    assert!(!line.contains(&b'\r') && !line.contains(&b'\n'));
    let read = ReplyLine::decode(line).unwrap();
    assert_eq!(read.code, code);
    read
}

/// A reply of the server with any name and any numbers in it.
fn said(input: &mut Input<'_>) {
    let kind = input.byte() % 8;
    let (size, offset) = (input.number() & LARGEST, input.number() & LARGEST);
    let path = PathArg::new(input.chunk()).and_then(|arg| VirtualPath::root().join(&arg).ok());
    let path = path.unwrap_or_else(VirtualPath::root);
    match kind {
        0 => paths(&path),
        1 => facts(path, size, input),
        2 => usage(input),
        3 => {
            let modified = stamp(input);
            let digest = *input.pick(&[Algorithm::Md5, Algorithm::Sha256]);
            let read = write(&Reply::Offer {
                size,
                modified,
                digest,
            });
            // MD5 is meant where none is told.
            let facts = (read.size, read.modified, read.digest.unwrap_or_default());
            assert_eq!(facts, (Some(size), Some(modified), digest));
        }
        4 => {
            let sum = sum(input);
            let read = write(&Reply::RangeSent { offset, size, sum });
            let facts = (read.offset, read.size, read.sum);
            assert_eq!(facts, (Some(offset), Some(size), Some(sum)));
        }
        5 => {
            let sum = sum(input);
            let read = write(&Reply::PartHere { have: size, sum });
            assert_eq!((read.have, read.sum), (Some(size), Some(sum)));
        }
        6 => {
            let sum = sum(input);
            let read = write(&Reply::HashIs {
                path: path.clone(),
                size,
                sum,
            });
            assert_eq!((read.size, read.sum), (Some(size), Some(sum)));
            assert_eq!(read.path().as_deref(), Some(path.as_bytes()));
        }
        _ => {
            let (done, of) = (offset, size);
            assert_eq!(
                write(&Reply::Working { done, of }).progress,
                Some((done, of))
            );
        }
    }
}

fn paths(path: &VirtualPath) {
    for reply in [Reply::Directory, Reply::DirectoryChanged, Reply::Created] {
        let read = write(&reply(path.clone()));
        assert_eq!(read.path().as_deref(), Some(path.as_bytes()));
    }
}

fn facts(path: VirtualPath, size: u64, input: &mut Input<'_>) {
    let kinds = [Kind::File, Kind::Directory, Kind::Link, Kind::Other];
    let facts = Facts {
        kind: *input.pick(&kinds),
        size,
        modified: stamp(input),
        mode: input
            .pick(&[None, Some(0), Some(0o644), Some(0o7777)])
            .to_owned(),
    };
    let read = write(&Reply::Facts {
        path: path.clone(),
        facts,
    });
    assert_eq!(read.facts, Some(facts));
    assert_eq!(read.path().as_deref(), Some(path.as_bytes()));
    let mut line = Vec::new();
    push_entry(path.below_home(), &facts, &mut line);
    let (name, listed) = entry(line.strip_suffix(b"\r\n").unwrap()).unwrap();
    assert_eq!((&*name, listed), (path.below_home(), facts));
}

fn usage(input: &mut Input<'_>) {
    let mut number = || input.number() & LARGEST;
    let held = Held {
        used: number(),
        staged: number(),
        reserved: number(),
        free: number(),
        entries: number(),
    };
    let usage = Usage {
        limit: number(),
        entries_limit: number(),
        held: (number() % 4 != 0).then_some(held),
    };
    assert_eq!(write(&Reply::Usage(usage)).usage, Some(usage));
}

fn sum(input: &mut Input<'_>) -> Sum {
    let byte = input.byte();
    *input.pick(&[Sum::Md5([byte; 16]), Sum::Sha256([byte; 32])])
}

/// A time in the years 0 to 9999, which is what four digits hold.
fn stamp(input: &mut Input<'_>) -> Stamp {
    const YEARS: std::ops::RangeInclusive<i64> = -62_167_219_200..=253_402_300_799;
    let seconds = (input.number() as i64).clamp(*YEARS.start(), *YEARS.end());
    Stamp(seconds)
}
