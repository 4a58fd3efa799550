//! What a worker gets of a session's [`Job`] and gives back, and the jobs before there is a home.

use std::ffi::OsStr;
use std::net::IpAddr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use skiff_sessions::path::{PathArg, VirtualPath};
use skiff_sessions::rights::Links;
use skiff_sessions::server::{Completion, Job};
use skiff_sessions::wire::reply::Refusal;
use skiff_sessions::wire::stamp::Stamp;
use skiff_vfs::{Home, Homes, VfsError, Worker};

use super::folders::Folders;
use super::hooked::{self, HookedFile};
use super::in_home::where_it_is;
use super::inquiry::CheckedBy;
use super::on_file::on_file;
use super::open_file::OpenFile;
use super::opening;
use super::refusal::refusal;
use super::schedule::{AccountNumber, Class, Device, WorkKind};
use crate::accounts::elsewhere::{CameBy, Described};
use crate::accounts::store::{Accounts, LoginKey};
use crate::accounts::verdict::Timing;
use crate::accounts::watch::StoreWatch;
use crate::endpoints::StartedAs;
use crate::hooks::Hooks;
use crate::tls::clients::ClientCertificate;

/// An upload that has received nothing for this long is cancelled when the same user uploads the
/// same name again.
pub(super) const SILENT: Duration = Duration::from_secs(5);

/// What every job may use, shared by all workers.
pub(crate) struct Services {
    pub(crate) homes: Homes,
    pub(crate) accounts: Accounts,
    /// `None` where the settings have none.
    pub(crate) hooks: Option<Arc<Hooks>>,
    /// `None` where the system gives none: then a changed account counts at the next login.
    pub(crate) watch: Option<StoreWatch>,
    /// Path of the configuration file, read again at SIGHUP.
    pub(crate) file: PathBuf,
    pub(crate) started_as: StartedAs,
}

/// A job and the parts of its session that it works on.
pub(crate) struct JobRequest {
    pub(crate) job: Job,
    /// The session's user; empty before a login names one.
    pub(crate) user: String,
    pub(crate) home: Option<Arc<Home>>,
    pub(crate) folders: Option<Arc<Folders>>,
    /// The session's open file, for jobs that work on it.
    pub(crate) file: Option<OpenFile>,
    /// What hooks are to be told of that file.
    pub(crate) hooked: Option<Arc<HookedFile>>,
    /// Set once the session does not wait for the result any more.
    pub(crate) stop: Arc<AtomicBool>,
    /// The number of the connection (`ConnectionId::number`), stored as the owner of its uploads.
    pub(crate) owner: u64,
    /// The address of the client.
    pub(crate) peer: IpAddr,
    pub(crate) links: Links,
    /// The file system of the home, once it is known.
    pub(crate) device: Option<Device>,
    pub(crate) account: AccountNumber,
    /// What the client has shown, for logins.
    pub(crate) certificate: Option<Arc<ClientCertificate>>,
    pub(crate) since: Instant,
    /// How what the job holds has come.
    pub(crate) came_by: CameBy,
    pub(crate) checked_by: CheckedBy,
}

impl JobRequest {
    /// What the job counts against.
    pub(crate) fn kind(&self) -> WorkKind {
        let class = match self.job {
            Job::CheckPassword { .. } if self.checked_by == CheckedBy::Authenticator => {
                Class::Inquiry
            }
            Job::CheckPassword { .. } => Class::Crypt,
            Job::OpenHome => Class::Opening,
            Job::Publish { .. } | Job::ReadyStream | Job::PublishStream => Class::Publication,
            _ => Class::Short,
        };
        WorkKind {
            class,
            device: self.device,
            account: self.account,
        }
    }
}

/// An open home and the device number of its file system.
pub(crate) struct OpenHome {
    pub(crate) home: Arc<Home>,
    pub(crate) device: u64,
    pub(crate) count: CountDue,
    /// What the login was proven by.
    pub(crate) key: LoginKey,
    pub(crate) timing: Timing,
    /// The account where the authenticator has described it.
    pub(crate) elsewhere: Option<Described>,
    pub(crate) folders: Option<Arc<Folders>>,
    /// The file system of the file that was opened last, where that is a shared folder's.
    pub(crate) file_device: Option<Device>,
}

/// A shared folder that a job has opened.
pub(crate) struct OpenFolder {
    pub(crate) home: Arc<Home>,
    pub(crate) device: u64,
    pub(crate) count: CountDue,
}

