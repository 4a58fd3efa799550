//! Does jobs on a session's open file: its preparation, its publication, its end.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use skiff_sessions::digest::Sum;
use skiff_sessions::server::job::DigestUpdate;
use skiff_sessions::server::{Completion, Job};
use skiff_sessions::wire::stamp::Stamp;
use skiff_vfs::{Digest, Upload, VfsError, Worker};

use super::client_watch::grace;
use super::jobs::{Answer, system_time};
use super::kept_part::{STOPPED, log_kept};
use super::open_file::OpenFile;
use super::refusal::refusal;

/// Jobs on the open file. A file that is not returned is closed here, on the worker.
pub(super) fn on_file(
    worker: &Worker,
    job: &Job,
    file: Option<OpenFile>,
    stop: &Arc<AtomicBool>,
) -> Answer {
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

/// The digest in the form that vfs stores; `None` for an algorithm that it does not store.
fn to_remember(sum: Sum) -> Option<Digest> {
    match sum {
        Sum::Md5(bytes) => Some(Digest::Md5(bytes)),
        Sum::Sha256(bytes) => Some(Digest::Sha256(bytes)),
        Sum::Sha512(_) => None,
    }
}
