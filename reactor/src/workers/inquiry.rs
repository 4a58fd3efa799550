//! Passwords of users whom only the authenticator knows: they are checked by threads of their own.

use skiff_sessions::server::{Completion, Job, JobId};
use skiff_sessions::wire::command::Secret;
use skiff_vfs::Worker;

use super::jobs::{JobRequest, Services};
use super::opening::shown;
use super::password_check::PasswordCheck;
use crate::accounts::elsewhere::{Caller, Inquiry};
use crate::transport::ids::ConnectionId;

/// Who checks a password.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum CheckedBy {
    Store,
    Authenticator,
}

/// A password that no account of the store can prove, to be asked about.
pub(crate) struct Forwarded {
    pub(crate) connection: ConnectionId,
    pub(crate) id: JobId,
    pub(crate) request: JobRequest,
    pub(crate) check: Option<PasswordCheck>,
}

/// Whether the job is a password that only the authenticator can check, for which other threads wait.
pub(super) fn is_for_authenticator(
    worker: &Worker,
    services: &Services,
    request: &JobRequest,
) -> bool {
    match &request.job {
        Job::CheckPassword { user, password } if request.checked_by == CheckedBy::Store => {
            let accounts = &services.accounts;
            accounts.asks_elsewhere(worker, user, &password.0)
        }
        _ => false,
    }
}

/// Asks the authenticator about a password.
pub(super) fn ask(
    worker: &Worker,
    services: &Services,
    request: &JobRequest,
    user: &str,
    password: &Secret,
) -> Completion {
    let inquiry = Inquiry {
        user,
        password: &password.0,
        caller: Caller {
            from: request.peer,
            shown: shown(request.certificate.as_ref()),
        },
        came_by: request.came_by,
        since: request.since,
    };
    let standing = services.accounts.ask_elsewhere(worker, &inquiry);
    standing.map_or_else(Completion::Refused, Completion::Identified)
}
