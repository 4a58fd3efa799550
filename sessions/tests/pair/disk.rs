//! Simulates the disk: published files, stages, directories, a quota, failures on demand. It checks
//! what may be seen under a name.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use skiff_sessions::digest::Sum;
use skiff_sessions::path::LinkTarget;
use skiff_sessions::rights::{Grant, Permissions};
use skiff_sessions::scram::Verifier;
use skiff_sessions::server::job::DigestUpdate;
use skiff_sessions::wire::reply::{Held, Refusal, Usage};
use skiff_sessions::wire::stamp::Stamp;

/// Absolute, as `VirtualPath` has it.
pub(super) type Path = Vec<u8>;
/// An open file outlives its name.
pub(super) type Content = Rc<RefCell<Vec<u8>>>;

pub(super) const OLD_TIME: Stamp = Stamp(1_767_323_045);

#[derive(Default)]
pub(super) struct Disk {
    pub(super) files: BTreeMap<Path, Published>,
    pub(super) folders: BTreeSet<Path>,
    pub(super) links: BTreeMap<Path, LinkTarget>,
    pub(super) stages: BTreeMap<Path, Vec<u8>>,
    pub(super) writers: BTreeMap<Path, Writer>,
    /// In bytes.
    pub(super) limit: u64,
    /// Posted with each change; `check` counts anew.
    used: u64,
    pub(super) faults: Faults,
    permissions: Option<Permissions>,
    /// Of the account, once its password was changed.
    pub(super) changed: Option<Verifier>,
    /// What a published file may hold.
    whole: BTreeSet<Vec<u8>>,
}

#[derive(Clone)]
pub(super) struct Published {
    pub(super) content: Content,
    pub(super) modified: Stamp,
    /// What it was verified by, and what was read later.
    pub(super) sum: Option<Sum>,
    pub(super) later: Option<Sum>,
}

pub(super) struct Writer {
    pub(super) owner: u32,
    /// Bytes promised and not written yet.
    reserved: u64,
    /// No byte for 5 s: it gives way to the next writer of the user.
    pub(super) silent: bool,
    pub(super) cancelled: bool,
}

/// What goes wrong, and when.
#[derive(Default)]
pub(super) struct Faults {
    /// The next job is refused.
    pub(super) job: Option<Refusal>,
    /// A stage takes no byte from this offset on.
    pub(super) write: Option<(u64, Refusal)>,
    /// A published file gives none from this offset on.
    pub(super) read: Option<(u64, Refusal)>,
}

/// The one file that a session may have open.
pub(super) enum OpenFile {
    Upload { path: Path, owner: u32 },
    Download { path: Path, content: Content },
    Listing { text: Vec<u8>, hidden: u64 },
}

/// What of a disk a run is compared by.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct Seen {
    files: Vec<(String, String, Stamp)>,
    stages: Vec<(String, String)>,
    folders: Vec<String>,
}

impl Disk {
    pub(super) fn new() -> Self {
        let folders = BTreeSet::from([b"/".to_vec(), b"/d".to_vec()]);
        Self {
            limit: 1 << 30,
            folders,
            links: BTreeMap::new(),
            ..Self::default()
        }
    }

    /// A published file, whose digest nobody has computed yet.
    pub(super) fn with(mut self, path: &str, bytes: &[u8]) -> Self {
        self.whole.insert(bytes.to_vec());
        self.used += bytes.len() as u64;
        let content = Rc::new(RefCell::new(bytes.to_vec()));
        let file = Published {
            content,
            modified: OLD_TIME,
            sum: None,
            later: None,
        };
        self.files.insert(path.into(), file);
        self
    }

    pub(super) fn with_later(mut self, path: &str, later: Sum) -> Self {
        self.files.get_mut(path.as_bytes()).unwrap().later = Some(later);
        self
    }

    pub(super) fn with_digest(mut self, path: &str, sum: Sum) -> Self {
        self.files.get_mut(path.as_bytes()).unwrap().sum = Some(sum);
        self
    }

    pub(super) fn with_stage(mut self, path: &str, bytes: &[u8]) -> Self {
        self.used += bytes.len() as u64;
        self.stages.insert(path.into(), bytes.to_vec());
        self
    }

    /// A content that may come to be published.
    pub(super) fn expecting(mut self, bytes: &[u8]) -> Self {
        self.whole.insert(bytes.to_vec());
        self
    }

    pub(super) fn limited(self, limit: u64) -> Self {
        Self { limit, ..self }
    }

    pub(super) fn failing(self, faults: Faults) -> Self {
        Self { faults, ..self }
    }

    pub(super) fn opened_to(self, permissions: impl Into<Permissions>) -> Self {
        Self {
            permissions: Some(permissions.into()),
            ..self
        }
    }

    pub(super) fn permissions(&self) -> Permissions {
        let permissions = self.permissions.clone();
        permissions.unwrap_or_else(|| Grant::ALL.into())
    }

    /// Somebody on the host cuts a file.
    pub(super) fn shrink(&mut self, path: &str, len: usize) {
        let file = self.files.get_mut(path.as_bytes()).unwrap();
        let mut content = file.content.borrow_mut();
        self.used -= (content.len() - len) as u64;
        content.truncate(len);
        self.whole.insert(content.clone());
    }

    pub(super) fn content(&self, path: &str) -> Option<Vec<u8>> {
        Some(self.files.get(path.as_bytes())?.content.borrow().clone())
    }

    pub(super) fn stage(&self, path: &str) -> Option<&[u8]> {
        self.stages.get(path.as_bytes()).map(Vec::as_slice)
    }

