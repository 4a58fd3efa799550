//! What a login needs of a worker: the account, the check of its password or certificate, and its
//! home.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use skiff_sessions::server::{Completion, Job, Standing};
use skiff_sessions::wire::reply::Refusal;
use skiff_vfs::{VfsError, Worker};

use super::folders::Folders;
use super::hooked;
use super::inquiry::{CheckedBy, ask};
use super::jobs::{CountDue, JobRequest, JobResult, OpenHome, Services, done};
use super::refusal::refusal;
use crate::accounts::client_certificate::{MaybeShown, Shown};
use crate::accounts::lock::{holder_of, process};
use crate::tls::clients::ClientCertificate;

impl Shown for ClientCertificate {
    fn fingerprint(&self) -> [u8; 32] {
        self.fingerprint
    }

    fn names(&self, user: &str) -> bool {
        self.names.include(user)
    }
}

/// As accounts judge it.
pub(crate) fn shown(certificate: Option<&Arc<ClientCertificate>>) -> MaybeShown<'_> {
    certificate.map(|certificate| &**certificate as &dyn Shown)
}

fn identified(standing: Option<Standing>) -> Completion {
    let refused = Completion::Refused(Refusal::NoAccounts);
    standing.map_or(refused, Completion::Identified)
}

/// Why a home is not opened.
enum Unopened {
    Refused(Refusal),
    /// Others may close what they have open.
    Overloaded,
    /// The process before has it open still.
    HeldBefore,
}

impl From<Refusal> for Unopened {
    fn from(why: Refusal) -> Self {
        match why {
            Refusal::Overloaded => Self::Overloaded,
            other => Self::Refused(other),
        }
    }
}

/// Does a job of a session that has no home yet.
pub(super) fn before_home(worker: &Worker, services: &Services, request: JobRequest) -> JobResult {
    match &request.job {
        Job::FindAccount { user } => {
            let accounts = &services.accounts;
            let found = accounts.find_for_scram(worker, user, request.peer);
            done(match found {
                Some((verifier, standing)) => Completion::Account { verifier, standing },
                None => Completion::Refused(Refusal::NoAccounts),
            })
        }
        Job::CheckPassword { user, password } if request.checked_by == CheckedBy::Authenticator => {
            done(ask(worker, services, &request, user, password))
        }
        Job::CheckPassword { user, password } => {
            let (accounts, shown) = (&services.accounts, shown(request.certificate.as_ref()));
            done(identified(accounts.check(
                worker,
                user,
                request.peer,
                &password.0,
                shown,
            )))
        }
        Job::CheckCertificate { user } => {
            let (accounts, shown) = (&services.accounts, shown(request.certificate.as_ref()));
            done(identified(accounts.recognize(
                worker,
                user,
                request.peer,
                shown,
            )))
        }
        Job::OpenHome => match open_home(worker, services, &request.user) {
            Ok((open_home, completion)) => {
                hooked::after(worker, services, &request, &completion);
                JobResult::Done {
                    completion,
                    file: None,
                    hooked: None,
                    open_home: Some(open_home),
                    opened: None,
                }
            }
            Err(Unopened::Overloaded) => retry(request, Refusal::Overloaded),
            // However long that process still takes: it is bounded by its drain.
            Err(Unopened::HeldBefore) => {
                let since = Instant::now();
                retry(JobRequest { since, ..request }, Refusal::NoHome)
            }
            Err(Unopened::Refused(why)) => done(Completion::Refused(why)),
        },
        _ => done(Completion::Refused(Refusal::Fault)),
    }
}

fn retry(request: JobRequest, why: Refusal) -> JobResult {
    JobResult::Retry {
        request,
        why,
        evict: None,
        opened: None,
    }
}

fn open_home(
    worker: &Worker,
    services: &Services,
    user: &str,
) -> Result<(OpenHome, Completion), Unopened> {
    let account = services.accounts.resolve(worker, user)?;
    // Asked before: the process before may end meanwhile.
    let is_in_handover = services.homes.is_in_handover();
    let open = || {
        let home = services
            .homes
            .open(worker, user, &account.root, account.rules)?;
        let (device, _) = home.stat(worker, Path::new(""))?.unique;
        let count = CountDue::of(&home);
        Ok(OpenHome {
            home,
            device,
            count,
            key: account.key,
            timing: account.timing,
            elsewhere: account.elsewhere.clone(),
            folders: Folders::of(account.folders.clone(), |path| {
                services.accounts.device_at(worker, path)
            }),
            file_device: None,
        })
    };
    let open_home = open().map_err(|error: VfsError| {
        let root = account.root.display();
        match error {
            VfsError::InUse if is_in_handover => return Unopened::HeldBefore,
            VfsError::InUse => {
                let holder = process(holder_of(&account.root));
                log::error!("the home {root} of {user} cannot be opened: {holder} works on it");
            }
            _ => log::error!("the home {root} of {user} cannot be opened: {error}"),
        }
        match error {
            VfsError::NotFound | VfsError::NotADirectory => Unopened::Refused(Refusal::NoHome),
            other => refusal(&other).into(),
        }
    })?;
    let completion = Completion::HomeOpen(Arc::new(account.terms));
    Ok((open_home, completion))
}
