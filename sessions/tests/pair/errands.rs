//! Does the session's jobs on the simulated disk, as the daemon's workers do on a real one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use skiff_sessions::path::{LinkTarget, VirtualPath};
use skiff_sessions::rights::Right;
use skiff_sessions::scram::{Binding, Verifier, check_change};
use skiff_sessions::server::job::{ChangeTime, Remembered};
use skiff_sessions::server::{Completion, DownloadFacts, Job, JobId, Standing};
use skiff_sessions::wire::command::{PasswordChange, Replace};
use skiff_sessions::wire::native::facts::push_entry;
use skiff_sessions::wire::reply::{Facts, Kind, Refusal};

use super::disk::{Disk, OLD_TIME, OpenFile, Path};
use super::known::verifier;

/// How long an order waits for another writer to go.
const PATIENCE: Duration = Duration::from_secs(10);

/// A job with the file that it closes or changes.
pub(super) struct Order {
    pub(super) id: JobId,
    pub(super) job: Job,
    pub(super) file: Option<OpenFile>,
    pub(super) since: Instant,
    pub(super) owner: u32,
}

pub(super) enum Performed {
    Done(Completion, Option<OpenFile>),
    /// Another writer is in the way, and may be gone soon.
    Later(Order),
}

type Answer = Result<(Completion, Option<OpenFile>), Refusal>;

pub(super) fn takes_file(job: &Job) -> bool {
    matches!(
        job,
        Job::Restart
            | Job::Publish { .. }
            | Job::Suspend { .. }
            | Job::Discard
            | Job::CloseFile { .. }
    )
}

impl Disk {
    pub(super) fn perform(&mut self, now: Instant, mut order: Order) -> Performed {
        if takes_file(&order.job) {
            let file = order.file.take();
            let (completion, file) = self.on_file(&order.job, file);
            return Performed::Done(completion, file);
        }
        if let Some(why) = self.faults.job.take() {
            return Performed::Done(Completion::Refused(why), None);
        }
        match self.in_home(&order.job, order.owner) {
            Ok((completion, file)) => Performed::Done(completion, file),
            Err(Refusal::Busy) if self.may_pass(&order) && now - order.since < PATIENCE => {
                Performed::Later(order)
            }
            Err(why) => Performed::Done(Completion::Refused(why), None),
        }
    }

    /// Its own last upload is being put away, or a silent one is asked to go.
    fn may_pass(&mut self, order: &Order) -> bool {
        let Job::OpenUpload { path, .. } = &order.job else {
            return false;
        };
        let Some(writer) = self.writers.get_mut(path.as_bytes()) else {
            return false;
        };
        if writer.owner != order.owner && writer.silent {
            writer.cancelled = true;
        }
        writer.owner == order.owner || writer.cancelled
    }

    fn in_home(&mut self, job: &Job, owner: u32) -> Answer {
        let done = Ok((Completion::Done, None));
        match job {
            Job::FindAccount { user } => Ok((self.account(user), None)),
            Job::OpenHome => Ok((
                Completion::HomeOpen(Arc::new(self.permissions().into())),
                None,
            )),
            Job::SetPassword { change, binding } => self.set_password(change, binding).and(done),
            Job::ChangeDirectory { to } => self.folder(key(to)).and(done),
            Job::Facts { path } => Ok((Completion::Facts(self.facts(&key(path))?), None)),
            Job::SetAttributes {
                path,
                modified,
                mode: _,
            } => {
                let facts = self.facts(&key(path))?;
                if let (Some(file), Some(modified)) = (self.files.get_mut(&key(path)), modified) {
                    file.modified = *modified;
                }
                let modified = modified.unwrap_or(facts.modified);
                Ok((Completion::Facts(Facts { modified, ..facts }), None))
            }
            Job::Usage => Ok((Completion::Usage(self.usage()), None)),
            Job::MakeDirectory { path } => self.make_folder(key(path)).and(done),
            Job::MakeLink { path, target } => self.make_link(key(path), target.clone()).and(done),
            Job::ReadLink { path } => match self.links.get(&key(path)) {
                Some(target) => Ok((Completion::LinkTarget(target.clone()), None)),
                None => self.facts(&key(path)).and(Err(Refusal::NotALink)),
            },
            Job::Remove { path } => self.remove(&key(path)).and(done),
            Job::RemoveFile { .. } | Job::RemoveDirectory { .. } => {
                self.remove_of_kind(job).and(done)
            }
            Job::CheckSource { path } => self.facts(&key(path)).and(done),
            Job::Rename { from, to } => self.rename(&key(from), key(to)).and(done),
            Job::RenameOver { from, to } => {
                self.facts(&key(from))?;
                self.unlink(&key(to));
                self.rename(&key(from), key(to)).and(done)
            }
            Job::DropStage { path } => {
                self.idle(&key(path))?;
                if self.drop_stage(&key(path)) {
                    done
                } else {
                    Err(Refusal::NotFound)
                }
            }
            Job::OpenListing(request) => {
                let path = &request.place.path;
                Ok((Completion::Listing, Some(self.listing(&key(path))?)))
            }
            Job::OpenStages { .. } => Ok((Completion::Listing, Some(self.stage_listing()))),
            Job::OpenDownload { path, .. } => self.download(key(path)),
            Job::OpenUpload {
                path,
                size,
                replace,
                grant,
            } => {
                let may_replace = grant.rights.has(Right::Replace);
                if *replace == Replace::Yes && !may_replace && self.files.contains_key(&key(path)) {
                    return Err(Refusal::NoRight(Right::Replace));
                }
                self.upload(key(path), *size, *replace, owner)
            }
            _ => Err(Refusal::Fault),
        }
    }

