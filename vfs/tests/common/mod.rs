//! A home in a temporary folder, and a count of it that shares nothing with the crate's own.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use rustix::fs::{Gid, Uid, XattrFlags, getxattr, setxattr};
use rustix::process::geteuid;
use rustix::thread::{
    CapabilitySet, capabilities, set_capabilities, set_thread_groups, set_thread_res_gid,
    set_thread_res_uid,
};
use skiff_vfs::{
    Amount, Append, Digest, Digests, Home, Homes, Kept, Limit, Policy, Published, Replace, Start,
    Upload, UploadRequest, UploadStart, VfsError, Worker,
};
use tempfile::TempDir;

pub(crate) const MEBI: u64 = 1 << 20;

/// The extended attribute that is a stage's label.
const LABEL: &str = "user.skiff.stage";

/// Runs a test's body as a worker.
pub(crate) fn on_worker(body: impl FnOnce(&Worker) + Send + 'static) {
    if let Err(panic) = Worker::spawn("test", body).unwrap().join() {
        std::panic::resume_unwind(panic);
    }
}

/// From now on this thread is held to the permissions of files, as a daemon that is not root.
pub(crate) fn give_up_override() {
    let mut sets = capabilities(None).unwrap();
    sets.effective -= CapabilitySet::DAC_OVERRIDE | CapabilitySet::DAC_READ_SEARCH;
    set_capabilities(None, sets).unwrap();
}

/// Makes this thread one of an ordinary user, who owns all below `folder`, if it is one of root,
/// whom no permission stops.
pub(crate) fn become_ordinary(folder: &Path) {
    const NOBODY: u32 = 65_534;
    if !geteuid().is_root() {
        return;
    }
    give(folder, NOBODY);
    let (user, group) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
    set_thread_groups(&[]).unwrap();
    set_thread_res_gid(group, group, group).unwrap();
    set_thread_res_uid(user, user, user).unwrap();
}

fn give(path: &Path, user: u32) {
    chown(path, Some(user), Some(user)).unwrap();
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            give(&entry.unwrap().path(), user);
        }
    }
}

/// A folder that holds a home's root, the state folder, and room for things outside the home.
pub(crate) struct World {
    pub(crate) folder: TempDir,
    pub(crate) policy: Policy,
    pub(crate) limit: Limit,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::within(&std::env::temp_dir())
    }

    pub(crate) fn within(place: &Path) -> Self {
        let folder = tempfile::tempdir_in(place).unwrap();
        fs::create_dir(folder.path().join("home")).unwrap();
        fs::create_dir(folder.path().join("state")).unwrap();
        let policy = Policy {
            free_space_floor: 0,
            ..Policy::default()
        };
        Self {
            folder,
            policy,
            limit: Limit::new(100 * MEBI, 1000),
        }
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    pub(crate) fn at(&self, path: &str) -> PathBuf {
        self.root().join(path)
    }

    pub(crate) fn homes(&self) -> Homes {
        Homes::new(self.folder.path().join("state"), self.policy.clone())
    }

    pub(crate) fn open(&self, worker: &Worker) -> Arc<Home> {
        let home = self
            .homes()
            .open(worker, "tom", &self.root(), self.limit)
            .unwrap();
        if home.needs_scan() {
            home.scan(worker).unwrap();
        }
        home
    }

    /// Counts published files and stages the plain way.
    pub(crate) fn count(&self, home: &Home, worker: &Worker) -> Amount {
        let mut names = BTreeMap::new();
        walk(&self.root(), &self.root(), &mut names);
        let stages = home.stages(worker).unwrap();
        let staged: u64 = stages.iter().map(|stage| stage.size).sum();
        Amount::new(
            names.values().sum::<u64>() + staged,
            (names.len() + stages.len()) as u64,
        )
    }

    /// Fails unless the ledger, a fresh scan and a plain count agree and nothing is reserved.
    pub(crate) fn check(&self, home: &Arc<Home>, worker: &Worker) {
        let usage = home.usage();
        assert_eq!(usage.reserved, Amount::ZERO, "something is still reserved");
        assert_eq!(
            usage.used,
            self.count(home, worker),
            "ledger against a plain count"
        );
        assert_eq!(
            home.scan(worker).unwrap().used,
            usage.used,
            "ledger against a scan"
        );
        assert!(!home.needs_scan(), "nothing has drifted");
    }
}

fn walk(root: &Path, folder: &Path, names: &mut BTreeMap<PathBuf, u64>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path == root.join(".skiff-stage") {
            continue;
        }
        let meta = fs::symlink_metadata(&path).unwrap();
        let bytes = if meta.is_file() { meta.size() } else { 0 };
        names.insert(path.strip_prefix(root).unwrap().to_owned(), bytes);
        if meta.is_dir() {
            walk(root, &path, names);
        }
    }
}

pub(crate) fn request(size: impl Into<Option<u64>>, replace: Replace) -> UploadRequest {
    UploadRequest {
        size: size.into(),
        start: Start::Stage,
        replace,
        append: match replace {
            Replace::Never => Append::Never,
            Replace::Existing => Append::Allowed,
        },
        keep: Kept::Whole,
        owner: 7,
    }
}

