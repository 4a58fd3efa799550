//! [`Disk`]: follows each change of a tree of files, and keeps what of it would be on the disk.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use rustix::io::Errno;

use super::image::{Image, read_tree};
use super::node::{Content, Node, NodeId, State};
use super::random::Random;

/// The number of the first file; the numbers of real files are smaller.
const FIRST_NUMBER: NodeId = 1 << 40;
/// A commit of the journal happens by itself before one call in so many.
const COMMIT_ONE_IN: usize = 12;
/// Bytes are written back before one call in so many.
const WRITE_BACK_ONE_IN: usize = 6;

/// The file system whose promises about a power cut hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileSystem {
    /// Any fsync(2) commits all names and attributes. Blocks are preallocated.
    Ext4,
    /// The same, without preallocation.
    Xfs,
    /// An fsync(2) of a file makes that file durable with its names, one of a directory the names
    /// in it, and neither anything else.
    Btrfs,
}

impl FileSystem {
    /// The number by which statfs(2) tells it.
    pub(super) fn magic(self) -> u64 {
        match self {
            Self::Ext4 => 0xEF53,
            Self::Xfs => 0x5846_5342,
            Self::Btrfs => 0x9123_683E,
        }
    }
}

/// The kinds of calls that change something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    Create,
    Write,
    Length,
    Name,
    Attribute,
    Sync,
}

impl Call {
    fn errors(self) -> &'static [Errno] {
        match self {
            Self::Create | Self::Write => &[Errno::NOSPC, Errno::IO, Errno::DQUOT],
            Self::Length | Self::Name => &[Errno::IO, Errno::NOSPC],
            Self::Attribute | Self::Sync => &[Errno::IO],
        }
    }
}

/// A disk with one tree of files.
#[derive(Debug)]
pub struct Disk {
    file_system: FileSystem,
    random: Random,
    top: PathBuf,
    device: u64,
    nodes: BTreeMap<NodeId, Node>,
    /// The node of each real inode.
    numbers: HashMap<u64, NodeId>,
    /// Numbers of files that are gone, with their real inodes, which may be open still.
    free: Vec<(NodeId, u64)>,
    next_number: NodeId,
    /// Nodes whose names or attributes are not on the disk.
    changed: BTreeSet<NodeId>,
    /// When it was made, by the machine's clocks.
    began: (Instant, SystemTime),
    /// The time since then by its own clock.
    clock: Duration,
    made: u64,
    calls: u64,
    failed: u64,
    /// One call in so many fails; 0 for none.
    fail_one_in: usize,
    /// The call before which the power is cut.
    cut_at: Option<u64>,
    /// What the power cut has left.
    image: Option<Image>,
    is_detached: bool,
}

impl Disk {
    /// A disk with the files that are at `top`, all of which are on the disk.
    pub fn new(top: &Path, file_system: FileSystem, seed: u64) -> io::Result<Self> {
        let mut disk = Self {
            file_system,
            random: Random::new(seed),
            top: top.to_owned(),
            device: top.metadata()?.dev(),
            nodes: BTreeMap::new(),
            numbers: HashMap::new(),
            free: Vec::new(),
            next_number: FIRST_NUMBER,
            changed: BTreeSet::new(),
            began: (Instant::now(), SystemTime::now()),
            clock: Duration::ZERO,
            made: 0,
            calls: 0,
            failed: 0,
            fail_one_in: 0,
            cut_at: None,
            image: None,
            is_detached: false,
        };
        disk.take_over(top)?;
        Ok(disk)
    }

    /// The time of its clock, which stands still but for [`Self::advance`].
    pub fn now(&self) -> Instant {
        self.began.0 + self.clock
    }

    pub(super) fn system_now(&self) -> SystemTime {
        self.began.1 + self.clock
    }

    pub fn advance(&mut self, time: Duration) {
        self.clock += time;
    }

    /// Lets one call in `times` fail, none where that is 0.
    pub fn fail_one_in(&mut self, times: usize) {
        self.fail_one_in = times;
    }

    /// Calls that have failed so far.
    pub fn failed(&self) -> u64 {
        self.failed
    }

