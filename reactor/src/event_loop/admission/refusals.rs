//! Logs the peers that are not let in: the first one at once, those of the next ten seconds in one
//! line, so that a flood of connections is no flood of lines.

use std::time::{Duration, Instant};

use skiff_sessions::wire::reply::CloseReason;

use crate::accesslog::AccessLog;
use crate::accesslog::client::Client;
use crate::accesslog::notice::Notice;

const SUM_FOR: Duration = Duration::from_secs(10);

#[derive(Default)]
pub(crate) struct Refusals {
    /// When the sum is told; `None` while nobody was refused lately.
    due: Option<Instant>,
    sums: Vec<Sum>,
}

/// Peers that were refused for one reason.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Sum {
    cause: &'static str,
    count: u64,
    last: Client,
}

impl Refusals {
    pub(crate) fn add(
        &mut self,
        reason: CloseReason,
        client: Client,
        now: Instant,
        log: &AccessLog,
    ) {
        self.add_cause(why(reason), client, now, log);
    }

    /// The same for a peer that is told nothing.
    pub(crate) fn add_cause(
        &mut self,
        cause: &'static str,
        client: Client,
        now: Instant,
        log: &AccessLog,
    ) {
        if let Some(first) = self.count(cause, client, now) {
            tell(first, 0, log);
        }
    }

    /// Returns who is to be told at once.
    fn count(&mut self, cause: &'static str, client: Client, now: Instant) -> Option<Sum> {
        let this = Sum {
            cause,
            count: 1,
            last: client,
        };
        if self.due.is_none() {
            self.due = Some(now + SUM_FOR);
            return Some(this);
        }
        match self.sums.iter_mut().find(|sum| sum.cause == cause) {
            Some(sum) => {
                sum.count += 1;
                sum.last = client;
            }
            None => self.sums.push(this),
        }
        None
    }

    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Logs the sums once they are due.
    pub(crate) fn tell(&mut self, now: Instant, log: &AccessLog) {
        for sum in self.take_due(now) {
            tell(sum, sum.count - 1, log);
        }
    }

    fn take_due(&mut self, now: Instant) -> Vec<Sum> {
        if self.due.is_none_or(|due| due > now) {
            return Vec::new();
        }
        self.due = (!self.sums.is_empty()).then_some(now + SUM_FOR);
        std::mem::take(&mut self.sums)
    }
}

fn tell(sum: Sum, more: u64, log: &AccessLog) {
    log.notice(&Notice::NotLetIn {
        client: sum.last,
        cause: sum.cause,
        more,
    });
}

/// Says why, and the key that decides it.
fn why(reason: CloseReason) -> &'static str {
    match reason {
        CloseReason::TooManySessions => "too many sessions (limits.sessions)",
        CloseReason::TooManyFromAddress => {
            "too many sessions from its address (limits.sessions_per_address)"
        }
        CloseReason::Banned => {
            "banned after failed logins of many users (limits.ban_address_after)"
        }
        CloseReason::UserBanned => "its user is banned there (limits.ban_after)",
        CloseReason::UserUnderAttack => "too many others try passwords of its user",
        CloseReason::MadeRoom => "it had not logged in, and others wanted to (limits.before_login)",
        _ => "no room",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accesslog::client::{Dialect, TlsVersion};

    #[test]
    fn a_flood_is_one_line() {
        let (mut refusals, now) = (Refusals::default(), Instant::now());
        let client = |session| Client {
            session,
            peer: "192.0.2.1:5000".parse().unwrap(),
            dialect: Dialect::Ftp,
            tls: TlsVersion::Clear,
        };
        let sum = |cause, count, last| Sum {
            cause,
            count,
            last: client(last),
        };
        let (banned, full) = (why(CloseReason::Banned), why(CloseReason::TooManySessions));
        let told: Vec<_> = (0..1000)
            .filter_map(|session| refusals.count(banned, client(session), now))
            .collect();
        assert_eq!(told, [sum(banned, 1, 0)]);
        assert_eq!(refusals.count(full, client(1000), now), None);
        assert_eq!(refusals.take_due(now), []);
        assert_eq!(refusals.due(), Some(now + SUM_FOR));
        let told = refusals.take_due(now + SUM_FOR);
        assert_eq!(told, [sum(banned, 999, 999), sum(full, 1, 1000)]);
        assert_eq!(refusals.take_due(now + 2 * SUM_FOR), []);
        assert_eq!(refusals.due(), None);
    }
}
