//! Holds the logins whose turn has not come, by time.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Instant;

use skiff_sessions::server::JobId;

use crate::transport::ids::ConnectionId;
use crate::workers::jobs::JobRequest;

/// A step of a login that is to be done by a worker.
pub(crate) struct Login {
    pub(crate) connection: ConnectionId,
    pub(crate) id: JobId,
    pub(crate) request: JobRequest,
    pub(crate) address: IpAddr,
}

#[derive(Default)]
pub(crate) struct WaitingLogins {
    /// By time, then in the order in which they came.
    logins: BTreeMap<(Instant, u64), Login>,
    next: u64,
}

impl WaitingLogins {
    pub(crate) fn push(&mut self, at: Instant, login: Login) {
        self.logins.insert((at, self.next), login);
        self.next += 1;
    }

    /// When the next one is due.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.logins.first_key_value().map(|((at, _), _)| *at)
    }

    /// Takes one that is due.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<Login> {
        let first = self.logins.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }
}
