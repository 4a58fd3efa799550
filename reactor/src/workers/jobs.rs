//! The one translation from a session's [`Job`] to a call of vfs or of the accounts, and from its
//! result to a [`Completion`].

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use skiff_sessions::digest::Sum;
use skiff_sessions::path::{PathArg, VirtualPath};
use skiff_sessions::server::job::{ChangeTime, DigestUpdate, Remembered};
use skiff_sessions::server::{Completion, DownloadFacts, Job, Reading, StreamStart};
use skiff_sessions::wire::command::Replace;
use skiff_sessions::wire::reply::{Held, Refusal, Usage};
use skiff_sessions::wire::stamp::Stamp;
use skiff_vfs::{
    Digest, Digests, Download, Home, Homes, Kept, NameSize, Start, Upload, UploadRequest,
    UploadStart, VfsError, Worker,
};

use super::client_watch::grace;
use super::kept_part::{STOPPED, log_kept};
use super::listing_text::{ListingText, allowed, facts, listed};
use super::login_jobs::before_home;
use super::open_file::OpenFile;
use super::open_listing::open_listing;
use super::refusal::refusal;
use super::schedule::{AccountNumber, Class, Device, WorkKind};
use super::small_file::{SMALL_FILE_MAX, SmallFile};
use crate::accounts::store::{Accounts, LoginKey};
use crate::accounts::watch::StoreWatch;
use crate::endpoints::StartedAs;
use crate::tls::clients::ClientCertificate;

/// An upload that has received nothing for this long is cancelled when the same user uploads the
/// same name again.
const SILENT: Duration = Duration::from_secs(5);

/// What every job may use, shared by all workers.
pub(crate) struct Services {
    pub(crate) homes: Homes,
    pub(crate) accounts: Accounts,
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
    /// The session's open file, for jobs that work on it.
    pub(crate) file: Option<OpenFile>,
    /// Set once the session does not wait for the result any more.
    pub(crate) stop: Arc<AtomicBool>,
    /// The number of the connection (`ConnectionId::number`), stored as the owner of its uploads.
    pub(crate) owner: u64,
    /// The file system of the home, once it is known.
    pub(crate) device: Option<Device>,
    pub(crate) account: AccountNumber,
    /// What the client has shown, for logins.
    pub(crate) certificate: Option<Arc<ClientCertificate>>,
    pub(crate) since: Instant,
}

impl JobRequest {
    /// What the job counts against.
    pub(crate) fn kind(&self) -> WorkKind {
        let class = match self.job {
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
        /// The user's home, after `Job::OpenHome`.
        open_home: Option<OpenHome>,
    },
    Retry {
        request: JobRequest,
        why: Refusal,
        /// The number of the connection whose silent upload holds the name.
        evict: Option<u64>,
    },
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
        return before_home(worker, services, request);
    }
    if takes_file(&request.job) {
        let (completion, file) = on_file(worker, &request.job, request.file.take(), &request.stop);
        return JobResult::Done {
            completion,
            file,
            open_home: None,
        };
    }
    match in_home(worker, services, &request) {
        Ok((completion, file)) => JobResult::Done {
            completion,
            file,
            open_home: None,
        },
        Err(VfsError::Scanning) => JobResult::Retry {
            request,
            why: Refusal::NotReady,
            evict: None,
        },
        Err(VfsError::TooManyOpen) if services.homes.close_idle(worker, Duration::ZERO) > 0 => {
            JobResult::Retry {
                request,
                why: Refusal::Overloaded,
                evict: None,
            }
        }
        Err(VfsError::Busy { owner, silent }) if silent >= SILENT || owner == request.owner => {
            let evict = (owner != request.owner).then_some(owner);
            JobResult::Retry {
                request,
                why: Refusal::Busy,
                evict,
            }
        }
        Err(error) => done(Completion::Refused(refusal(&error))),
    }
}

pub(super) fn done(completion: Completion) -> JobResult {
    JobResult::Done {
        completion,
        file: None,
        open_home: None,
    }
}

/// A job's completion and the file that it opened.
pub(crate) type Answer = (Completion, Option<OpenFile>);

