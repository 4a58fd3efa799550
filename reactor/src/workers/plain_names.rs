//! Refuses links in the paths of jobs of an account whose folders have different rules: it is judged
//! by names what may be done, and a link gives a file another one.

use skiff_sessions::path::VirtualPath;
use skiff_sessions::server::Job;
use skiff_vfs::{Home, LastName, VfsError, Worker};

use super::jobs::below;

/// [`VfsError::Link`] where a link would be followed on the way to what the job is about.
pub(super) fn check_names(worker: &Worker, home: &Home, job: &Job) -> Result<(), VfsError> {
    let plain = |path: &VirtualPath, last| home.check_plain(worker, below(path), last);
    match job {
        // Nobody makes what he may not use.
        Job::MakeLink { .. } => Err(VfsError::Link),
        // A link is renamed and removed itself, and its facts are its own.
        Job::Rename { from, to } | Job::RenameOver { from, to } => {
            plain(from, LastName::MayBeLink)?;
            plain(to, LastName::MayBeLink)
        }
        Job::Remove { path }
        | Job::RemoveFile { path }
        | Job::RemoveDirectory { path }
        | Job::CheckSource { path }
        | Job::MakeDirectory { path }
        | Job::UniqueName { path }
        | Job::ReadLink { path }
        | Job::Entry { path } => plain(path, LastName::MayBeLink),
        Job::ChangeDirectory { to: path }
        | Job::UsageIn { folder: path }
        | Job::Facts { path }
        | Job::DropStage { path }
        | Job::Size { path }
        | Job::ModifiedAt { path }
        | Job::SetModified { path, .. }
        | Job::SetMode { path, .. }
        | Job::SetAttributes { path, .. }
        | Job::OpenDownload { path, .. }
        | Job::OpenUpload { path, .. }
        | Job::OpenStream { path, .. } => plain(path, LastName::IsNoLink),
        Job::OpenListing(request) => {
            let literal = request.literal.as_ref();
            plain(&request.place.path, LastName::IsNoLink)?;
            literal.map_or(Ok(()), |literal| plain(&literal.path, LastName::IsNoLink))
        }
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
        | Job::CloseFile { .. } => Ok(()),
    }
}
