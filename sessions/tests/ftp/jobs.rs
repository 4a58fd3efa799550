//! Does the session's jobs on the simulated disk, as the daemon's workers do on a real one.

use std::sync::Arc;

use skiff_sessions::path::{PathArg, VirtualPath};
use skiff_sessions::rights::{Grant, IfTaken, Right};
use skiff_sessions::server::job::{ChangeTime, Remembered, StreamStart};
use skiff_sessions::server::{Completion, DownloadFacts, Job, Standing};
use skiff_sessions::wire::reply::{Allowed, Entry, Facts, Held, Kind, Refusal, Usage};
use skiff_sessions::wire::stamp::Stamp;

use super::disk::{Disk, OLD_TIME, Path};
use super::file::OpenFile;
use super::world::{PASSWORD, RECOGNIZED, USER};

pub(super) type Answer = (Completion, Option<OpenFile>);

pub(super) fn takes_file(job: &Job) -> bool {
    matches!(
        job,
        Job::Prepare
            | Job::PublishStream
            | Job::ReadyStream
            | Job::Suspend { .. }
            | Job::Discard
            | Job::CloseFile { .. }
    )
}

pub(super) fn opens_file(job: &Job) -> bool {
    matches!(
        job,
        Job::OpenDownload { .. }
            | Job::OpenStream { .. }
            | Job::OpenListing(_)
            | Job::OpenStages { .. }
    )
}

impl Disk {
    pub(super) fn perform(&mut self, job: &Job, file: Option<OpenFile>) -> Answer {
        if takes_file(job) {
            return self.on_file(job, file);
        }
        let login = matches!(
            job,
            Job::CheckPassword { .. } | Job::CheckCertificate { .. } | Job::OpenHome
        );
        if let Some(why) = self.faults.job.take_if(|_| !login) {
            return (Completion::Refused(why), None);
        }
        let opened = opens_file(job).then(|| self.open(job));
        match opened.unwrap_or_else(|| self.on_names(job).map(|done| (done, None))) {
            Ok(answer) => answer,
            Err(why) => (Completion::Refused(why), None),
        }
    }

    fn on_file(&mut self, job: &Job, file: Option<OpenFile>) -> Answer {
        let done = |file| (Completion::Done, file);
        match (job, file) {
            (Job::Prepare | Job::PublishStream, Some(file)) if self.faults.job.is_some() => {
                self.put_away(file);
                (Completion::Refused(self.faults.job.take().unwrap()), None)
            }
            (Job::Prepare, Some(OpenFile::Upload(mut upload))) => {
                self.prepare(&mut upload);
                done(Some(OpenFile::Upload(upload)))
            }
            (Job::ReadyStream, Some(file @ OpenFile::Upload(_))) => {
                let grace = self.grace;
                (Completion::StreamReady { grace }, Some(file))
            }
            (Job::PublishStream, Some(OpenFile::Upload(upload))) => {
                let size = self.publish(upload);
                (Completion::Published { size }, None)
            }
            (Job::Suspend { cause }, Some(file @ OpenFile::Upload(_))) => {
                self.interrupted.push(*cause);
                self.put_away(file);
                done(None)
            }
            // What a failed job took away is not there to be closed.
            (Job::Suspend { .. } | Job::Discard, None) => done(None),
            (Job::Discard, Some(OpenFile::Upload(upload))) => {
                self.discard(upload);
                done(None)
            }
            (Job::CloseFile { .. }, Some(OpenFile::Download { .. } | OpenFile::Listing { .. })) => {
                done(None)
            }
            (job, file) => panic!("{job:?} on a file: {}", file.is_some()),
        }
    }

    fn open(&mut self, job: &Job) -> Result<Answer, Refusal> {
        Ok(match job {
            Job::OpenListing(request) => {
                let (text, hidden) = self.listing(request)?;
                (
                    Completion::Listing,
                    Some(OpenFile::Listing { text, hidden }),
                )
            }
            Job::OpenStages { .. } => {
                let text = self.stage_lines();
                let hidden = 0;
                (
                    Completion::Listing,
                    Some(OpenFile::Listing { text, hidden }),
                )
            }
            Job::OpenDownload { path, .. } => {
                let facts = self.facts(&key(path))?;
                if facts.kind == Kind::Directory {
                    return Err(Refusal::IsADirectory);
                }
                let (size, modified) = (facts.size, facts.modified);
                let file = &self.files[&key(path)];
                let (content, seconds) = (file.content.clone(), file.changed);
                (
                    Completion::Download(DownloadFacts {
                        size,
                        modified,
                        changed: ChangeTime {
                            seconds,
                            nanoseconds: 0,
                        },
                        remembered: Remembered::default(),
                    }),
                    Some(OpenFile::Download(content)),
                )
            }
            Job::OpenStream {
                path,
                size,
                start,
                grant,
            } => {
                let path = &self.free_for(path, *grant);
                let name = (path != asked(job)).then(|| path.clone());
                let path = key(path);
                self.free_for_a_file(&path)?;
                self.check_taken(&path, *start, *grant)?;
                let upload = self.begin_upload(path, *size, *start)?;
                let have = self.position(&upload);
                (
                    Completion::Upload { have, name },
                    Some(OpenFile::Upload(upload)),
                )
            }
            other => panic!("{other:?} opens nothing"),
        })
    }