fn in_home(worker: &Worker, services: &Services, request: &JobRequest) -> Result<Answer, VfsError> {
    let Some(home) = &request.home else {
        return Ok((Completion::Refused(Refusal::Fault), None));
    };
    let done = || (Completion::Done, None);
    Ok(match &request.job {
        Job::SetPassword { change, binding } => {
            let accounts = &services.accounts;
            match accounts.set_password(worker, &request.user, change, binding) {
                Ok(()) => done(),
                Err(why) => (Completion::Refused(why), None),
            }
        }
        Job::ChangeDirectory { to } => home.check_enter(worker, below(to)).map(|()| done())?,
        Job::Usage => (Completion::Usage(usage(worker, home)?), None),
        Job::UsageIn { folder } => {
            home.check_enter(worker, below(folder))?;
            (Completion::Usage(usage(worker, home)?), None)
        }
        Job::MakeDirectory { path } => home.make_dir(worker, below(path)).map(|()| done())?,
        Job::Remove { path } => home.remove(worker, below(path)).map(|()| done())?,
        Job::CheckSource { path } => home.stat_link(worker, below(path)).map(|_| done())?,
        Job::Rename { from, to } => home
            .rename(worker, below(from), below(to), skiff_vfs::Replace::Never)
            .map(|()| done())?,
        Job::DropStage { path } => home.drop_stage(worker, below(path)).map(|()| done())?,
        Job::OpenListing(request) => open_listing(worker, home, request)?,
        Job::OpenStages => {
            let text = ListingText::of_stages(home.stages(worker)?);
            (Completion::Listing, Some(OpenFile::Listing(Box::new(text))))
        }
        Job::OpenDownload { path, reading } => open_download(worker, home, path, *reading)?,
        Job::OpenUpload {
            path,
            size,
            replace,
        } => {
            let request = UploadRequest {
                size: Some(*size),
                start: Start::Stage,
                replace: replacement(*replace),
                keep: Kept::Whole,
                owner: request.owner,
            };
            opened_upload(home.upload(worker, below(path), &request)?)
        }
        Job::OpenStream { path, size, start } => {
            let request = UploadRequest {
                size: *size,
                replace: skiff_vfs::Replace::Existing,
                keep: Kept::ButLastByte,
                start: match start {
                    StreamStart::Offset(offset) => Start::Offset(*offset),
                    StreamStart::End => Start::End,
                },
                owner: request.owner,
            };
            let mut opened = home.upload(worker, below(path), &request)?;
            // What an older upload left is cut off before the client is told to send: else, where
            // not one byte came, it would go on behind another file's bytes.
            if let (UploadStart::Open(upload), StreamStart::Offset(0)) = (&mut opened, start) {
                upload.prepare(worker)?;
            }
            opened_stream(opened)
        }
        other => (on_name(worker, home, other)?, None),
    })
}

fn replacement(replace: Replace) -> skiff_vfs::Replace {
    match replace {
        Replace::Never => skiff_vfs::Replace::Never,
        Replace::Yes => skiff_vfs::Replace::Existing,
    }
}

