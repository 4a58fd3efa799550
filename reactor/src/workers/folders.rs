//! The shared folders of a session: each is a home of its own, which appears in the user's as a
//! directory. Jobs about names in one are done in it, under the names that it knows.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use skiff_sessions::path::{PathArg, VirtualPath};
use skiff_sessions::server::job::{ListingRequest, Place};
use skiff_sessions::server::{Completion, Job};
use skiff_sessions::wire::reply::Refusal;
use skiff_vfs::{Home, VfsError, Worker};

use super::jobs::{CountDue, OpenFolder, Services, below};
use super::schedule::Device;
use crate::accounts::shared_folders::FolderPlace;

/// The shared folders of one session.
pub(crate) struct Folders(Vec<Folder>);

struct Folder {
    place: FolderPlace,
    /// The file system that it is on, as far as is known.
    device: OnceLock<u64>,
    /// Opened when it is first used; a disk that is missing then may be there later.
    home: Mutex<Option<Arc<Home>>>,
}

/// Where a job is done.
pub(super) enum Route<'a> {
    /// In the user's home, as it is.
    Home,
    /// In a shared folder, by this job.
    Folder(InFolder<'a>),
}

pub(super) struct InFolder<'a> {
    folder: &'a Folder,
    pub(super) home: Arc<Home>,
    pub(super) job: Job,
    /// The folder, if this job has opened it.
    pub(super) opened: Option<OpenFolder>,
}

/// Why a job is done nowhere.
pub(super) enum Unrouted {
    Refused(Refusal),
    Failed(VfsError),
}

impl Folders {
    /// `None` for an account without any. `device_of` tells what is known of the file system of a
    /// path without touching it.
    pub(crate) fn of(
        places: Vec<FolderPlace>,
        device_of: impl Fn(&Path) -> Option<u64>,
    ) -> Option<Arc<Self>> {
        let folder = |place: FolderPlace| Folder {
            device: device_of(&place.home.root).map_or_else(OnceLock::new, OnceLock::from),
            place,
            home: Mutex::new(None),
        };
        let folders: Vec<_> = places.into_iter().map(folder).collect();
        (!folders.is_empty()).then(|| Arc::new(Self(folders)))
    }

    /// Whether these are the folders at those places.
    pub(crate) fn are_at(&self, places: &[FolderPlace]) -> bool {
        self.0.iter().map(|folder| &folder.place).eq(places)
    }

    /// The file system that the job is about, where that is a shared folder's.
    pub(crate) fn device_of(&self, job: &Job) -> Option<Device> {
        let about = paths(job).into_iter().flatten().next()?;
        let folder = self.holding(about)?;
        let device = folder.device.get().copied();
        Some(device.map_or(Device::Unknown, Device::Number))
    }

    /// Where the machine has what is in one of them; `None` where it is in none.
    pub(super) fn host_path(&self, path: &VirtualPath) -> Option<PathBuf> {
        let folder = self.holding(path)?;
        let inner = folder.inner(path)?;
        Some(folder.place.home.root.join(below(&inner)))
    }

    /// The names under which they appear in the home.
    pub(super) fn names(&self) -> impl Iterator<Item = &Path> {
        self.0.iter().map(|folder| below(&folder.place.at))
    }

    fn holding(&self, path: &VirtualPath) -> Option<&Folder> {
        let holds = |folder: &&Folder| {
            let at = &folder.place.at;
            path == at || path.is_below(at)
        };
        self.0.iter().find(holds)
    }

    /// Says where the job is done. A folder that it is about is opened.
    pub(super) fn route(
        &self,
        worker: &Worker,
        services: &Services,
        job: &Job,
    ) -> Result<Route<'_>, Unrouted> {
        let about = paths(job);
        let mut holding = about.iter().flatten().map(|path| self.holding(path));
        let Some(first) = holding.next() else {
            return Ok(Route::Home);
        };
        let is_same = |other: Option<&Folder>| match (first, other) {
            (Some(first), Some(other)) => std::ptr::eq(first, other),
            (None, None) => true,
            _ => false,
        };
        if !holding.all(is_same) {
            return Err(Unrouted::Refused(Refusal::OtherDevice));
        }
        let Some(folder) = first else {
            return Ok(Route::Home);
        };
        let (home, opened) = folder.open(worker, services)?;
        let job = folder.translate(job);
        Ok(Route::Folder(InFolder {
            folder,
            home,
            job: job.ok_or(Unrouted::Failed(VfsError::BadName))?,
            opened,
        }))
    }
}

