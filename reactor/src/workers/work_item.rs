//! The work items that the reactor submits to the pool, and the outcomes that come back.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use skiff_sessions::server::job::KeptBecause;
use skiff_sessions::server::{Completion, JobId};
use skiff_sessions::transfer::Burst;
use skiff_sessions::wire::reply::Refusal;
use skiff_vfs::Worker;

use super::burst::{LentTransfer, handshake};
use super::inquiry::{Forwarded, is_for_authenticator};
use super::jobs::{JobRequest, JobResult, Services, perform};
use super::kept_part::log_kept;
use super::observation::{Asker, Observation};
use super::open_file::OpenFile;
use super::pool::{Work, WorkerContext};
use super::schedule::{Device, Progress};
use super::upkeep::Upkeep;
use crate::accesslog::AccessLog;
use crate::accounts::verdict::AccountsNow;
use crate::control::command::Answer;
use crate::endpoints::reload::{InUse, Reloaded};
use crate::tls::ftp::FtpTls;
use crate::transport::channel::{Channel, Handshake};
use crate::transport::ids::{ConnectionId, Socket};
use crate::workers::password_check::PasswordCheck;

/// An item of work for the pool.
pub(crate) enum WorkItem {
    Job {
        connection: ConnectionId,
        id: JobId,
        request: Box<JobRequest>,
        services: Arc<Services>,
        /// Counts as a failed login until the outcome was taken.
        check: Option<PasswordCheck>,
    },
    /// Finds out which file system the home is on, before it is opened for the first time.
    LocateHome {
        connection: ConnectionId,
        id: JobId,
        request: Box<JobRequest>,
        services: Arc<Services>,
    },
    Burst {
        connection: ConnectionId,
        lent: Box<LentTransfer>,
    },
    Handshake {
        connection: ConnectionId,
        socket: Socket,
        channel: Channel,
    },
    /// Closes a file that no session needs any more, and why, where it is an upload; close(2) may
    /// block.
    CloseFile(OpenFile, Option<KeptBecause>),
    /// Does something for homes.
    Upkeep(Upkeep),
    /// Reads the configuration again, at SIGHUP or at the operator's command.
    Reload {
        services: Arc<Services>,
        tickets: Option<FtpTls>,
        log: AccessLog,
        answer: Option<Answer>,
    },
}

/// What came of a work item.
pub(crate) enum Outcome {
    Job {
        connection: ConnectionId,
        id: JobId,
        result: Box<JobResult>,
        check: Option<PasswordCheck>,
    },
    HomeLocated {
        connection: ConnectionId,
        id: JobId,
        request: Box<JobRequest>,
        device: Device,
    },
    Burst {
        connection: ConnectionId,
        lent: Box<LentTransfer>,
        burst: Burst,
        took: Duration,
    },
    Handshake {
        connection: ConnectionId,
        socket: Socket,
        channel: Channel,
        result: io::Result<Handshake>,
    },
    IsForAuthenticator(Box<Forwarded>),
    /// Or why the new configuration is refused.
    Reloaded(Result<Box<Reloaded>, String>, Option<Answer>),
    /// The accounts were read, as they may have changed.
    Accounts(Box<AccountsNow>),
    /// Homes were opened for no session.
    HomesOpened,
    /// A home was counted again; by how many bytes its ledger was off.
    Recounted(u64),
    Observed(Asker, Box<Observation>),
    Nothing,
}

/// Reads the configuration again, and tries whether its logs can be opened.
fn reload(
    worker: &Worker,
    services: &Services,
    tickets: Option<FtpTls>,
    log: &AccessLog,
) -> Result<Box<Reloaded>, String> {
    let in_use = InUse {
        config: services.accounts.config(),
        started_as: services.started_as,
        tickets,
    };
    let reloaded = Reloaded::read(worker, &services.file, &in_use)?;
    log.require_openable(&reloaded.config.log)
        .map_err(|error| error.to_string())?;
    Ok(Box::new(reloaded))
}

impl Work for WorkItem {
    type Outcome = Outcome;

    fn asked_at(&self) -> Option<Instant> {
        match self {
            Self::Job { request, .. } | Self::LocateHome { request, .. } => Some(request.since),
            Self::Burst { .. }
            | Self::Handshake { .. }
            | Self::CloseFile(..)
            | Self::Upkeep(_)
            | Self::Reload { .. } => None,
        }
    }

    fn progress(&self) -> Progress {
        match self {
            Self::Burst { lent, .. } => lent.progress(),
            _ => Progress::Fresh,
        }
    }