/// Whether a home is to be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CountDue {
    No,
    /// Changes wait for it.
    First,
    /// Sessions go on meanwhile.
    Again,
}

impl CountDue {
    pub(super) fn of(home: &Home) -> Self {
        match (home.is_uncounted(), home.needs_scan()) {
            (true, _) => Self::First,
            (false, true) => Self::Again,
            (false, false) => Self::No,
        }
    }
}

/// What became of a job.
pub(crate) enum JobResult {
    Done {
        completion: Completion,
        /// The session's open file from now on.
        file: Option<OpenFile>,
        /// What hooks are to be told of a file that was opened.
        hooked: Option<Arc<HookedFile>>,
        /// The user's home, after `Job::OpenHome`.
        open_home: Option<OpenHome>,
        opened: Option<OpenFolder>,
    },
    Retry {
        request: JobRequest,
        why: Refusal,
        /// The number of the connection whose silent upload holds the name.
        evict: Option<u64>,
        opened: Option<OpenFolder>,
    },
}

/// True for jobs that open a file for a transfer.
pub(crate) fn opens_file(job: &Job) -> bool {
    matches!(
        job,
        Job::OpenDownload { .. }
            | Job::OpenUpload { .. }
            | Job::OpenStream { .. }
            | Job::OpenListing(_)
    )
}

/// True for jobs that close or change the session's open file.
pub(crate) fn takes_file(job: &Job) -> bool {
    matches!(
        job,
        Job::Restart
            | Job::Prepare
            | Job::Publish { .. }
            | Job::PublishStream
            | Job::ReadyStream
            | Job::Suspend { .. }
            | Job::Discard
            | Job::CloseFile { .. }
    )
}

pub(crate) fn perform(worker: &Worker, services: &Services, mut request: JobRequest) -> JobResult {
    if request.home.is_none() {
        return opening::before_home(worker, services, request);
    }
    if takes_file(&request.job) {
        let (completion, file) = on_file(worker, &request.job, request.file.take(), &request.stop);
        let hooked = request.hooked.as_deref();
        hooked::published(worker, hooked, &request.job, &completion);
        return JobResult::Done {
            completion,
            file,
            hooked: None,
            open_home: None,
            opened: None,
        };
    }
    let (done, opened) = where_it_is(worker, services, &request);
    match done {
        Ok((completion, file)) => JobResult::Done {
            hooked: hooked::after(worker, services, &request, &completion),
            completion,
            file,
            open_home: None,
            opened,
        },
        Err(VfsError::Scanning) => JobResult::Retry {
            request,
            why: Refusal::NotReady,
            evict: None,
            opened,
        },
        Err(VfsError::TooManyOpen) if services.homes.close_idle(worker, Duration::ZERO) > 0 => {
            JobResult::Retry {
                request,
                why: Refusal::Overloaded,
                evict: None,
                opened,
            }
        }
        Err(VfsError::Busy { owner, silent }) if silent >= SILENT || owner == request.owner => {
            let evict = (owner != request.owner).then_some(owner);
            JobResult::Retry {
                request,
                why: Refusal::Busy,
                evict,
                opened,
            }
        }
        Err(error) => JobResult::Done {
            completion: Completion::Refused(refusal(&error)),
            file: None,
            hooked: None,
            open_home: None,
            opened,
        },
    }
}

pub(super) fn done(completion: Completion) -> JobResult {
    JobResult::Done {
        completion,
        file: None,
        hooked: None,
        open_home: None,
        opened: None,
    }
}

/// A job's completion and the file that it opened.
pub(crate) type Answer = (Completion, Option<OpenFile>);

pub(crate) fn below(path: &VirtualPath) -> &Path {
    Path::new(OsStr::from_bytes(path.below_home()))
}

/// A path of vfs as sessions have it.
pub(super) fn virtual_path(path: &Path) -> Option<VirtualPath> {
    let path = PathArg::new(path.as_os_str().as_bytes())?;
    VirtualPath::root().join(&path).ok()
}

pub(super) fn system_time(Stamp(seconds): Stamp) -> SystemTime {
    let distance = Duration::from_secs(seconds.unsigned_abs());
    let time = if seconds < 0 {
        UNIX_EPOCH.checked_sub(distance)
    } else {
        UNIX_EPOCH.checked_add(distance)
    };
    time.unwrap_or(UNIX_EPOCH)
}