impl Folder {
    fn open(
        &self,
        worker: &Worker,
        services: &Services,
    ) -> Result<(Arc<Home>, Option<OpenFolder>), Unrouted> {
        let mut slot = self.home.lock();
        if let Some(home) = &*slot {
            return Ok((Arc::clone(home), None));
        }
        let FolderPlace { at, home, .. } = &self.place;
        let homes = &services.homes;
        let open = || {
            let home = home.open(worker, homes, &services.accounts.config())?;
            let (device, _) = home.stat(worker, Path::new(""))?.unique;
            Ok(OpenFolder {
                count: CountDue::of(&home),
                home,
                device,
            })
        };
        let opened: OpenFolder = open().map_err(|error: VfsError| match error {
            VfsError::TooManyOpen => Unrouted::Failed(VfsError::TooManyOpen),
            // The process before closes it soon.
            VfsError::InUse if homes.is_in_handover() => Unrouted::Failed(VfsError::Scanning),
            other => {
                let root = home.root.display();
                log::error!("the shared folder {at} at {root} cannot be opened: {other}");
                Unrouted::Refused(Refusal::NoFolder)
            }
        })?;
        let _ = self.device.set(opened.device);
        *slot = Some(Arc::clone(&opened.home));
        Ok((Arc::clone(&opened.home), Some(opened)))
    }

    /// The path in the folder's home of a path in the user's.
    fn inner(&self, path: &VirtualPath) -> Option<VirtualPath> {
        let at = self.place.at.as_bytes().len();
        let rest = path.as_bytes().get(at..)?;
        let mut inner = vec![b'/'];
        inner.extend_from_slice(self.place.inside.as_os_str().as_encoded_bytes());
        inner.extend_from_slice(rest);
        VirtualPath::root().join(&PathArg::new(inner)?).ok()
    }

    /// The path in the user's home of a path in the folder's.
    fn outer(&self, inner: &VirtualPath) -> Option<VirtualPath> {
        let rest = below(inner).strip_prefix(&self.place.inside).ok()?;
        let mut outer = self.place.at.as_bytes().to_vec();
        outer.push(b'/');
        outer.extend_from_slice(rest.as_os_str().as_encoded_bytes());
        VirtualPath::root().join(&PathArg::new(outer)?).ok()
    }

    /// The job with the names that the folder knows. A new job does not compile until it is said
    /// here what names it has.
    fn translate(&self, job: &Job) -> Option<Job> {
        let inner = |path: &VirtualPath| self.inner(path);
        Some(match job {
            Job::ChangeDirectory { to } => Job::ChangeDirectory { to: inner(to)? },
            Job::Facts { path } => Job::Facts { path: inner(path)? },
            Job::Entry { path } => Job::Entry { path: inner(path)? },
            Job::UsageIn { folder } => Job::UsageIn {
                folder: inner(folder)?,
            },
            Job::MakeDirectory { path } => Job::MakeDirectory { path: inner(path)? },
            Job::MakeLink { path, target } => Job::MakeLink {
                path: inner(path)?,
                target: target.clone(),
            },
            Job::ReadLink { path } => Job::ReadLink { path: inner(path)? },
            Job::Remove { path } => Job::Remove { path: inner(path)? },
            Job::CheckSource { path } => Job::CheckSource { path: inner(path)? },
            Job::Rename { from, to } => Job::Rename {
                from: inner(from)?,
                to: inner(to)?,
            },
            Job::RenameOver { from, to } => Job::RenameOver {
                from: inner(from)?,
                to: inner(to)?,
            },
            Job::DropStage { path } => Job::DropStage { path: inner(path)? },
            Job::RemoveFile { path } => Job::RemoveFile { path: inner(path)? },
            Job::RemoveDirectory { path } => Job::RemoveDirectory { path: inner(path)? },
            Job::Size { path } => Job::Size { path: inner(path)? },
            Job::ModifiedAt { path } => Job::ModifiedAt { path: inner(path)? },
            Job::SetModified { path, modified } => Job::SetModified {
                path: inner(path)?,
                modified: *modified,
            },
            Job::SetMode { path, mode } => Job::SetMode {
                path: inner(path)?,
                mode: *mode,
            },
            Job::SetAttributes {
                path,
                modified,
                mode,
            } => Job::SetAttributes {
                path: inner(path)?,
                modified: *modified,
                mode: *mode,
            },
            Job::UniqueName { path } => Job::UniqueName { path: inner(path)? },
            Job::FindAccount { .. }
            | Job::OpenHome
            | Job::CheckPassword { .. }
            | Job::CheckCertificate { .. }
            | Job::SetPassword { .. }
            | Job::Usage
            | Job::OpenStages { .. }
            | Job::Prepare
            | Job::Restart
            | Job::ReadyStream
            | Job::Publish { .. }
            | Job::PublishStream
            | Job::Suspend { .. }
            | Job::Discard
            | Job::CloseFile { .. } => return None,
            Job::OpenListing(_)
            | Job::OpenDownload { .. }
            | Job::OpenUpload { .. }
            | Job::OpenStream { .. } => return self.translate_opening(job),
        })
    }