    fn run(self, context: &mut WorkerContext<'_>) -> Outcome {
        match self {
            Self::Job {
                connection,
                id,
                request,
                services,
                check,
            } => run_job(context.worker, connection, id, request, &services, check),
            Self::LocateHome {
                connection,
                id,
                request,
                services,
            } => {
                let home = services.accounts.device_of(context.worker, &request.user);
                Outcome::HomeLocated {
                    connection,
                    id,
                    request,
                    device: home.map_or(Device::Unknown, Device::Number),
                }
            }
            Self::Burst {
                connection,
                mut lent,
            } => {
                let began = Instant::now();
                let burst = lent.run(context);
                Outcome::Burst {
                    connection,
                    lent,
                    burst,
                    took: began.elapsed(),
                }
            }
            Self::Handshake {
                connection,
                socket,
                mut channel,
            } => {
                let result = handshake(&mut channel, context);
                Outcome::Handshake {
                    connection,
                    socket,
                    channel,
                    result,
                }
            }
            Self::Reload {
                services,
                tickets,
                log,
                answer,
            } => Outcome::Reloaded(reload(context.worker, &services, tickets, &log), answer),
            Self::CloseFile(file, cause) => {
                close(context.worker, file, cause);
                Outcome::Nothing
            }
            Self::Upkeep(upkeep) => upkeep.run(context.worker),
        }
    }
}

/// Performs a job, unless it is one for other threads.
fn run_job(
    worker: &Worker,
    connection: ConnectionId,
    id: JobId,
    request: Box<JobRequest>,
    services: &Services,
    check: Option<PasswordCheck>,
) -> Outcome {
    if is_for_authenticator(worker, services, &request) {
        let request = *request;
        return Outcome::IsForAuthenticator(Box::new(Forwarded {
            connection,
            id,
            request,
            check,
        }));
    }
    let result = Box::new(perform(worker, services, *request));
    Outcome::Job {
        connection,
        id,
        result,
        check,
    }
}

/// Closes a file; an upload is kept, to be resumed.
fn close(worker: &Worker, file: OpenFile, cause: Option<KeptBecause>) {
    match file {
        OpenFile::Upload(upload) => {
            log_kept(&upload, cause);
            upload.suspend(worker);
        }
        OpenFile::Download(_) | OpenFile::Listing(_) | OpenFile::Small(_) => {}
    }
}

impl WorkItem {
    /// Refuses a job that waits too long. Returns the answer, and what is left to do with its file;
    /// anything else stays as it is.
    pub(crate) fn refuse(self, why: Refusal) -> (Option<Outcome>, Option<Self>) {
        let Self::Job {
            connection,
            id,
            mut request,
            check,
            ..
        } = self
        else {
            return (None, Some(self));
        };
        let (user, file) = (&request.user, request.file.take());
        log::warn!("a job of {user} is refused: it has waited too long for a file system");
        let result = Box::new(JobResult::Done {
            completion: Completion::Refused(why),
            file: None,
            hooked: None,
            open_home: None,
            opened: None,
        });
        let refused = Outcome::Job {
            connection,
            id,
            result,
            check,
        };
        let kept = Some(KeptBecause::Refused(why));
        (Some(refused), file.map(|file| Self::CloseFile(file, kept)))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use skiff_conf::Server;
    use skiff_sessions::server::Job;
    use skiff_vfs::{Homes, Policy};

    use super::super::schedule::AccountNumber;
    use super::super::small_file::SmallFile;
    use super::*;
    use crate::accounts::store::Accounts;
    use crate::endpoints::StartedAs;

    fn job(job: Job, file: Option<OpenFile>) -> WorkItem {
        let folder = tempfile::tempdir().unwrap();
        let settings = folder.path().join("server.ron");
        std::fs::write(&settings, "()").unwrap();
        let config = Arc::new(Server::load(&settings).unwrap());
        let services = Services {
            homes: Homes::new(folder.path().to_owned(), Policy::default()),
            accounts: Accounts::new(config, [0; 32]).unwrap(),
            hooks: None,
            watch: None,
            file: settings,
            started_as: StartedAs::Server,
        };
        let request = JobRequest {
            job,
            user: "tom".to_owned(),
            home: None,
            folders: None,
            file,
            hooked: None,
            stop: Arc::new(AtomicBool::new(false)),
            owner: 1,
            peer: std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST),
            links: skiff_sessions::rights::Links::Followed,
            device: Some(Device::Number(1)),
            account: AccountNumber(1),
            certificate: None,
            since: Instant::now(),
            came_by: crate::accounts::elsewhere::CameBy::Clear,
            checked_by: crate::workers::inquiry::CheckedBy::Store,
        };
        WorkItem::Job {
            connection: ConnectionId {
                index: 1,
                generation: 1,
            },
            id: JobId(1),
            request: Box::new(request),
            services: Arc::new(services),
            check: None,
        }
    }

    #[test]
    fn a_job_that_waits_too_long_is_refused_and_its_file_is_closed_by_a_worker() {
        let why = Refusal::Overloaded;
        for (file, is_left) in [(None, false), (Some(SmallFile(Vec::new())), true)] {
            let (refused, left) = job(Job::Discard, file.map(OpenFile::Small)).refuse(why);
            let Some(Outcome::Job { result, .. }) = refused else {
                panic!("nobody is answered");
            };
            let JobResult::Done {
                completion: Completion::Refused(told),
                file: None,
                ..
            } = *result
            else {
                panic!("it is not refused");
            };
            assert_eq!(told, why);
            let kept = Some(KeptBecause::Refused(why));
            let closes = matches!(left, Some(WorkItem::CloseFile(_, cause)) if cause == kept);
            assert_eq!(closes, is_left);
        }
    }
}