pub(crate) fn start(
    home: &Arc<Home>,
    worker: &Worker,
    path: &str,
    size: impl Into<Option<u64>>,
) -> Result<Upload, VfsError> {
    match home.upload(worker, Path::new(path), &request(size, Replace::Existing))? {
        UploadStart::Open(upload) => Ok(upload),
        UploadStart::Complete { .. } => panic!("{path} is complete already"),
    }
}

/// Begins an upload of an unknown size that goes on at `start`.
pub(crate) fn begin(
    home: &Arc<Home>,
    worker: &Worker,
    path: &str,
    start: Start,
) -> Result<Upload, VfsError> {
    let request = UploadRequest {
        start,
        keep: Kept::ButLastByte,
        ..request(None, Replace::Existing)
    };
    match home.upload(worker, Path::new(path), &request)? {
        UploadStart::Open(upload) => Ok(upload),
        UploadStart::Complete { .. } => panic!("{path} is complete already"),
    }
}

/// The file on the disk that is the stage of `path`, by its label.
pub(crate) fn stage_file(world: &World, path: &str) -> Option<PathBuf> {
    let stages = fs::read_dir(world.at(".skiff-stage")).ok()?;
    let mut stages = stages.map(|stage| stage.unwrap().path());
    stages.find(|stage| label_of(stage).is_some_and(|(_, labelled)| labelled == path))
}

/// What the label of a stage says: how many bytes are synced, and its target's path.
pub(crate) fn label_of(stage: &Path) -> Option<(u64, String)> {
    let label = String::from_utf8(raw_label(stage)?).unwrap();
    let parts: Vec<_> = label.splitn(4, ' ').collect();
    Some((parts[1].parse().unwrap(), parts[3].to_owned()))
}

fn raw_label(stage: &Path) -> Option<Vec<u8>> {
    let mut label = [0; 512];
    let length = getxattr(stage, LABEL, &mut label).ok()?;
    Some(label[..length].to_vec())
}

/// A stage as it is on the disk at some time.
pub(crate) struct StageNow {
    pub(crate) path: PathBuf,
    pub(crate) content: Vec<u8>,
    pub(crate) permissions: fs::Permissions,
    pub(crate) label: Vec<u8>,
}

impl StageNow {
    pub(crate) fn of(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            content: fs::read(path).unwrap(),
            permissions: fs::metadata(path).unwrap().permissions(),
            label: raw_label(path).unwrap(),
        }
    }

    /// Undoes what has become of it since.
    pub(crate) fn put_back(&self) {
        fs::write(&self.path, &self.content).unwrap();
        fs::set_permissions(&self.path, self.permissions.clone()).unwrap();
        setxattr(&self.path, LABEL, &self.label, XattrFlags::empty()).unwrap();
    }
}

/// All stages, which have their labels, as they are now: while an upload runs, its home is locked.
pub(crate) fn stages_now(world: &World) -> Vec<StageNow> {
    let entries = fs::read_dir(world.at(".skiff-stage")).unwrap();
    entries
        .map(|entry| StageNow::of(&entry.unwrap().path()))
        .collect()
}

/// The stage of `path` as it lies on the disk: its content and when it was written.
pub(crate) fn stage_of(world: &World, path: &str) -> Option<(Vec<u8>, SystemTime)> {
    let stage = stage_file(world, path)?;
    let modified = fs::metadata(&stage).unwrap().modified().unwrap();
    Some((fs::read(stage).unwrap(), modified))
}

/// Puts a whole file, in place of any other.
pub(crate) fn put(
    home: &Arc<Home>,
    worker: &Worker,
    path: &str,
    content: &[u8],
) -> Result<Published, VfsError> {
    let mut upload = start(home, worker, path, content.len() as u64)?;
    upload.restart(worker)?;
    upload.write(worker, content)?;
    upload.publish(worker, Some(digest(content)), None)
}

/// Leaves an interrupted upload of a client that compares digests: all that came.
pub(crate) fn leave(home: &Arc<Home>, worker: &Worker, path: &str, content: &[u8]) {
    let mut upload = start(home, worker, path, None).unwrap();
    upload.restart(worker).unwrap();
    upload.write(worker, content).unwrap();
    upload.suspend(worker);
}

/// Leaves `kept` of the interrupted upload of a client that resumes by size.
pub(crate) fn leave_cut(home: &Arc<Home>, worker: &Worker, path: &str, kept: &[u8]) {
    let mut upload = begin(home, worker, path, Start::Offset(0)).unwrap();
    upload.write(worker, kept).unwrap();
    upload.write(worker, b"!").unwrap();
    upload.suspend(worker);
}

/// Stand-ins: nothing here verifies digests.
pub(crate) fn digest(content: &[u8]) -> Digest {
    Digest::Sha256([content.len() as u8 ^ content.first().copied().unwrap_or(0); 32])
}

/// What is remembered of an upload.
pub(crate) fn digests(content: &[u8]) -> Digests {
    digest(content).into()
}

pub(crate) fn names(home: &Arc<Home>, worker: &Worker, path: &str) -> Vec<String> {
    let mut listing = home.list(worker, Path::new(path)).unwrap();
    let mut names = Vec::new();
    while let Some(entry) = listing.next(worker).unwrap() {
        names.push(entry.name.to_string_lossy().into_owned());
    }
    names.sort();
    names
}

/// A small generator (xorshift64*), so that every failure can be had again by its seed.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % n
    }

    pub(crate) fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len() as u64) as usize]
    }
}