    /// Calls so far that change something.
    pub fn calls(&self) -> u64 {
        self.calls
    }

    /// Cuts the power before the call after `calls` more calls.
    pub fn cut_after(&mut self, calls: u64) {
        self.cut_at = Some(self.calls + calls);
    }

    /// Cuts the power now.
    pub fn cut(&mut self) {
        if self.image.is_none() {
            self.image = Some(self.make_image());
        }
    }

    /// Whether the power is cut. What is done after that, is not on the disk.
    pub fn is_cut(&self) -> bool {
        self.image.is_some()
    }

    /// From now on all calls fail, as for a process that is gone.
    pub fn detach(&mut self) {
        self.is_detached = true;
    }

    /// Ends [`Self::detach`].
    pub fn attach(&mut self) {
        self.is_detached = false;
    }

    /// Puts what the power cut has left in place of the files at the top, as after the next start.
    pub fn restart(&mut self) -> io::Result<()> {
        let image = match self.image.take() {
            Some(image) => image,
            None => self.make_image(),
        };
        std::fs::remove_dir_all(&self.top)?;
        let root = self.root();
        let made = image.write(&self.top, root)?;
        self.nodes = image.into_nodes();
        self.numbers = made.into_iter().collect();
        for (_, inode) in &mut self.free {
            *inode = 0;
        }
        let nodes = &self.nodes;
        self.free.retain(|(number, _)| !nodes.contains_key(number));
        self.changed.clear();
        self.cut_at = None;
        Ok(())
    }

    /// Complains where the model is not what the kernel has.
    pub fn check(&self) -> Result<(), String> {
        let real = read_tree(&self.top).map_err(|error| error.to_string())?;
        let mut modelled = BTreeMap::new();
        self.collect(self.root(), &mut PathBuf::new(), &mut modelled);
        for (path, bytes) in &modelled {
            if real.get(path) != Some(bytes) {
                let len = |bytes: Option<&Option<Vec<u8>>>| {
                    bytes.and_then(|bytes| bytes.as_ref().map(Vec::len))
                };
                let (real, modelled) = (len(real.get(path)), len(Some(bytes)));
                let path = path.display();
                return Err(format!(
                    "{path}: {real:?} bytes, and {modelled:?} as modelled"
                ));
            }
        }
        match real.keys().find(|path| !modelled.contains_key(*path)) {
            Some(path) => Err(format!("{} is not modelled", path.display())),
            None => Ok(()),
        }
    }

    fn collect(
        &self,
        id: NodeId,
        at: &mut PathBuf,
        found: &mut BTreeMap<PathBuf, Option<Vec<u8>>>,
    ) {
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt;
        let Some(node) = self.nodes.get(&id) else {
            return;
        };
        match &node.now.content {
            Content::File(bytes) => {
                found.insert(at.clone(), Some(bytes.clone()));
            }
            Content::Directory(names) => {
                found.insert(at.clone(), None);
                for (name, child) in names {
                    at.push(OsStr::from_bytes(name));
                    self.collect(*child, at, found);
                    at.pop();
                }
            }
        }
    }

    fn root(&self) -> NodeId {
        FIRST_NUMBER
    }

    /// Takes the files that are at `top` for those of the disk.
    fn take_over(&mut self, top: &Path) -> io::Result<()> {
        let (nodes, numbers) = Image::read(top, FIRST_NUMBER)?;
        self.next_number = FIRST_NUMBER + nodes.len() as u64;
        self.nodes = nodes;
        self.numbers = numbers;
        Ok(())
    }

    fn make_image(&mut self) -> Image {
        let ids: Vec<_> = self.nodes.keys().copied().collect();
        for id in ids {
            self.write_back(id);
        }
        Image::of(&self.nodes, self.root())
    }

    fn write_back(&mut self, id: NodeId) {
        if let Some(node) = self.nodes.get_mut(&id) {
            node.write_back(&mut self.random);
        }
    }

    pub(super) fn file_system(&self) -> FileSystem {
        self.file_system
    }

    pub(super) fn device(&self) -> u64 {
        self.device
    }