    fn on_file(&mut self, job: &Job, file: Option<OpenFile>) -> (Completion, Option<OpenFile>) {
        match (job, file) {
            (Job::Restart, Some(OpenFile::Upload { path, owner })) => {
                self.cut(&path);
                return (Completion::Done, Some(OpenFile::Upload { path, owner }));
            }
            (Job::Publish { .. }, Some(file)) if self.faults.job.is_some() => {
                self.put_away(file);
                let why = self.faults.job.take().unwrap_or(Refusal::Fault);
                return (Completion::Refused(why), None);
            }
            (Job::Publish { sum, modified }, Some(OpenFile::Upload { path, .. })) => {
                let size = self.publish(path, *sum, *modified);
                return (Completion::Published { size }, None);
            }
            (Job::Suspend { .. }, Some(file @ OpenFile::Upload { .. })) => self.put_away(file),
            (Job::Discard, Some(OpenFile::Upload { path, owner })) => {
                self.drop_stage(&path);
                self.put_away(OpenFile::Upload { path, owner });
            }
            (Job::CloseFile { digest }, Some(OpenFile::Download { path, .. })) => {
                self.learn(&path, *digest);
            }
            (Job::CloseFile { .. }, Some(OpenFile::Listing { .. })) => {}
            (job, file) => panic!("{job:?} on a file: {}", file.is_some()),
        }
        (Completion::Done, None)
    }

    fn folder(&self, path: Path) -> Result<(), Refusal> {
        match (self.folders.contains(&path), self.files.contains_key(&path)) {
            (true, _) => Ok(()),
            (false, true) => Err(Refusal::NotADirectory),
            (false, false) => Err(Refusal::NotFound),
        }
    }

    fn facts(&self, path: &Path) -> Result<Facts, Refusal> {
        if self.folders.contains(path) {
            return Ok(Facts {
                kind: Kind::Directory,
                size: 0,
                modified: OLD_TIME,
                mode: Some(0o755),
            });
        }
        let file = self.files.get(path).ok_or(Refusal::NotFound)?;
        let size = file.content.borrow().len() as u64;
        Ok(Facts {
            kind: Kind::File,
            size,
            modified: file.modified,
            mode: Some(0o644),
        })
    }

    fn account(&self, user: &str) -> Completion {
        if user == "tom" {
            return Completion::Account {
                verifier: self.verifier().clone(),
                standing: Standing::Known,
            };
        }
        let verifier = Verifier::decoy(user, b"secret", verifier().iterations);
        Completion::Account {
            verifier,
            standing: Standing::Decoy,
        }
    }

    fn set_password(&mut self, change: &PasswordChange, binding: &Binding) -> Result<(), Refusal> {
        let new = Verifier::from(&change.new);
        check_change(self.verifier(), binding, &new, &change.proof)
            .map_err(|_| Refusal::WrongPassword)?;
        self.changed = Some(new);
        Ok(())
    }

    /// Of the account's password now.
    pub(super) fn verifier(&self) -> &Verifier {
        self.changed.as_ref().unwrap_or_else(|| verifier())
    }

    fn is_there(&self, path: &Path) -> bool {
        let is_link = self.links.contains_key(path);
        is_link || self.folders.contains(path) || self.files.contains_key(path)
    }

    fn idle(&self, path: &Path) -> Result<(), Refusal> {
        if self.writers.contains_key(path) {
            Err(Refusal::Busy)
        } else {
            Ok(())
        }
    }

    fn make_folder(&mut self, path: Path) -> Result<(), Refusal> {
        if self.is_there(&path) {
            return Err(Refusal::Exists);
        }
        self.folder(parent(&path))?;
        self.folders.insert(path);
        Ok(())
    }