    fn on_names(&mut self, job: &Job) -> Result<Completion, Refusal> {
        match job {
            Job::CheckPassword { user, password } => {
                let known = user == USER && password.0.as_slice() == PASSWORD.as_bytes();
                return Ok(Completion::Identified(match known {
                    true => Standing::Known,
                    false => Standing::Decoy,
                }));
            }
            Job::CheckCertificate { user } => {
                return Ok(Completion::Identified(match user == RECOGNIZED {
                    true => Standing::Known,
                    false => Standing::Decoy,
                }));
            }
            Job::OpenHome if self.faults.home.is_some() => return Err(self.faults.home.unwrap()),
            Job::OpenHome => return Ok(Completion::HomeOpen(Arc::new(self.terms.clone()))),
            Job::Usage => return Ok(Completion::Usage(self.usage())),
            Job::UsageIn { folder } => {
                self.folder(&key(folder))?;
                return Ok(Completion::Usage(self.usage()));
            }
            Job::Entry { path } => return Ok(Completion::Entry(self.entry(&key(path))?)),
            Job::Size { path } => return Ok(Completion::Size(self.size(&key(path))?)),
            Job::ModifiedAt { path } if self.interrupted(&key(path)).is_some() => {
                return Ok(Completion::ModifiedAt(OLD_TIME));
            }
            Job::ModifiedAt { path } => {
                let facts = self.facts(&key(path))?;
                return match facts.kind {
                    Kind::File => Ok(Completion::ModifiedAt(facts.modified)),
                    _ => Err(Refusal::IsADirectory),
                };
            }
            Job::UniqueName { path } => return Ok(Completion::Name(self.unique(path))),
            Job::ChangeDirectory { to } => self.folder(&key(to))?,
            Job::MakeDirectory { path } => self.make_folder(key(path))?,
            Job::MakeLink { path, .. } => self.make_link(key(path))?,
            Job::CheckSource { path } => self.facts(&key(path)).map(|_| ())?,
            Job::Rename { to, .. } if self.facts(&key(to)).is_ok() => return Err(Refusal::Exists),
            Job::Rename { from, to } | Job::RenameOver { from, to } => {
                self.rename(&key(from), key(to))?;
            }
            Job::RemoveFile { path } => self.remove_file(&key(path))?,
            Job::RemoveDirectory { path } => self.remove_folder(&key(path))?,
            Job::SetModified { path, modified } => {
                self.facts(&key(path))?;
                // As a file system without odd seconds has it.
                let stored = Stamp(modified.0 & !1);
                if let Some(file) = self.files.get_mut(&key(path)) {
                    file.modified = stored;
                }
                return Ok(Completion::ModifiedAt(stored));
            }
            Job::SetMode { path, mode } => {
                self.facts(&key(path))?;
                if let Some(file) = self.files.get_mut(&key(path)) {
                    file.mode = *mode;
                }
            }
            other => panic!("{other:?} is not of this dialect"),
        }
        Ok(Completion::Done)
    }

    fn usage(&self) -> Usage {
        let held = Held {
            used: self.used(),
            staged: self.stages.values().map(|stage| stage.len() as u64).sum(),
            reserved: 0,
            free: self.limit - self.used(),
            entries: (self.files.len() + self.folders.len()) as u64,
        };
        Usage {
            limit: self.limit,
            entries_limit: 1000,
            held: self.faults.counting.is_none().then_some(held),
        }
    }

    pub(super) fn facts(&self, path: &Path) -> Result<Facts, Refusal> {
        if self.folders.contains(path) {
            return Ok(Facts {
                kind: Kind::Directory,
                size: 4096,
                modified: OLD_TIME,
                mode: Some(0o755),
            });
        }
        let file = self.files.get(path).ok_or(Refusal::NotFound)?;
        Ok(Facts {
            kind: Kind::File,
            size: file.content.borrow().len() as u64,
            modified: file.modified,
            mode: Some(file.mode),
        })
    }

    pub(super) fn entry(&self, path: &Path) -> Result<Entry, Refusal> {
        Ok(Entry {
            facts: self.facts(path)?,
            target: None,
            allowed: Allowed::ALL,
        })
    }