    pub(super) fn number_of(&self, inode: u64) -> Option<NodeId> {
        self.numbers.get(&inode).copied()
    }

    pub(super) fn born(&self, id: NodeId) -> Option<u64> {
        Some(self.nodes.get(&id)?.born)
    }

    /// Begins a call: the power may be cut before it, and it may fail.
    pub(super) fn begin(&mut self, call: Call) -> Result<(), Errno> {
        if self.is_detached {
            return Err(Errno::IO);
        }
        if self.is_cut() {
            return Ok(());
        }
        if self.cut_at == Some(self.calls) {
            log::trace!("the power is cut before {call:?}");
            self.image = Some(self.make_image());
            return Ok(());
        }
        self.calls += 1;
        if self.random.one_in(WRITE_BACK_ONE_IN) {
            let ids: Vec<_> = self.nodes.keys().copied().collect();
            let chosen = ids[self.random.below(ids.len())];
            self.write_back(chosen);
        }
        if self.random.one_in(COMMIT_ONE_IN) {
            self.commit();
        }
        if self.fail_one_in > 0 && self.random.one_in(self.fail_one_in) {
            self.failed += 1;
            let errors = call.errors();
            let error = errors[self.random.below(errors.len())];
            log::trace!("{call:?} fails: {error}");
            return Err(error);
        }
        Ok(())
    }

    pub(super) fn note_made(&mut self, folder: NodeId, name: &[u8], inode: u64, now: State) {
        let id = self.new_number();
        log::trace!("{id:x} is made as {folder:x}/{}", shown(name));
        self.made += 1;
        let born = self.clock.as_nanos() as u64 + self.made;
        self.nodes.insert(id, Node::new(born, now));
        self.numbers.insert(inode, id);
        self.changed.insert(id);
        self.add_name(folder, name, id);
    }

    pub(super) fn note_linked(&mut self, folder: NodeId, name: &[u8], id: NodeId) {
        self.changed.insert(id);
        self.add_name(folder, name, id);
    }

    pub(super) fn note_removed(&mut self, folder: NodeId, name: &[u8]) {
        log::trace!("{folder:x}/{} is removed", shown(name));
        let Some(node) = self.nodes.get_mut(&folder) else {
            return;
        };
        let Some(id) = node.now.names().remove(name) else {
            return;
        };
        self.changed.insert(folder);
        self.changed.insert(id);
        if let Some(node) = self.nodes.get_mut(&id) {
            node.names
                .retain(|(at, called)| (*at, called.as_slice()) != (folder, name));
        }
    }

    pub(super) fn note_renamed(&mut self, from: (NodeId, &[u8]), to: (NodeId, &[u8])) {
        let Some(node) = self.nodes.get_mut(&from.0) else {
            return;
        };
        let Some(id) = node.now.names().get(from.1).copied() else {
            log::error!("{:x}/{} is not modelled", from.0, shown(from.1));
            return;
        };
        log::trace!("{id:x} is renamed to {:x}/{}", to.0, shown(to.1));
        self.note_removed(from.0, from.1);
        self.note_removed(to.0, to.1);
        self.add_name(to.0, to.1, id);
    }

    fn add_name(&mut self, folder: NodeId, name: &[u8], id: NodeId) {
        if let Some(node) = self.nodes.get_mut(&folder) {
            node.now.names().insert(name.to_vec(), id);
            self.changed.insert(folder);
        }
        if let Some(node) = self.nodes.get_mut(&id) {
            node.names.push((folder, name.to_vec()));
        }
    }

    /// Lets `change` change a node, whose time of modification is `modified` afterwards.
    pub(super) fn change(&mut self, id: NodeId, change: impl FnOnce(&mut Node)) {
        if let Some(node) = self.nodes.get_mut(&id) {
            change(node);
            self.changed.insert(id);
        }
    }

    /// fsync(2) or fdatasync(2) of a node.
    pub(super) fn sync(&mut self, id: NodeId) {
        log::trace!("{id:x} is synced");
        match self.file_system {
            FileSystem::Ext4 | FileSystem::Xfs => {
                self.settle(id);
                self.commit();
            }
            FileSystem::Btrfs => self.sync_alone(id),
        }
    }