    pub(super) fn seen(&self) -> Seen {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let file = |(path, file): (&Path, &Published)| {
            (text(path), text(&file.content.borrow()), file.modified)
        };
        Seen {
            files: self.files.iter().map(file).collect(),
            stages: self
                .stages
                .iter()
                .map(|(path, bytes)| (text(path), text(bytes)))
                .collect(),
            folders: self.folders.iter().map(|path| text(path)).collect(),
        }
    }

    /// Holds at every moment.
    pub(super) fn check(&self) {
        for (path, file) in &self.files {
            let content = file.content.borrow();
            assert!(self.whole.contains(&*content), "{path:?} shows {content:?}");
        }
        assert_eq!(self.used, self.sum(), "the account and the disk");
        assert!(self.used + self.reserved() <= self.limit.max(self.sum()));
    }

    /// Holds where no session has a file open.
    pub(super) fn check_idle(&self) {
        self.check();
        assert!(self.writers.is_empty(), "a writer was left behind");
    }

    pub(super) fn usage(&self) -> Usage {
        let used = self.used + self.reserved();
        Usage {
            limit: self.limit,
            entries_limit: 0,
            held: Some(Held {
                used,
                staged: self.staged(),
                reserved: 0,
                free: self.limit - used,
                entries: (self.files.len() + self.folders.len()) as u64,
            }),
        }
    }

    pub(super) fn sum(&self) -> u64 {
        let files = self
            .files
            .values()
            .map(|file| file.content.borrow().len() as u64);
        files.sum::<u64>() + self.staged()
    }

    fn staged(&self) -> u64 {
        self.stages.values().map(|bytes| bytes.len() as u64).sum()
    }

    fn reserved(&self) -> u64 {
        self.writers.values().map(|writer| writer.reserved).sum()
    }

    /// Makes the name the owner's own, and promises him the room.
    pub(super) fn claim(&mut self, path: &Path, owner: u32, size: u64) -> Result<u64, Refusal> {
        let mut have = self.stages.get(path).map_or(0, Vec::len) as u64;
        if have > size {
            self.cut(path);
            have = 0;
        }
        let needed = size - have;
        let available = self.limit.saturating_sub(self.used + self.reserved());
        if needed > available {
            return Err(Refusal::OverQuota { needed, available });
        }
        let (reserved, silent, cancelled) = (needed, false, false);
        let before = self.writers.insert(
            path.clone(),
            Writer {
                owner,
                reserved,
                silent,
                cancelled,
            },
        );
        assert!(before.is_none(), "one writer per name");
        Ok(have)
    }

    /// Writes to a stage, out of the room that was promised.
    pub(super) fn append(&mut self, path: &Path, bytes: &[u8]) -> Result<(), Refusal> {
        let stage = self.stages.get_mut(path).expect("an upload has its stage");
        let writer = self
            .writers
            .get_mut(path)
            .expect("an upload has its writer");
        if writer.cancelled {
            return Err(Refusal::Busy);
        }
        let (room, why) = match self.faults.write {
            Some((from, why)) => ((from as usize).saturating_sub(stage.len()), why),
            None => (usize::MAX, Refusal::Fault),
        };
        let taken = bytes.len().min(room);
        stage.extend_from_slice(&bytes[..taken]);
        self.used += taken as u64;
        writer.reserved -= taken as u64;
        if taken < bytes.len() {
            Err(why)
        } else {
            Ok(())
        }
    }

    /// Cuts a stage to nothing; who writes it is promised the room again.
    pub(super) fn cut(&mut self, path: &Path) {
        let gone = self
            .stages
            .insert(path.clone(), Vec::new())
            .map_or(0, |bytes| bytes.len() as u64);
        self.used -= gone;
        if let Some(writer) = self.writers.get_mut(path) {
            writer.reserved += gone;
        }
    }

    pub(super) fn drop_stage(&mut self, path: &Path) -> bool {
        let gone = self.stages.remove(path);
        self.used -= gone.as_ref().map_or(0, Vec::len) as u64;
        gone.is_some()
    }

    /// An open file goes as the shell's does when its session has gone.
    pub(super) fn put_away(&mut self, file: OpenFile) {
        if let OpenFile::Upload { path, .. } = file {
            self.writers
                .remove(&path)
                .expect("an upload has its writer");
            if self.stages.get(&path).is_some_and(Vec::is_empty) {
                self.stages.remove(&path);
            }
        }
    }

    pub(super) fn publish(&mut self, path: Path, sum: Sum, modified: Option<Stamp>) -> u64 {
        self.writers
            .remove(&path)
            .expect("an upload has its writer");
        let bytes = self.stages.remove(&path).unwrap_or_default();
        let size = bytes.len() as u64;
        let modified = modified.unwrap_or(OLD_TIME);
        let content = Rc::new(RefCell::new(bytes));
        let old = self.files.insert(
            path,
            Published {
                content,
                modified,
                sum: Some(sum),
                later: None,
            },
        );
        self.used -= old.map_or(0, |old| old.content.borrow().len() as u64);
        size
    }

    pub(super) fn unlink(&mut self, path: &Path) {
        if let Some(old) = self.files.remove(path) {
            self.used -= old.content.borrow().len() as u64;
        }
    }

    pub(super) fn learn(&mut self, path: &Path, news: DigestUpdate) {
        if let Some(file) = self.files.get_mut(path) {
            file.sum = match news {
                DigestUpdate::None => file.sum,
                DigestUpdate::Computed(sum) => Some(sum),
                DigestUpdate::Wrong => None,
            };
        }
    }
}
