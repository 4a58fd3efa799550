//! The one translation: a session's `Job`, done by vfs, as a `Completion`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use skiff_sessions::digest::{Md5Sum, Sum};
use skiff_sessions::path::VirtualPath;
use skiff_sessions::server::job::DigestNews;
use skiff_sessions::server::{Completion, DownloadFacts, Job};
use skiff_sessions::wire::command::Replace;
use skiff_sessions::wire::reply::{Refusal, Usage};
use skiff_sessions::wire::stamp::Stamp;
use skiff_vfs::{Digests, Home, Homes, Upload, UploadRequest, UploadStart, VfsError, Worker};

use crate::accounts::Accounts;
use crate::files::{ListingText, OpenFile, facts, refusal};

/// A writer silent for this long gives way to the same user's next one.
const SILENT: Duration = Duration::from_secs(5);

/// What all jobs share.
pub(crate) struct Services {
    pub(crate) homes: Homes,
    pub(crate) accounts: Accounts,
    /// The configuration, for SIGHUP.
    pub(crate) file: PathBuf,
}

/// A job with what it needs.
pub(crate) struct Order {
    pub(crate) job: Job,
    /// Who asks; empty before the login names one.
    pub(crate) user: String,
    pub(crate) home: Option<Arc<Home>>,
    /// The open file, for jobs that work on it.
    pub(crate) file: Option<OpenFile>,
    /// The connection, as other uploads are told of it.
    pub(crate) owner: u64,
    pub(crate) since: Instant,
}

/// A home in use, and the file system it is on.
pub(crate) struct Lodged {
    pub(crate) home: Arc<Home>,
    pub(crate) device: u64,
}

/// A job that was done, or cannot be yet.
pub(crate) enum Performed {
    Done {
        completion: Completion,
        /// The file that is open from now on.
        file: Option<OpenFile>,
        /// Of a user who was let in.
        lodged: Option<Lodged>,
    },
    Later {
        order: Order,
        why: Refusal,
        /// The connection whose silent upload is in the way.
        evict: Option<u64>,
    },
}

/// Whether a job closes or changes the session's open file.
pub(crate) fn takes_file(job: &Job) -> bool {
    matches!(
        job,
        Job::Restart | Job::Publish { .. } | Job::Suspend | Job::Discard | Job::CloseFile { .. }
    )
}

pub(crate) fn perform(worker: &Worker, services: &Services, mut order: Order) -> Performed {
    if order.home.is_none() {
        return before_home(worker, services, &order);
    }
    if takes_file(&order.job) {
        let (completion, file) = on_file(worker, &order.job, order.file.take());
        return Performed::Done {
            completion,
            file,
            lodged: None,
        };
    }
    match in_home(worker, services, &order) {
        Ok((completion, file)) => Performed::Done {
            completion,
            file,
            lodged: None,
        },
        Err(VfsError::Scanning) => Performed::Later {
            order,
            why: Refusal::NotReady,
            evict: None,
        },
        Err(VfsError::Busy { owner, silent }) if silent >= SILENT || owner == order.owner => {
            let evict = (owner != order.owner).then_some(owner);
            Performed::Later {
                order,
                why: Refusal::Busy,
                evict,
            }
        }
        Err(error) => done(Completion::Refused(refusal(&error))),
    }
}

fn done(completion: Completion) -> Performed {
    Performed::Done {
        completion,
        file: None,
        lodged: None,
    }
}

fn before_home(worker: &Worker, services: &Services, order: &Order) -> Performed {
    match &order.job {
        Job::FindAccount { user } => {
            let (verifier, standing) = services.accounts.find(worker, user);
            done(Completion::Account { verifier, standing })
        }
        Job::OpenHome => match open_home(worker, services, &order.user) {
            Ok((lodged, completion)) => Performed::Done {
                completion,
                file: None,
                lodged: Some(lodged),
            },
            Err(why) => done(Completion::Refused(why)),
        },
        _ => done(Completion::Refused(Refusal::Fault)),
    }
}

fn open_home(
    worker: &Worker,
    services: &Services,
    user: &str,
) -> Result<(Lodged, Completion), Refusal> {
    let lodging = services.accounts.lodging(worker, user)?;
    let lodge = || {
        let home = services
            .homes
            .open(worker, user, &lodging.root, lodging.limit)?;
        let (device, _) = home.stat(worker, Path::new(""))?.unique;
        Ok(Lodged { home, device })
    };
    let lodged = lodge().map_err(|error: VfsError| {
        log::error!(
            "the home {} of {user} cannot be opened: {error}",
            lodging.root.display()
        );
        refusal(&error)
    })?;
    Ok((lodged, Completion::HomeOpen(lodging.access)))
}

type Answer = (Completion, Option<OpenFile>);