/// Jobs about one or two names.
fn on_name(worker: &Worker, home: &Home, job: &Job) -> Result<Completion, VfsError> {
    match job {
        Job::RemoveFile { path } => home.remove_file(worker, below(path))?,
        Job::RemoveDirectory { path } => home.remove_dir(worker, below(path))?,
        Job::RenameOver { from, to } => {
            let replace = skiff_vfs::Replace::Existing;
            home.rename(worker, below(from), below(to), replace)?;
        }
        Job::SetModified { path, modified } => {
            let stored = home.set_modified(worker, below(path), system_time(*modified))?;
            return Ok(Completion::ModifiedAt(Stamp(stored.seconds)));
        }
        Job::SetMode { path, mode } => home.set_mode(worker, below(path), *mode)?,
        Job::SetAttributes {
            path,
            modified,
            mode,
        } => {
            let path = below(path);
            if let Some(mode) = mode {
                home.set_mode(worker, path, *mode)?;
            }
            if let Some(modified) = modified {
                home.set_modified(worker, path, system_time(*modified))?;
            }
            return Ok(Completion::Facts(facts(&home.stat(worker, path)?)));
        }
        Job::Facts { path } => {
            let entry = home.stat(worker, below(path))?;
            return Ok(Completion::Facts(facts(&entry)));
        }
        Job::Entry { path } => {
            let (entry, permissions) = home.stat_link_permitted(worker, below(path))?;
            return Ok(Completion::Entry(listed(&entry, allowed(permissions))));
        }
        Job::Size { path } => {
            return Ok(match home.size(worker, below(path))? {
                NameSize::Published(size) | NameSize::Staged(size) => Completion::Size(size),
                NameSize::Both => Completion::Refused(Refusal::TwoSizes),
            });
        }
        Job::ModifiedAt { path } => {
            let modified = home.modified_of(worker, below(path))?;
            return Ok(Completion::ModifiedAt(Stamp(modified.seconds)));
        }
        Job::UniqueName { path } => {
            let name = home.free_name(worker, below(path))?;
            let found = PathArg::new(name.as_os_str().as_bytes());
            let found = found.and_then(|name| VirtualPath::root().join(&name).ok());
            return Ok(found.map_or(Completion::Refused(Refusal::Fault), Completion::Name));
        }
        _ => return Ok(Completion::Refused(Refusal::Fault)),
    }
    Ok(Completion::Done)
}

fn opened_stream(start: UploadStart) -> Answer {
    match start {
        UploadStart::Complete { .. } => (Completion::Refused(Refusal::Exists), None),
        UploadStart::Open(upload) => {
            let have = upload.position();
            (
                Completion::Upload { have },
                Some(OpenFile::Upload(Box::new(upload))),
            )
        }
    }
}

fn open_download(
    worker: &Worker,
    home: &Home,
    path: &VirtualPath,
    reading: Reading,
) -> Result<Answer, VfsError> {
    let file = home.download(worker, below(path))?;
    let facts = download_facts(&file);
    let opened = match reading {
        Reading::Once => read_whole(worker, &file)?,
        Reading::Parts => None,
    };
    let opened = opened.unwrap_or_else(|| OpenFile::Download(Box::new(file)));
    Ok((Completion::Download(facts), Some(opened)))
}

pub(crate) fn download_facts(file: &Download) -> DownloadFacts {
    let (digests, changed) = (file.digests(), file.changed());
    DownloadFacts {
        size: file.size(),
        modified: Stamp(file.modified().seconds),
        changed: ChangeTime {
            seconds: changed.seconds,
            nanoseconds: changed.nanoseconds,
        },
        remembered: remembered(digests),
    }
}

fn remembered(digests: Option<Digests>) -> Remembered {
    let sum = |digest| match digest {
        Digest::Md5(bytes) => Sum::Md5(bytes),
        Digest::Sha256(bytes) => Sum::Sha256(bytes),
    };
    Remembered {
        verified: digests.map(|digests| sum(digests.verified)),
        later: digests.and_then(|digests| digests.later).map(sum),
    }
}

/// The digest in the form that vfs stores; `None` for an algorithm that it does not store.
fn to_remember(sum: Sum) -> Option<Digest> {
    match sum {
        Sum::Md5(bytes) => Some(Digest::Md5(bytes)),
        Sum::Sha256(bytes) => Some(Digest::Sha256(bytes)),
        Sum::Sha512(_) => None,
    }
}

/// Reads a small file whole; `None` if it is larger than [`SMALL_FILE_MAX`], or became shorter.
fn read_whole(worker: &Worker, file: &Download) -> Result<Option<OpenFile>, VfsError> {
    let Some(size) = usize::try_from(file.size())
        .ok()
        .filter(|size| *size <= SMALL_FILE_MAX)
    else {
        return Ok(None);
    };
    let (mut bytes, mut have) = (vec![0; size], 0);
    while have < size {
        match file.read_at(worker, have as u64, &mut bytes[have..])? {
            0 => return Ok(None),
            count => have += count,
        }
    }
    Ok(Some(OpenFile::Small(SmallFile(bytes))))
}

