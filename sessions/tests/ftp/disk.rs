//! Simulates the disk: published files, stages, directories, a quota, failures on demand. Uploads
//! resume as the daemon's do.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use skiff_sessions::rights::{Grant, Permissions};
use skiff_sessions::server::Terms;
use skiff_sessions::server::job::{KeptBecause, StreamStart};
use skiff_sessions::wire::reply::Refusal;
use skiff_sessions::wire::stamp::Stamp;

use super::file::{OpenFile, Pending, Target, Upload};

/// Absolute, as `VirtualPath` has it.
pub(super) type Path = Vec<u8>;
/// An open file outlives its name.
pub(super) type Content = Rc<RefCell<Vec<u8>>>;

/// 2026-01-02 03:04:05.
pub(super) const OLD_TIME: Stamp = Stamp(1_767_323_045);

#[derive(Clone)]
pub(super) struct Published {
    pub(super) content: Content,
    pub(super) modified: Stamp,
    /// The ctime in seconds.
    pub(super) changed: i64,
    pub(super) mode: u32,
}

pub(super) struct Disk {
    pub(super) files: BTreeMap<Path, Published>,
    pub(super) folders: BTreeSet<Path>,
    pub(super) links: BTreeSet<Path>,
    pub(super) stages: BTreeMap<Path, Vec<u8>>,
    pub(super) writers: BTreeSet<Path>,
    /// In bytes.
    pub(super) limit: u64,
    pub(super) terms: Terms,
    pub(super) faults: Faults,
    /// Why uploads were kept instead of published.
    pub(super) interrupted: Vec<KeptBecause>,
    /// How long the client of an upload in clear is watched before it is published.
    pub(super) grace: Duration,
}

/// What goes wrong, and when.
#[derive(Default)]
pub(super) struct Faults {
    /// The next job in the home is refused.
    pub(super) job: Option<Refusal>,
    /// The home is not opened.
    pub(super) home: Option<Refusal>,
    /// The home is still being counted.
    pub(super) counting: Option<Counting>,
    /// An upload takes no byte from this offset on.
    pub(super) write: Option<(u64, Refusal)>,
    /// A published file gives none from this offset on.
    pub(super) read: Option<(u64, Refusal)>,
}

/// A home whose use nobody knows yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counting;

/// What of a disk a run is compared by.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Seen {
    files: Vec<(String, String, Stamp, u32)>,
    stages: Vec<(String, String)>,
    folders: Vec<String>,
}

/// The stage that is kept where these bytes came.
pub(super) fn kept(came: &[u8]) -> Option<&[u8]> {
    came.split_last().map(|(_, before)| before)
}

impl Disk {
    pub(super) fn new() -> Self {
        Self {
            files: BTreeMap::new(),
            folders: BTreeSet::from([b"/".to_vec(), b"/d".to_vec()]),
            links: BTreeSet::new(),
            stages: BTreeMap::new(),
            writers: BTreeSet::new(),
            limit: 1 << 30,
            terms: Permissions::from(Grant::ALL).into(),
            faults: Faults::default(),
            interrupted: Vec::new(),
            grace: Duration::ZERO,
        }
    }

    pub(super) fn with(mut self, path: &str, bytes: &[u8]) -> Self {
        self.put(path.into(), bytes.to_vec());
        self
    }

    pub(super) fn with_stage(mut self, path: &str, bytes: &[u8]) -> Self {
        self.stages.insert(path.into(), bytes.to_vec());
        self
    }

    pub(super) fn content(&self, path: &str) -> Option<Vec<u8>> {
        Some(self.files.get(path.as_bytes())?.content.borrow().clone())
    }

    pub(super) fn stage(&self, path: &str) -> Option<&[u8]> {
        self.stages.get(path.as_bytes()).map(Vec::as_slice)
    }

    pub(super) fn seen(&self) -> Seen {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let files = self.files.iter().map(|(path, file)| {
            let content = text(&file.content.borrow());
            (text(path), content, file.modified, file.mode)
        });
        let stages = self.stages.iter();
        Seen {
            files: files.collect(),
            stages: stages
                .map(|(path, bytes)| (text(path), text(bytes)))
                .collect(),
            folders: self.folders.iter().map(|path| text(path)).collect(),
        }
    }

    /// The sum over names of the larger of what is published and staged.
    pub(super) fn used(&self) -> u64 {
        let names: BTreeSet<&Path> = self.files.keys().chain(self.stages.keys()).collect();
        names.into_iter().map(|name| self.charge(name)).sum()
    }

    fn charge(&self, path: &Path) -> u64 {
        self.published(path)
            .unwrap_or(0)
            .max(self.staged(path).unwrap_or(0)) as u64
    }

    pub(super) fn published(&self, path: &Path) -> Option<usize> {
        self.files.get(path).map(|file| file.content.borrow().len())
    }

    pub(super) fn staged(&self, path: &Path) -> Option<usize> {
        self.stages.get(path).map(Vec::len)
    }

    fn put(&mut self, path: Path, bytes: Vec<u8>) {
        let content = Rc::new(RefCell::new(bytes));
        let (modified, mode) = (OLD_TIME, 0o644);
        self.files.insert(
            path,
            Published {
                content,
                modified,
                changed: 0,
                mode,
            },
        );
    }