fn in_home(worker: &Worker, services: &Services, order: &Order) -> Result<Answer, VfsError> {
    let Some(home) = &order.home else {
        return Ok((Completion::Refused(Refusal::Fault), None));
    };
    let done = || (Completion::Done, None);
    Ok(match &order.job {
        Job::SetPassword { verifier } => {
            match services
                .accounts
                .set_password(worker, &order.user, verifier)
            {
                Ok(()) => done(),
                Err(why) => (Completion::Refused(why), None),
            }
        }
        Job::ChangeDirectory { to } => home.enter(worker, below(to)).map(|()| done())?,
        Job::Facts { path } => (
            Completion::Facts(facts(&home.stat(worker, below(path))?)),
            None,
        ),
        Job::Usage => (Completion::Usage(usage(worker, home)), None),
        Job::MakeDirectory { path } => home.make_dir(worker, below(path)).map(|()| done())?,
        Job::Remove { path } => home.remove(worker, below(path)).map(|()| done())?,
        Job::CheckSource { path } => home.stat_link(worker, below(path)).map(|_| done())?,
        Job::Rename { from, to } => home
            .rename(worker, below(from), below(to))
            .map(|()| done())?,
        Job::DropStage { path } => home.drop_stage(worker, below(path)).map(|()| done())?,
        Job::OpenListing { path } => {
            let text = ListingText::of_directory(home.list(worker, below(path))?);
            (Completion::Listing, Some(OpenFile::Listing(Box::new(text))))
        }
        Job::OpenStages => {
            let text = ListingText::of_stages(home.stages(worker)?);
            (Completion::Listing, Some(OpenFile::Listing(Box::new(text))))
        }
        Job::OpenDownload { path } => open_download(worker, home, path)?,
        Job::OpenUpload {
            path,
            size,
            replace,
        } => {
            let replace = match replace {
                Replace::Never => skiff_vfs::Replace::Never,
                Replace::Yes => skiff_vfs::Replace::Existing,
            };
            let request = UploadRequest {
                size: Some(*size),
                replace,
                owner: order.owner,
            };
            opened_upload(home.upload(worker, below(path), &request)?)
        }
        _ => (Completion::Refused(Refusal::Fault), None),
    })
}

fn open_download(worker: &Worker, home: &Home, path: &VirtualPath) -> Result<Answer, VfsError> {
    let file = home.download(worker, below(path))?;
    let digests = file.digests();
    let facts = DownloadFacts {
        size: file.size(),
        modified: Stamp(file.modified().seconds),
        md5: digests.map(|digests| Md5Sum(digests.md5)),
        sha256: digests.and_then(|digests| digests.sha256),
    };
    Ok((
        Completion::Download(facts),
        Some(OpenFile::Download(Box::new(file))),
    ))
}

fn opened_upload(start: UploadStart) -> Answer {
    match start {
        UploadStart::Complete { size, digests, .. } => {
            let md5 = digests.map(|digests| Md5Sum(digests.md5));
            (Completion::AlreadyThere { size, md5 }, None)
        }
        UploadStart::Open(upload) => {
            let have = upload.have();
            (
                Completion::Upload { have },
                Some(OpenFile::Upload(Box::new(upload))),
            )
        }
    }
}

/// Jobs on the open file; what is not given back is closed, here on the worker.
fn on_file(worker: &Worker, job: &Job, file: Option<OpenFile>) -> Answer {
    match (job, file) {
        (Job::Restart, Some(OpenFile::Upload(mut upload))) => match upload.restart(worker) {
            Ok(()) => (Completion::Done, Some(OpenFile::Upload(upload))),
            Err(error) => (Completion::Refused(refusal(&error)), None),
        },
        (Job::Publish { md5, modified }, Some(OpenFile::Upload(upload))) => {
            (publish(worker, *upload, *md5, *modified), None)
        }
        (Job::Suspend, Some(OpenFile::Upload(upload))) => {
            upload.suspend(worker);
            (Completion::Done, None)
        }
        (Job::Discard, Some(OpenFile::Upload(upload))) => {
            upload.discard(worker);
            (Completion::Done, None)
        }
        (Job::CloseFile { digest }, Some(OpenFile::Download(mut file))) => {
            let news = match digest {
                DigestNews::Computed(Sum::Md5(Md5Sum(md5))) => file.remember(
                    worker,
                    &Digests {
                        md5: *md5,
                        sha256: None,
                    },
                ),
                DigestNews::Wrong => file.forget(worker),
                DigestNews::None | DigestNews::Computed(Sum::Sha256(_) | Sum::Sha512(_)) => Ok(()),
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
    Md5Sum(md5): Md5Sum,
    modified: Option<Stamp>,
) -> Completion {
    let digests = Digests { md5, sha256: None };
    match upload.publish(worker, Some(digests), modified.map(system_time)) {
        Ok(published) => Completion::Published {
            size: published.size,
        },
        Err(error) => Completion::Refused(refusal(&error)),
    }
}

fn usage(worker: &Worker, home: &Home) -> Usage {
    let usage = home.usage();
    let staged = home
        .stages(worker)
        .map_or(0, |all| all.iter().map(|stage| stage.size).sum());
    Usage {
        used: usage.used.bytes,
        limit: usage.limit.bytes,
        staged,
        entries: usage.used.entries,
        entries_limit: usage.limit.entries,
    }
}

fn below(path: &VirtualPath) -> &Path {
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
