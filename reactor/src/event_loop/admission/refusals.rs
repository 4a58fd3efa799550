//! Logs the peers that are not let in: the first one at once, those of the next ten seconds in one
//! line, so that a flood of connections is no flood of lines.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use skiff_sessions::wire::reply::CloseReason;

const SUM_FOR: Duration = Duration::from_secs(10);

#[derive(Default)]
pub(crate) struct Refusals {
    /// When the sum is told; `None` while nobody was refused lately.
    due: Option<Instant>,
    sums: Vec<Sum>,
}

struct Sum {
    reason: CloseReason,
    count: u64,
    last: SocketAddr,
}

impl Refusals {
    pub(crate) fn add(&mut self, reason: CloseReason, peer: SocketAddr, now: Instant) {
        if self.due.is_none() {
            self.due = Some(now + SUM_FOR);
            log::info!("{peer} is not let in: {}", why(reason));
            return;
        }
        match self.sums.iter_mut().find(|sum| sum.reason == reason) {
            Some(sum) => {
                sum.count += 1;
                sum.last = peer;
            }
            None => self.sums.push(Sum {
                reason,
                count: 1,
                last: peer,
            }),
        }
    }

    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Logs the sum once it is due.
    pub(crate) fn tell(&mut self, now: Instant) {
        if self.due.is_none_or(|due| due > now) {
            return;
        }
        self.due = (!self.sums.is_empty()).then_some(now + SUM_FOR);
        for line in self.lines() {
            log::info!("{line}");
        }
    }

    fn lines(&mut self) -> Vec<String> {
        let line = |sum: Sum| {
            let Sum {
                reason,
                count,
                last,
            } = sum;
            let (seconds, why) = (SUM_FOR.as_secs(), why(reason));
            format!("{count} more were not let in within {seconds} s: {why}; {last} was the last")
        };
        self.sums.drain(..).map(line).collect()
    }
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

    #[test]
    fn a_flood_is_one_line() {
        let (mut refusals, now) = (Refusals::default(), Instant::now());
        let peer = "192.0.2.1:5000".parse().unwrap();
        for _ in 0..1000 {
            refusals.add(CloseReason::Banned, peer, now);
        }
        refusals.add(CloseReason::TooManySessions, peer, now);
        assert_eq!(refusals.due(), Some(now + SUM_FOR));
        assert_eq!(
            refusals.lines(),
            [
                "999 more were not let in within 10 s: banned after failed logins of many users \
                 (limits.ban_address_after); 192.0.2.1:5000 was the last",
                "1 more were not let in within 10 s: too many sessions (limits.sessions); \
                 192.0.2.1:5000 was the last"
            ]
        );
        refusals.tell(now + SUM_FOR);
        assert_eq!(refusals.due(), None);
    }
}