    /// What FTP's clients see of a name decides where an upload of it goes on.
    pub(super) fn begin_upload(
        &mut self,
        path: Path,
        size: Option<u64>,
        start: StreamStart,
    ) -> Result<Upload, Refusal> {
        let (published, staged) = (self.published(&path), self.staged(&path));
        let (target, pending) = match (start, published, staged) {
            (StreamStart::End, Some(was), _) => (Target::InPlace { was }, Some(Pending::Append)),
            (StreamStart::End, None, Some(staged)) => (Target::Stage, Some(Pending::Cut(staged))),
            (StreamStart::End | StreamStart::Offset(0), _, None) => (Target::Stage, None),
            (StreamStart::Offset(at), _, Some(staged)) if at <= staged as u64 => {
                (Target::Stage, Some(Pending::Cut(at as usize)))
            }
            (StreamStart::Offset(at), Some(was), None) if at == was as u64 => {
                (Target::InPlace { was }, Some(Pending::Append))
            }
            (StreamStart::Offset(at), Some(size), None) if at < size as u64 => {
                (Target::Stage, Some(Pending::Copy(at as usize)))
            }
            (StreamStart::Offset(offset), _, _) => {
                let size = staged.or(published).unwrap_or(0) as u64;
                return Err(Refusal::BadOffset { offset, size });
            }
        };
        let needed = size.unwrap_or(0).saturating_sub(self.charge(&path));
        let available = self.limit.saturating_sub(self.used());
        if needed > available {
            return Err(Refusal::OverQuota { needed, available });
        }
        if target == Target::Stage {
            self.stages.entry(path.clone()).or_default();
        }
        self.writers.insert(path.clone());
        Ok(Upload {
            path,
            target,
            pending,
            came: 0,
        })
    }

    /// Before the first byte.
    pub(super) fn prepare(&mut self, upload: &mut Upload) {
        let path = &upload.path;
        match upload.pending.take() {
            Some(Pending::Cut(at)) => self.stages.get_mut(path).unwrap().truncate(at),
            Some(Pending::Copy(bytes)) => {
                let part = self.files[path].content.borrow()[..bytes].to_vec();
                self.stages.insert(path.clone(), part);
            }
            Some(Pending::Append) | None => {}
        }
    }

    /// As many bytes as there is room for.
    pub(super) fn append(&mut self, upload: &mut Upload, bytes: &[u8]) -> Result<(), Refusal> {
        let kept = self.position(upload);
        assert!(upload.pending.is_none() || kept == 0, "{kept} bytes kept");
        self.prepare(upload);
        for &byte in bytes {
            let len = self.len(upload) as u64;
            if let Some((from, why)) = self.faults.write
                && len >= from
            {
                return Err(why);
            }
            let grows = len >= self.charge(&upload.path);
            if grows && self.used() >= self.limit {
                let (needed, available) = (1, 0);
                return Err(Refusal::OverQuota { needed, available });
            }
            match upload.target {
                Target::Stage => self.stages.get_mut(&upload.path).unwrap().push(byte),
                Target::InPlace { .. } => self.files[&upload.path].content.borrow_mut().push(byte),
            }
            upload.came += 1;
        }
        Ok(())
    }

    pub(super) fn position(&self, upload: &Upload) -> u64 {
        match upload.pending {
            Some(Pending::Cut(at) | Pending::Copy(at)) => at as u64,
            Some(Pending::Append) | None => self.len(upload) as u64,
        }
    }

    fn len(&self, upload: &Upload) -> usize {
        match upload.target {
            Target::Stage => self.staged(&upload.path).unwrap(),
            Target::InPlace { .. } => self.published(&upload.path).unwrap(),
        }
    }

    pub(super) fn publish(&mut self, mut upload: Upload) -> u64 {
        self.prepare(&mut upload);
        assert!(self.writers.remove(&upload.path), "it has its writer");
        let size = self.len(&upload) as u64;
        if upload.target == Target::Stage {
            let bytes = self.stages.remove(&upload.path).unwrap();
            self.put(upload.path, bytes);
        }
        size
    }

    /// An upload ends and leaves nothing.
    pub(super) fn discard(&mut self, upload: Upload) {
        let path = upload.path.clone();
        let untouched = matches!(upload.pending, Some(Pending::Cut(_)));
        let is_staged = upload.target == Target::Stage && !untouched;
        self.put_away(OpenFile::Upload(upload));
        if is_staged {
            self.stages.remove(&path);
        }
    }

    /// A file that was open is not any more; an upload's part stays, without its last byte.
    pub(super) fn put_away(&mut self, file: OpenFile) {
        let OpenFile::Upload(upload) = file else {
            return;
        };
        assert!(self.writers.remove(&upload.path), "it has its writer");
        match (&upload.pending, upload.target) {
            (Some(Pending::Cut(_) | Pending::Append), _) => {}
            (None, Target::InPlace { was }) => {
                self.files[&upload.path].content.borrow_mut().truncate(was);
            }
            _ => {
                let stage = self.stages.get_mut(&upload.path).unwrap();
                stage.truncate(stage.len() - upload.came.min(1));
                if stage.is_empty() {
                    self.stages.remove(&upload.path);
                }
            }
        }
    }
}
