//! [`Node`]: a file or directory of a simulated disk, as it is and as a power cut would leave it.

use std::collections::BTreeMap;
use std::ops::Range;

use super::random::Random;

/// The number of a file or directory. It is the inode number that the code above sees.
pub(super) type NodeId = u64;

/// Bytes that reach the disk together.
const BLOCK: usize = 512;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Content {
    Directory(BTreeMap<Vec<u8>, NodeId>),
    File(Vec<u8>),
}

/// What a file or directory is at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct State {
    pub(super) mode: u32,
    /// Seconds and nanoseconds.
    pub(super) modified: (i64, i64),
    pub(super) extended: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(super) content: Content,
}

impl State {
    pub(super) fn bytes(&mut self) -> &mut Vec<u8> {
        if let Content::Directory(_) = self.content {
            self.content = Content::File(Vec::new());
        }
        match &mut self.content {
            Content::File(bytes) => bytes,
            Content::Directory(_) => unreachable!("it was just made a file"),
        }
    }

    pub(super) fn names(&mut self) -> &mut BTreeMap<Vec<u8>, NodeId> {
        match &mut self.content {
            Content::Directory(names) => names,
            Content::File(_) => panic!("a name in a file"),
        }
    }

    fn is_file(&self) -> bool {
        matches!(self.content, Content::File(_))
    }

    /// The same without content.
    fn emptied(&self) -> Self {
        let content = match self.content {
            Content::Directory(_) => Content::Directory(BTreeMap::new()),
            Content::File(_) => Content::File(Vec::new()),
        };
        Self {
            content,
            extended: self.extended.clone(),
            ..*self
        }
    }
}

#[derive(Debug)]
pub(super) struct Node {
    /// When it was made, in nanoseconds of the disk's own clock.
    pub(super) born: u64,
    pub(super) now: State,
    /// `None` while a power cut would leave nothing.
    pub(super) durable: Option<State>,
    /// The directories and names that lead to it now.
    pub(super) names: Vec<(NodeId, Vec<u8>)>,
    /// Ranges of bytes that were written and may not be on the disk.
    dirty: Vec<Range<usize>>,
    /// The smallest and the last length that the file was cut or stretched to since the last
    /// commit, other than by writing.
    lengths: Option<(usize, usize)>,
}

impl Node {
    pub(super) fn new(born: u64, now: State) -> Self {
        Self {
            born,
            now,
            durable: None,
            names: Vec::new(),
            dirty: Vec::new(),
            lengths: None,
        }
    }

    /// One that is on the disk as it is.
    pub(super) fn settled(born: u64, now: State) -> Self {
        Self {
            durable: Some(now.clone()),
            ..Self::new(born, now)
        }
    }

    pub(super) fn write(&mut self, at: usize, data: &[u8]) {
        let bytes = self.now.bytes();
        let end = at + data.len();
        if bytes.len() < end {
            bytes.resize(end, 0);
        }
        bytes[at..end].copy_from_slice(data);
        self.dirty.push(at..end);
    }

    pub(super) fn set_len(&mut self, len: usize) {
        self.now.bytes().resize(len, 0);
        self.dirty.retain_mut(|range| {
            range.end = range.end.min(len);
            range.start < range.end
        });
        let smallest = self.lengths.map_or(len, |(smallest, _)| smallest.min(len));
        self.lengths = Some((smallest, len));
    }

    /// Some of the bytes that were written reach the disk; the length may get there before them.
    pub(super) fn write_back(&mut self, random: &mut Random) {
        let (Some(durable), true) = (&mut self.durable, self.now.is_file()) else {
            return;
        };
        let (now, on_disk) = (self.now.bytes(), durable.bytes());
        let mut left = Vec::new();
        for range in std::mem::take(&mut self.dirty) {
            let mut start = range.start;
            while start < range.end {
                let end = range.end.min((start / BLOCK + 1) * BLOCK);
                match random.one_in(2) {
                    true => {
                        if on_disk.len() < end {
                            on_disk.resize(end, 0);
                        }
                        on_disk[start..end].copy_from_slice(&now[start..end]);
                    }
                    false => left.push(start..end),
                }
                start = end;
            }
        }
        self.dirty = left;
        if on_disk.len() < now.len() && random.one_in(4) {
            let more = random.below(now.len() - on_disk.len() + 1);
            on_disk.resize(on_disk.len() + more, 0);
        }
    }

    /// The attributes, names and lengths reach the disk, but no bytes.
    pub(super) fn commit(&mut self) {
        let mut on_disk = self.now.emptied();
        match &self.now.content {
            Content::Directory(_) => on_disk.content = self.now.content.clone(),
            Content::File(_) => {
                let before = self.durable.as_mut();
                let mut bytes =
                    before.map_or_else(Vec::new, |durable| std::mem::take(durable.bytes()));
                if let Some((smallest, last)) = self.lengths.take() {
                    bytes.truncate(smallest);
                    bytes.resize(last, 0);
                }
                on_disk.content = Content::File(bytes);
            }
        }
        self.durable = Some(on_disk);
    }

    /// Everything of it reaches the disk.
    pub(super) fn settle(&mut self) {
        self.durable = Some(self.now.clone());
        self.dirty.clear();
        self.lengths = None;
    }

    /// The kernel gives up bytes that it could not write: they stay in memory and count as written.
    pub(super) fn lose_unwritten(&mut self) {
        self.dirty.clear();
    }

    /// Where there is nothing on the disk yet, something empty is.
    pub(super) fn make_known(&mut self) -> &mut State {
        let empty = || self.now.emptied();
        self.durable.get_or_insert_with(empty)
    }
}