fn opened_upload(start: UploadStart) -> Answer {
    match start {
        UploadStart::Complete { .. } => (Completion::AlreadyThere, None),
        UploadStart::Open(upload) => {
            let have = upload.initial_len();
            (
                Completion::Upload { have },
                Some(OpenFile::Upload(Box::new(upload))),
            )
        }
    }
}

/// Jobs on the open file. A file that is not returned is closed here, on the worker.
fn on_file(worker: &Worker, job: &Job, file: Option<OpenFile>, stop: &Arc<AtomicBool>) -> Answer {
    match (job, file) {
        (Job::Restart, Some(OpenFile::Upload(mut upload))) => match upload.restart(worker) {
            Ok(()) => (Completion::Done, Some(OpenFile::Upload(upload))),
            Err(error) => (Completion::Refused(refusal(&error)), None),
        },
        (Job::Prepare, Some(OpenFile::Upload(mut upload))) => match upload.prepare(worker) {
            Ok(()) => (Completion::Done, Some(OpenFile::Upload(upload))),
            Err(error) => (Completion::Refused(refusal(&error)), None),
        },
        (Job::Publish { sum, modified }, Some(OpenFile::Upload(upload))) => {
            let digest = to_remember(*sum);
            (publish(worker, *upload, digest, *modified), None)
        }
        (Job::ReadyStream, Some(OpenFile::Upload(mut upload))) => match upload.make_ready(worker) {
            Ok(()) => {
                let grace = grace(&upload);
                (
                    Completion::StreamReady { grace },
                    Some(OpenFile::Upload(upload)),
                )
            }
            Err(error) => (Completion::Refused(refusal(&error)), None),
        },
        (Job::PublishStream, Some(OpenFile::Upload(mut upload))) => {
            upload.set_stop_flag(Arc::clone(stop));
            (publish(worker, *upload, None, None), None)
        }
        (Job::Suspend { cause }, Some(OpenFile::Upload(upload))) => {
            log_kept(&upload, Some(*cause));
            upload.suspend(worker);
            (Completion::Done, None)
        }
        (Job::Discard, Some(OpenFile::Upload(upload))) => {
            upload.discard(worker);
            (Completion::Done, None)
        }
        (Job::CloseFile { digest }, Some(OpenFile::Download(mut file))) => {
            let news = match digest {
                DigestUpdate::Computed(sum) => {
                    to_remember(*sum).map_or(Ok(()), |digest| file.store_digest(worker, digest))
                }
                DigestUpdate::Wrong => file.remove_digests(worker),
                DigestUpdate::None => Ok(()),
            };
            if let Err(error) = news {
                log::debug!("a digest was not remembered: {error}");
            }
            (Completion::Done, None)
        }
        _ => (Completion::Done, None),
    }
}

fn publish(
    worker: &Worker,
    upload: Upload,
    digest: Option<Digest>,
    modified: Option<Stamp>,
) -> Completion {
    let bytes = upload.file_len();
    match upload.publish(worker, digest, modified.map(system_time)) {
        Ok(published) => Completion::Published {
            size: published.size,
        },
        Err(error) => {
            if matches!(error, VfsError::Stopped) {
                log::warn!("an upload of {bytes} bytes is not published: {STOPPED}");
            }
            Completion::Refused(refusal(&error))
        }
    }
}

fn usage(worker: &Worker, home: &Home) -> Result<Usage, VfsError> {
    let limit = home.usage().limit;
    let held = home.holdings(worker)?.map(|holdings| Held {
        used: holdings.usage.used.bytes,
        staged: holdings.staged,
        reserved: holdings.usage.reserved.bytes,
        free: holdings.free,
        entries: holdings.usage.used.entries,
    });
    Ok(Usage {
        limit: limit.bytes,
        entries_limit: limit.entries,
        held,
    })
}

pub(crate) fn below(path: &VirtualPath) -> &Path {
    Path::new(OsStr::from_bytes(path.below_home()))
}

fn system_time(Stamp(seconds): Stamp) -> SystemTime {
    let distance = Duration::from_secs(seconds.unsigned_abs());
    let time = if seconds < 0 {
        UNIX_EPOCH.checked_sub(distance)
    } else {
        UNIX_EPOCH.checked_add(distance)
    };
    time.unwrap_or(UNIX_EPOCH)
}