    fn make_link(&mut self, path: Path, target: LinkTarget) -> Result<(), Refusal> {
        if self.is_there(&path) {
            return Err(Refusal::Exists);
        }
        self.folder(parent(&path))?;
        self.links.insert(path, target);
        Ok(())
    }

    fn remove(&mut self, path: &Path) -> Result<(), Refusal> {
        self.idle(path)?;
        if self.folders.contains(path) {
            let full = |name: &Path| name.len() > 1 && &parent(name) == path;
            if self.files.keys().chain(&self.folders).any(full) {
                return Err(Refusal::NotEmpty);
            }
            self.folders.remove(path);
            return Ok(());
        }
        if self.links.remove(path).is_some() {
            return Ok(());
        }
        let published = self.files.contains_key(path);
        self.unlink(path);
        let staged = self.drop_stage(path);
        if published || staged {
            Ok(())
        } else {
            Err(Refusal::NotFound)
        }
    }

    fn remove_of_kind(&mut self, job: &Job) -> Result<(), Refusal> {
        match job {
            Job::RemoveFile { path } if self.folders.contains(&key(path)) => {
                Err(Refusal::IsADirectory)
            }
            Job::RemoveDirectory { path } if !self.folders.contains(&key(path)) => {
                Err(Refusal::NotADirectory)
            }
            Job::RemoveFile { path } | Job::RemoveDirectory { path } => self.remove(&key(path)),
            other => panic!("{other:?} removes nothing"),
        }
    }

    fn rename(&mut self, from: &Path, to: Path) -> Result<(), Refusal> {
        self.idle(from)?;
        self.idle(&to)?;
        self.facts(from)?;
        self.folder(parent(&to))?;
        if self.is_there(&to) {
            return Err(Refusal::Exists);
        }
        if let Some(file) = self.files.remove(from) {
            self.files.insert(to, file);
        } else {
            self.folders.remove(from);
            self.folders.insert(to);
        }
        Ok(())
    }

    fn listing(&self, path: &Path) -> Result<OpenFile, Refusal> {
        let mut text = Vec::new();
        let names = self.files.keys().chain(&self.folders);
        let inside = |name: &&Path| name.len() > 1 && &parent(name) == path;
        let listed: Vec<_> = match self.folder(path.clone()) {
            Ok(()) => names.filter(inside).collect(),
            Err(Refusal::NotADirectory) => vec![path],
            Err(why) => return Err(why),
        };
        for name in listed {
            let leaf = name.rsplit(|&b| b == b'/').next().unwrap_or_default();
            push_entry(leaf, &self.facts(name)?, &mut text);
        }
        Ok(OpenFile::Listing { text, hidden: 0 })
    }

    fn stage_listing(&self) -> OpenFile {
        let mut text = Vec::new();
        for (path, bytes) in &self.stages {
            let size = bytes.len() as u64;
            push_entry(
                path,
                &Facts {
                    kind: Kind::File,
                    size,
                    modified: OLD_TIME,
                    mode: None,
                },
                &mut text,
            );
        }
        OpenFile::Listing { text, hidden: 0 }
    }

    fn download(&self, path: Path) -> Answer {
        if self.folders.contains(&path) {
            return Err(Refusal::IsADirectory);
        }
        let file = self.files.get(&path).ok_or(Refusal::NotFound)?.clone();
        let size = file.content.borrow().len() as u64;
        let facts = DownloadFacts {
            size,
            modified: file.modified,
            changed: ChangeTime::default(),
            remembered: remembered(&file),
        };
        let content = file.content;
        Ok((
            Completion::Download(facts),
            Some(OpenFile::Download { path, content }),
        ))
    }

    fn upload(&mut self, path: Path, size: u64, replace: Replace, owner: u32) -> Answer {
        if self.folders.contains(&path) {
            return Err(Refusal::IsADirectory);
        }
        self.folder(parent(&path))?;
        self.idle(&path)?;
        if let (Some(file), Replace::Never) = (self.files.get(&path), replace) {
            let there = file.content.borrow().len() as u64;
            if there != size {
                return Err(Refusal::Exists);
            }
            return Ok((Completion::AlreadyThere, None));
        }
        let have = self.claim(&path, owner, size)?;
        self.stages.entry(path.clone()).or_default();
        Ok((
            Completion::Upload { have, name: None },
            Some(OpenFile::Upload { path, owner }),
        ))
    }
}

fn key(path: &VirtualPath) -> Path {
    path.as_bytes().to_vec()
}

fn parent(path: &Path) -> Path {
    let cut = path.iter().rposition(|&b| b == b'/').unwrap_or(0);
    path[..cut.max(1)].to_vec()
}

fn remembered(file: &super::disk::Published) -> Remembered {
    Remembered {
        verified: file.sum,
        later: file.later,
    }
}