    /// The bytes that were not written are lost, and no later call tells.
    pub(super) fn fail_sync(&mut self, id: NodeId) {
        if let Some(node) = self.nodes.get_mut(&id) {
            node.lose_unwritten();
        }
    }

    /// syncfs(2).
    pub(super) fn sync_all(&mut self) {
        let ids: Vec<_> = self.nodes.keys().copied().collect();
        ids.into_iter().for_each(|id| self.settle(id));
        self.commit();
    }

    fn settle(&mut self, id: NodeId) {
        if let Some(node) = self.nodes.get_mut(&id) {
            node.settle();
        }
    }

    /// All names, attributes and lengths reach the disk.
    fn commit(&mut self) {
        for id in std::mem::take(&mut self.changed) {
            let Some(node) = self.nodes.get_mut(&id) else {
                continue;
            };
            if id != FIRST_NUMBER && node.names.is_empty() {
                self.forget(id);
                continue;
            }
            match (self.file_system, &node.now.content) {
                // It commits bytes and names together.
                (FileSystem::Btrfs, Content::File(_)) => node.settle(),
                _ => node.commit(),
            }
        }
    }

    /// A file without names is gone from the disk, and open handles do not bring it back.
    fn forget(&mut self, id: NodeId) {
        self.nodes.remove(&id);
        let inode = self.numbers.iter().find(|(_, number)| **number == id);
        if let Some(inode) = inode.map(|(inode, _)| *inode) {
            self.free.push((id, inode));
        }
    }

    fn sync_alone(&mut self, id: NodeId) {
        let Some(node) = self.nodes.get_mut(&id) else {
            return;
        };
        node.settle();
        let names = node.names.clone();
        let children: Vec<NodeId> = match &node.now.content {
            Content::Directory(names) => names.values().copied().collect(),
            Content::File(_) => Vec::new(),
        };
        for child in children {
            if let Some(node) = self.nodes.get_mut(&child) {
                node.make_known();
            }
            self.forget_other_places(child, id);
        }
        for (folder, name) in names {
            self.make_name_durable(folder, &name, id);
            self.forget_other_places(id, folder);
        }
    }

    /// A directory never has two places on the disk, as a file may.
    fn forget_other_places(&mut self, id: NodeId, folder: NodeId) {
        let moved = self.nodes.get(&id);
        if moved.is_none_or(|node| matches!(node.now.content, Content::File(_))) {
            return;
        }
        for (other, node) in &mut self.nodes {
            if let Some(durable) = &mut node.durable
                && let Content::Directory(names) = &mut durable.content
                && *other != folder
            {
                names.retain(|_, child| *child != id);
            }
        }
    }

    /// Makes one name durable, and the directories that lead to it.
    fn make_name_durable(&mut self, folder: NodeId, name: &[u8], id: NodeId) {
        let Some(node) = self.nodes.get_mut(&folder) else {
            return;
        };
        let was_known = node.durable.is_some();
        node.make_known().names().insert(name.to_vec(), id);
        let above = match was_known {
            true => Vec::new(),
            false => node.names.clone(),
        };
        for (above, name) in above {
            self.make_name_durable(above, &name, folder);
        }
    }

    /// A number that no file has; sometimes one that a file had which is gone.
    fn new_number(&mut self) -> NodeId {
        if !self.free.is_empty() && self.random.one_in(2) {
            let index = self.random.below(self.free.len());
            let (number, inode) = self.free[index];
            if !is_open(self.device, inode) {
                self.free.swap_remove(index);
                self.numbers.remove(&inode);
                return number;
            }
        }
        self.next_number += 1;
        self.next_number
    }
}

fn shown(name: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(name)
}

/// Whether this process has the inode open.
fn is_open(device: u64, inode: u64) -> bool {
    let Ok(open) = std::fs::read_dir("/proc/self/fd") else {
        return true;
    };
    open.flatten().any(|fd| {
        let found = std::fs::metadata(fd.path());
        found.is_ok_and(|found| (found.dev(), found.ino()) == (device, inode))
    })
}