    fn size(&self, path: &Path) -> Result<u64, Refusal> {
        if self.folders.contains(path) {
            return Err(Refusal::NotRegular);
        }
        match (self.published(path), self.interrupted(path)) {
            (Some(_), Some(_)) => Err(Refusal::TwoSizes),
            (Some(size), None) | (None, Some(size)) => Ok(size as u64),
            (None, None) => Err(Refusal::NotFound),
        }
    }

    /// Bytes that an upload which does not run left.
    fn interrupted(&self, path: &Path) -> Option<usize> {
        self.staged(path).filter(|_| !self.writers.contains(path))
    }

    /// The name that an upload gets.
    fn free_for(&self, path: &VirtualPath, grant: Grant) -> VirtualPath {
        let is_taken = self.files.contains_key(path.as_bytes());
        match grant.if_taken {
            IfTaken::Numbered if is_taken => self.unique(path),
            IfTaken::Numbered | IfTaken::Refused => path.clone(),
        }
    }

    fn check_taken(&self, path: &Path, start: StreamStart, grant: Grant) -> Result<(), Refusal> {
        let Some(size) = self.published(path) else {
            return Ok(());
        };
        let appends = match start {
            StreamStart::End => true,
            StreamStart::Offset(at) => at == size as u64 && !self.stages.contains_key(path),
        };
        let needed = match appends {
            true => Right::Append,
            false => Right::Replace,
        };
        match grant.rights.has(needed) {
            true => Ok(()),
            false => Err(Refusal::NoRight(needed)),
        }
    }

    fn unique(&self, path: &VirtualPath) -> VirtualPath {
        let taken = |name: &Path| self.facts(name).is_ok() || self.stages.contains_key(name);
        let numbered = |n: usize| [path.as_bytes(), format!(".{n}").as_bytes()].concat();
        let free = (1..).map(numbered).find(|name| !taken(name)).unwrap();
        let arg = PathArg::new(free).unwrap();
        VirtualPath::root().join(&arg).unwrap()
    }

    pub(super) fn folder(&self, path: &Path) -> Result<(), Refusal> {
        match (self.folders.contains(path), self.files.contains_key(path)) {
            (true, _) => Ok(()),
            (false, true) => Err(Refusal::NotADirectory),
            (false, false) => Err(Refusal::NotFound),
        }
    }

    fn free_for_a_file(&self, path: &Path) -> Result<(), Refusal> {
        if self.folders.contains(path) {
            return Err(Refusal::IsADirectory);
        }
        self.folder(&parent(path))?;
        match self.writers.contains(path) {
            true => Err(Refusal::Busy),
            false => Ok(()),
        }
    }

    fn make_folder(&mut self, path: Path) -> Result<(), Refusal> {
        if self.facts(&path).is_ok() {
            return Err(Refusal::Exists);
        }
        self.folder(&parent(&path))?;
        self.folders.insert(path);
        Ok(())
    }

    fn make_link(&mut self, path: Path) -> Result<(), Refusal> {
        if self.facts(&path).is_ok() || !self.links.insert(path.clone()) {
            return Err(Refusal::Exists);
        }
        self.folder(&parent(&path))
    }

    fn rename(&mut self, from: &Path, to: Path) -> Result<(), Refusal> {
        self.free_for_a_file(&to)?;
        match self.files.remove(from) {
            Some(file) => drop(self.files.insert(to, file)),
            None if self.files.contains_key(&to) => return Err(Refusal::Exists),
            None => {
                self.folders.remove(from);
                self.folders.insert(to);
            }
        }
        Ok(())
    }

    fn remove_file(&mut self, path: &Path) -> Result<(), Refusal> {
        if self.folders.contains(path) {
            return Err(Refusal::IsADirectory);
        }
        let published = self.files.remove(path).is_some();
        let staged = self.stages.remove(path).is_some();
        match published || staged {
            true => Ok(()),
            false => Err(Refusal::NotFound),
        }
    }

    fn remove_folder(&mut self, path: &Path) -> Result<(), Refusal> {
        self.folder(path)?;
        let full = |name: &Path| name.len() > 1 && &parent(name) == path;
        if self.files.keys().chain(&self.folders).any(full) {
            return Err(Refusal::NotEmpty);
        }
        self.folders.remove(path);
        Ok(())
    }
}

fn asked(job: &Job) -> &VirtualPath {
    match job {
        Job::OpenStream { path, .. } => path,
        other => panic!("{other:?} stores nothing"),
    }
}

fn key(path: &VirtualPath) -> Path {
    path.as_bytes().to_vec()
}

pub(super) fn parent(path: &[u8]) -> Path {
    let cut = path.iter().rposition(|&b| b == b'/').unwrap_or(0);
    path[..cut.max(1)].to_vec()
}
