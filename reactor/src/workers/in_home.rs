//! Does jobs in the user's home or in a shared folder: the one translation from a session's [`Job`] to
//! a call of vfs.

use std::path::Path;
use std::sync::Arc;

use skiff_sessions::digest::Sum;
use skiff_sessions::path::{LinkTarget, VirtualPath};
use skiff_sessions::rights::{Links, Permissions, Right};
use skiff_sessions::server::job::{ChangeTime, Remembered};
use skiff_sessions::server::{Completion, DownloadFacts, Job, Reading};
use skiff_sessions::wire::reply::{Held, Refusal, Usage};
use skiff_sessions::wire::stamp::Stamp;
use skiff_vfs::{Digest, Digests, Download, Home, NameSize, VfsError, Worker};

use super::folders::{Folders, Route, Unrouted};
use super::hooked::watches_downloads;
use super::jobs::{Answer, JobRequest, OpenFolder, Services, below, system_time, virtual_path};
use super::listing_text::{ListingText, allowed, facts, listed};
use super::open_file::OpenFile;
use super::open_listing::open_listing;
use super::open_upload::{NotOpened, Sharing, Wanted};
use super::plain_names::check_names;
use super::small_file::SmallFile;

/// Where a job is done: in the user's home or in a shared folder.
struct Site<'a> {
    home: &'a Arc<Home>,
    job: &'a Job,
    links: Links,
    sharing: Sharing,
    /// Appear beside what is in the home itself.
    folders: Option<&'a Folders>,
}

/// Does the job in the home, or in the shared folder that it is about; gives that too, if it was
/// opened for it.
pub(super) fn where_it_is(
    worker: &Worker,
    services: &Services,
    request: &JobRequest,
) -> (Result<Answer, VfsError>, Option<OpenFolder>) {
    let refused = |why| Ok((Completion::Refused(why), None));
    let Some(home) = &request.home else {
        return (refused(Refusal::Fault), None);
    };
    let folders = request.folders.as_deref();
    let routed = folders.map(|folders| folders.route(worker, services, &request.job));
    match routed.transpose() {
        Err(Unrouted::Refused(why)) => (refused(why), None),
        Err(Unrouted::Failed(error)) => (Err(error), None),
        Ok(None | Some(Route::Home)) => {
            let site = Site {
                home,
                job: &request.job,
                links: request.links,
                sharing: Sharing::Own,
                folders,
            };
            (in_home(worker, services, request, &site), None)
        }
        Ok(Some(Route::Folder(mut folder))) => {
            let opened = folder.opened.take();
            let site = Site {
                home: &folder.home,
                job: &folder.job,
                links: match folder.is_whole_home() {
                    true => request.links,
                    // It is a part of somebody's home, where a link may lead to another.
                    false => Links::Refused,
                },
                sharing: Sharing::Shared,
                folders: None,
            };
            let answer = in_home(worker, services, request, &site);
            let told = answer.map(|(completion, file)| (folder.translate(completion), file));
            (told, opened)
        }
    }
}

fn in_home(
    worker: &Worker,
    services: &Services,
    request: &JobRequest,
    site: &Site<'_>,
) -> Result<Answer, VfsError> {
    let (home, sharing) = (site.home, site.sharing);
    if site.links == Links::Refused {
        check_names(worker, home, site.job)?;
    }
    let owner = request.owner;
    let wanted = |path, grant| Wanted {
        path,
        grant,
        owner,
        sharing,
    };
    let done = || (Completion::Done, None);
    Ok(match site.job {
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
        Job::OpenListing(request) => open_listing(worker, home, site.folders, request)?,
        Job::OpenStages { permissions } => {
            let mut stages = home.stages(worker)?;
            stages.retain(|stage| may_list(permissions, &stage.path));
            let text = ListingText::of_stages(stages);
            (Completion::Listing, Some(OpenFile::Listing(Box::new(text))))
        }
        Job::OpenDownload { path, reading } => {
            let reading = match watches_downloads(services) {
                // The end of what is read at once no worker sees.
                true => Reading::Parts,
                false => *reading,
            };
            open_download(worker, home, path, reading)?
        }
        Job::OpenUpload {
            path,
            size,
            replace,
            grant,
        } => told(wanted(path, *grant).open(worker, home, *size, *replace))?,
        Job::OpenStream {
            path,
            size,
            start,
            grant,
        } => told(wanted(path, *grant).open_stream(worker, home, *size, *start))?,
        Job::Size { path } => (size(worker, home, path, sharing)?, None),
        other => (on_name(worker, home, other)?, None),
    })
}

/// Whether the account may see that there is a name.
fn may_list(permissions: &Permissions, path: &Path) -> bool {
    let path = virtual_path(path);
    path.is_some_and(|path| permissions.of_name(&path).rights.has(Right::List))
}

/// What a session is told of an upload that began or did not.
fn told(opened: Result<Answer, NotOpened>) -> Result<Answer, VfsError> {
    match opened {
        Ok(answer) => Ok(answer),
        Err(NotOpened::Refused(why)) => Ok((Completion::Refused(why), None)),
        Err(NotOpened::Failed(error)) => Err(error),
    }
}

/// What a client would resume from. In a shared folder that is nobody's unfinished upload.
fn size(
    worker: &Worker,
    home: &Home,
    path: &VirtualPath,
    sharing: Sharing,
) -> Result<Completion, VfsError> {
    Ok(match (home.size(worker, below(path))?, sharing) {
        (NameSize::Staged(_), Sharing::Shared) => return Err(VfsError::NotFound),
        (NameSize::Published(size) | NameSize::Staged(size), _) => Completion::Size(size),
        (NameSize::Both, _) => Completion::Refused(Refusal::TwoSizes),
    })
}

/// Jobs about one or two names.
fn on_name(worker: &Worker, home: &Home, job: &Job) -> Result<Completion, VfsError> {
    match job {
        Job::MakeLink { path, target } => {
            home.make_link(worker, below(path), target.as_bytes())?;
        }
        Job::ReadLink { path } => {
            let target = home.read_link(worker, below(path))?;
            let refused = Completion::Refused(Refusal::NameTooLong);
            return Ok(LinkTarget::new(target).map_or(refused, Completion::LinkTarget));
        }
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
        Job::ModifiedAt { path } => {
            let modified = home.modified_of(worker, below(path))?;
            return Ok(Completion::ModifiedAt(Stamp(modified.seconds)));
        }
        Job::UniqueName { path } => {
            let name = home.free_name(worker, below(path))?;
            return Ok(
                virtual_path(&name).map_or(Completion::Refused(Refusal::Fault), Completion::Name)
            );
        }
        _ => return Ok(Completion::Refused(Refusal::Fault)),
    }
    Ok(Completion::Done)
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
        Reading::Once => SmallFile::read(worker, &file)?.map(OpenFile::Small),
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