    /// The same of a job that opens a file or a listing.
    fn translate_opening(&self, job: &Job) -> Option<Job> {
        let inner = |path: &VirtualPath| self.inner(path);
        Some(match job {
            Job::OpenListing(request) => {
                let place = |place: &Place| {
                    let path = inner(&place.path)?;
                    let typed = place.typed.clone();
                    Some(Place { path, typed })
                };
                let literal = request.literal.as_ref().and_then(place);
                Job::OpenListing(Box::new(ListingRequest {
                    place: place(&request.place)?,
                    literal,
                    ..(**request).clone()
                }))
            }
            Job::OpenDownload { path, reading } => Job::OpenDownload {
                path: inner(path)?,
                reading: *reading,
            },
            Job::OpenUpload {
                path,
                size,
                replace,
                grant,
            } => Job::OpenUpload {
                path: inner(path)?,
                size: *size,
                replace: *replace,
                grant: *grant,
            },
            Job::OpenStream {
                path,
                size,
                start,
                grant,
            } => Job::OpenStream {
                path: inner(path)?,
                size: *size,
                start: *start,
                grant: *grant,
            },
            _ => return None,
        })
    }
}

impl InFolder<'_> {
    /// Whether all of the home is the folder, so that links cannot lead out of it.
    pub(super) fn is_whole_home(&self) -> bool {
        self.folder.place.inside.as_os_str().is_empty()
    }

    /// The completion with the names that the user knows.
    pub(super) fn translate(&self, completion: Completion) -> Completion {
        let outer = |path: &VirtualPath| self.folder.outer(path);
        match completion {
            Completion::Name(path) => {
                outer(&path).map_or(Completion::Refused(Refusal::Fault), Completion::Name)
            }
            Completion::Upload { have, name } => Completion::Upload {
                have,
                name: name.as_ref().and_then(outer),
            },
            other => other,
        }
    }
}

/// The names that a job is about; both are of a rename.
fn paths(job: &Job) -> [Option<&VirtualPath>; 2] {
    match job {
        Job::Rename { from, to } | Job::RenameOver { from, to } => [Some(from), Some(to)],
        Job::ChangeDirectory { to: path }
        | Job::Facts { path }
        | Job::Entry { path }
        | Job::UsageIn { folder: path }
        | Job::MakeDirectory { path }
        | Job::MakeLink { path, .. }
        | Job::ReadLink { path }
        | Job::Remove { path }
        | Job::CheckSource { path }
        | Job::DropStage { path }
        | Job::RemoveFile { path }
        | Job::RemoveDirectory { path }
        | Job::Size { path }
        | Job::ModifiedAt { path }
        | Job::SetModified { path, .. }
        | Job::SetMode { path, .. }
        | Job::SetAttributes { path, .. }
        | Job::UniqueName { path }
        | Job::OpenDownload { path, .. }
        | Job::OpenUpload { path, .. }
        | Job::OpenStream { path, .. } => [Some(path), None],
        Job::OpenListing(request) => [Some(&request.place.path), None],
        Job::FindAccount { .. }
        | Job::OpenHome
        | Job::CheckPassword { .. }
        | Job::CheckCertificate { .. }
        | Job::SetPassword { .. }
        | Job::Usage
        | Job::OpenStages { .. }
        | Job::Prepare
        | Job::Restart
        | Job::ReadyStream
        | Job::Publish { .. }
        | Job::PublishStream
        | Job::Suspend { .. }
        | Job::Discard
        | Job::CloseFile { .. } => [None, None],
    }
}
