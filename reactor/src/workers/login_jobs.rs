//! The jobs of a session that has no home yet: is this the user, and the opening of the home.

use std::path::Path;
use std::sync::Arc;

use skiff_sessions::server::{Completion, Job, Standing};
use skiff_sessions::wire::reply::Refusal;
use skiff_vfs::{VfsError, Worker};

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

pub(super) fn before_home(worker: &Worker, services: &Services, request: JobRequest) -> JobResult {
    match &request.job {
        Job::FindAccount { user } => {
            let found = services.accounts.find_for_scram(worker, user);
            done(match found {
                Some((verifier, standing)) => Completion::Account { verifier, standing },
                None => Completion::Refused(Refusal::NoAccounts),
            })
        }
        Job::CheckPassword { user, password } => {
            let shown = shown(request.certificate.as_ref());
            let standing = services.accounts.check(worker, user, &password.0, shown);
            done(identified(standing))
        }
        Job::CheckCertificate { user } => {
            let shown = shown(request.certificate.as_ref());
            done(identified(services.accounts.recognize(worker, user, shown)))
        }
        Job::OpenHome => match open_home(worker, services, &request.user) {
            Ok((open_home, completion)) => JobResult::Done {
                completion,
                file: None,
                open_home: Some(open_home),
            },
            // Others may close what they have open.
            Err(Refusal::Overloaded) => JobResult::Retry {
                request,
                why: Refusal::Overloaded,
                evict: None,
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
) -> Result<(OpenHome, Completion), Refusal> {
    let account = services.accounts.resolve(worker, user)?;
    let open = || {
        let home = services
            .homes
            .open(worker, user, &account.root, account.limit)?;
        let (device, _) = home.stat(worker, Path::new(""))?.unique;
        let count = CountDue::of(&home);
        Ok(OpenHome {
            home,
            device,
            count,
            key: account.key,
        })
    };
    let open_home = open().map_err(|error: VfsError| {
        let root = account.root.display();
        match error {
            VfsError::InUse => {
                let holder = process(holder_of(&account.root));
                log::error!("the home {root} of {user} cannot be opened: {holder} works on it");
            }
            _ => log::error!("the home {root} of {user} cannot be opened: {error}"),
        }
        match error {
            VfsError::NotFound | VfsError::NotADirectory => Refusal::NoHome,
            other => refusal(&other),
        }
    })?;
    let completion = Completion::HomeOpen(account.access, account.rights);
    Ok((open_home, completion))
}
