//! [`Image`]: what is on a simulated disk at one time, read from and written to a real tree.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use rustix::fs::{XattrFlags, setxattr};

use super::node::{Content, Node, NodeId, State};

/// The durable states of all files that a name leads to.
#[derive(Debug)]
pub(super) struct Image(BTreeMap<NodeId, (u64, State)>);

impl Image {
    pub(super) fn of(nodes: &BTreeMap<NodeId, Node>, root: NodeId) -> Self {
        let mut image = BTreeMap::new();
        let mut reached = vec![root];
        while let Some(id) = reached.pop() {
            let Some(node) = nodes.get(&id) else { continue };
            let Some(state) = &node.durable else { continue };
            if image.insert(id, (node.born, state.clone())).is_none()
                && let Content::Directory(names) = &state.content
            {
                reached.extend(names.values());
            }
        }
        // A name that leads to nothing was never there.
        let there: Vec<_> = image.keys().copied().collect();
        for (_, state) in image.values_mut() {
            if let Content::Directory(names) = &mut state.content {
                names.retain(|_, id| there.binary_search(id).is_ok());
            }
        }
        Self(image)
    }

    /// Writes the image to `top`, where nothing is; gives the number of each new inode.
    pub(super) fn write(&self, top: &Path, root: NodeId) -> io::Result<Vec<(u64, NodeId)>> {
        let mut made = Vec::new();
        self.write_node(top, root, &mut HashMap::new(), &mut made)?;
        Ok(made)
    }

    fn write_node(
        &self,
        at: &Path,
        id: NodeId,
        written: &mut HashMap<NodeId, PathBuf>,
        made: &mut Vec<(u64, NodeId)>,
    ) -> io::Result<()> {
        let Some((_, state)) = self.0.get(&id) else {
            return Ok(());
        };
        match &state.content {
            Content::File(bytes) => {
                if let Some(other) = written.get(&id) {
                    return fs::hard_link(other, at);
                }
                fs::write(at, bytes)?;
                written.insert(id, at.to_owned());
            }
            Content::Directory(names) => {
                fs::create_dir(at)?;
                for (name, child) in names {
                    self.write_node(&at.join(OsStr::from_bytes(name)), *child, written, made)?;
                }
            }
        }
        for (name, value) in &state.extended {
            setxattr(at, name.as_slice(), value, XattrFlags::empty())?;
        }
        fs::set_permissions(at, fs::Permissions::from_mode(state.mode))?;
        let (seconds, nanoseconds) = state.modified;
        let since = Duration::new(seconds.max(0) as u64, nanoseconds as u32);
        fs::File::open(at)?.set_modified(UNIX_EPOCH + since)?;
        made.push((fs::symlink_metadata(at)?.ino(), id));
        Ok(())
    }

    /// The nodes of the image, all of which are on the disk as they are.
    pub(super) fn into_nodes(self) -> BTreeMap<NodeId, Node> {
        let settled = |(id, (born, state))| (id, Node::settled(born, state));
        name_all(self.0.into_iter().map(settled).collect())
    }

    /// The files that are at `top`, numbered from `first`, and the number of each inode.
    #[allow(clippy::type_complexity, reason = "two maps, once")]
    pub(super) fn read(
        top: &Path,
        first: NodeId,
    ) -> io::Result<(BTreeMap<NodeId, Node>, HashMap<u64, NodeId>)> {
        let (mut nodes, mut numbers) = (BTreeMap::new(), HashMap::new());
        read_node(top, first, &mut nodes, &mut numbers)?;
        Ok((name_all(nodes), numbers))
    }
}

fn read_node(
    at: &Path,
    first: NodeId,
    nodes: &mut BTreeMap<NodeId, Node>,
    numbers: &mut HashMap<u64, NodeId>,
) -> io::Result<NodeId> {
    let status = fs::symlink_metadata(at)?;
    if let Some(id) = numbers.get(&status.ino()) {
        return Ok(*id);
    }
    let id = first + numbers.len() as u64;
    numbers.insert(status.ino(), id);
    let content = match status.is_dir() {
        false => Content::File(fs::read(at)?),
        true => {
            let mut names = BTreeMap::new();
            for entry in fs::read_dir(at)? {
                let name = entry?.file_name();
                let child = read_node(&at.join(&name), first, nodes, numbers)?;
                names.insert(name.into_vec(), child);
            }
            Content::Directory(names)
        }
    };
    let state = State {
        mode: status.mode() & 0o7777,
        modified: (status.mtime(), status.mtime_nsec()),
        extended: BTreeMap::new(),
        content,
    };
    nodes.insert(id, Node::settled(id, state));
    Ok(id)
}

/// Tells each node the names that lead to it.
fn name_all(mut nodes: BTreeMap<NodeId, Node>) -> BTreeMap<NodeId, Node> {
    let mut all = Vec::new();
    for (folder, node) in &nodes {
        if let Content::Directory(names) = &node.now.content {
            all.extend(
                names
                    .iter()
                    .map(|(name, id)| (*id, (*folder, name.clone()))),
            );
        }
    }
    for (id, name) in all {
        if let Some(node) = nodes.get_mut(&id) {
            node.names.push(name);
        }
    }
    nodes
}

/// The files at `top` by their paths: the bytes of each, `None` for a directory.
pub(super) fn read_tree(top: &Path) -> io::Result<BTreeMap<PathBuf, Option<Vec<u8>>>> {
    let mut found = BTreeMap::new();
    let mut left = vec![PathBuf::new()];
    while let Some(path) = left.pop() {
        let at = top.join(&path);
        if fs::symlink_metadata(&at)?.is_dir() {
            for entry in fs::read_dir(&at)? {
                left.push(path.join(entry?.file_name()));
            }
            found.insert(path, None);
        } else {
            found.insert(path, Some(fs::read(&at)?));
        }
    }
    Ok(found)
}
