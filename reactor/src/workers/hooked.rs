//! What hooks are told of: which jobs are events, and what a session's open file is to be told of
//! when its transfer has ended.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use skiff_conf::{HookEvent, UserName};
use skiff_sessions::digest::Sum;
use skiff_sessions::path::VirtualPath;
use skiff_sessions::server::{Completion, Job};
use skiff_sessions::transfer::End;
use skiff_vfs::{Digest, Download, Worker};

use super::folders::Folders;
use super::jobs::{JobRequest, Services, below};
use super::open_file::OpenFile;
use crate::hooks::event::{Destination, Digest as Told, Event, Name};
use crate::hooks::{For, Hooks};

/// What hooks are to be told of an open file once it is stored or sent.
pub(crate) struct HookedFile {
    hooks: Arc<Hooks>,
    whom: For,
    event: Event,
}

impl HookedFile {
    /// The upload has its name.
    pub(super) fn stored(&self, worker: &Worker, size: u64, sum: Option<Sum>) {
        if self.event.event == HookEvent::Upload {
            self.note(worker, size, sum);
        }
    }

    /// A transfer of the file has ended so.
    pub(super) fn sent(&self, worker: &Worker, file: &Download, end: &End) {
        let is_sent = matches!(end, End::Complete { position, .. } if *position == file.size());
        if is_sent && self.event.event == HookEvent::Download {
            let verified = file.digests().map(|digests| match digests.verified {
                Digest::Md5(bytes) => Sum::Md5(bytes),
                Digest::Sha256(bytes) => Sum::Sha256(bytes),
            });
            self.note(worker, file.size(), verified);
        }
    }

    fn note(&self, worker: &Worker, size: u64, sum: Option<Sum>) {
        let event = Event {
            size: Some(size),
            digest: sum.map(|sum| Told {
                algorithm: sum.algorithm().name().to_owned(),
                hex: sum.to_string(),
            }),
            time: now(),
            ..self.event.clone()
        };
        self.hooks.note(worker, &self.whom, &event);
    }
}

/// Tells hooks of a job that is done, before its session hears of it; gives what is to be told of
/// the file that it has opened.
pub(super) fn after(
    worker: &Worker,
    services: &Services,
    request: &JobRequest,
    completion: &Completion,
) -> Option<Arc<HookedFile>> {
    let hooks = services.hooks.as_ref()?;
    let happened = Happened::of(&request.job, completion)?;
    let subject = Subject::of(worker, services, request, happened.event())?;
    let event = subject.event(&happened)?;
    match happened {
        Happened::Opened(..) => Some(Arc::new(HookedFile {
            hooks: Arc::clone(hooks),
            whom: subject.whom,
            event,
        })),
        Happened::Deleted(_) | Happened::Renamed(..) | Happened::LoggedIn => {
            hooks.note(worker, &subject.whom, &event);
            None
        }
    }
}

/// Tells hooks of the file that the job has published.
pub(super) fn published(
    worker: &Worker,
    file: Option<&HookedFile>,
    job: &Job,
    completion: &Completion,
) {
    let (Some(file), Completion::Published { size }) = (file, completion) else {
        return;
    };
    let sum = match job {
        Job::Publish { sum, .. } => Some(*sum),
        _ => None,
    };
    file.stored(worker, *size, sum);
}

/// Tells hooks how the transfer of an open file has ended.
pub(super) fn ended(
    worker: &Worker,
    hooked: Option<&HookedFile>,
    file: Option<&OpenFile>,
    end: &End,
) {
    match (hooked, file, end) {
        (Some(hooked), Some(OpenFile::Download(file)), _) => hooked.sent(worker, file, end),
        (Some(hooked), _, End::Stored { size }) => hooked.stored(worker, *size, None),
        _ => {}
    }
}

/// Whether hooks wait for files that are sent: their ends are then seen by workers only.
pub(crate) fn watches_downloads(services: &Services) -> bool {
    let hooks = services.hooks.as_ref();
    hooks.is_some_and(|hooks| hooks.wants(HookEvent::Download))
}

/// A job that hooks may wait for, or for what follows of it.
enum Happened<'a> {
    Deleted(&'a VirtualPath),
    Renamed(&'a VirtualPath, &'a VirtualPath),
    LoggedIn,
    Opened(HookEvent, &'a VirtualPath),
}

impl<'a> Happened<'a> {
    fn of(job: &'a Job, completion: &'a Completion) -> Option<Self> {
        Some(match (job, completion) {
            (Job::OpenHome, Completion::HomeOpen(_)) => Self::LoggedIn,
            (
                Job::Remove { path } | Job::RemoveFile { path } | Job::RemoveDirectory { path },
                Completion::Done,
            ) => Self::Deleted(path),
            (Job::Rename { from, to } | Job::RenameOver { from, to }, Completion::Done) => {
                Self::Renamed(from, to)
            }
            (Job::OpenDownload { path, .. }, Completion::Download(_)) => {
                Self::Opened(HookEvent::Download, path)
            }
            (
                Job::OpenUpload { path, .. } | Job::OpenStream { path, .. },
                Completion::Upload { name, .. },
            ) => Self::Opened(HookEvent::Upload, name.as_ref().unwrap_or(path)),
            _ => return None,
        })
    }

    fn event(&self) -> HookEvent {
        match self {
            Self::Deleted(_) => HookEvent::Delete,
            Self::Renamed(..) => HookEvent::Rename,
            Self::LoggedIn => HookEvent::Login,
            Self::Opened(event, _) => *event,
        }
    }
}

/// Whose event it is, and where its files are.
struct Subject<'a> {
    whom: For,
    user: &'a str,
    root: PathBuf,
    folders: Option<&'a Folders>,
    address: IpAddr,
}

impl<'a> Subject<'a> {
    /// `None` where no hook waits for it.
    fn of(
        worker: &Worker,
        services: &Services,
        request: &'a JobRequest,
        event: HookEvent,
    ) -> Option<Self> {
        let hooks = services.hooks.as_ref().filter(|hooks| hooks.wants(event))?;
        let user = &request.user;
        let (root, group): (PathBuf, Option<UserName>) =
            services.accounts.home_and_group(worker, user)?;
        Some(Self {
            whom: hooks.waiting_for(event, user, group.as_ref())?,
            user,
            root,
            folders: request.folders.as_deref(),
            address: request.peer.to_canonical(),
        })
    }

    fn event(&self, happened: &Happened<'_>) -> Option<Event> {
        let root = VirtualPath::root();
        let (path, to) = match happened {
            Happened::Deleted(path) | Happened::Opened(_, path) => (*path, None),
            Happened::Renamed(from, to) => (*from, Some(*to)),
            Happened::LoggedIn => (&root, None),
        };
        let to = match to {
            Some(to) => Some(Destination {
                path: Name::of_bytes(to.as_bytes()),
                file: self.file(to)?,
            }),
            None => None,
        };
        Some(Event {
            event: happened.event(),
            user: self.user.to_owned(),
            path: Name::of_bytes(path.as_bytes()),
            file: self.file(path)?,
            to,
            size: None,
            digest: None,
            address: self.address.to_string(),
            time: now(),
        })
    }

    /// Where the machine has what the user sees there.
    fn file(&self, path: &VirtualPath) -> Option<Name> {
        let shared = self.folders.and_then(|folders| folders.host_path(path));
        let own = || match below(path) {
            home if home.as_os_str().is_empty() => self.root.clone(),
            inside => self.root.join(inside),
        };
        Some(Name::new(shared.unwrap_or_else(own)))
    }
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs().cast_signed())
}
