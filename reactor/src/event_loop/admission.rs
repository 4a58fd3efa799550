//! Decides which peers are served: counts sessions in all, per address and per user against the
//! limits, and bans addresses after failed logins.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Instant;

use skiff_conf::Limits;
use skiff_sessions::wire::reply::CloseReason;

/// Most addresses whose failed logins are remembered.
const FAILED_LOGINS_MAX: usize = 4096;

/// The unit that peers are counted by: an IPv4 address, or an IPv6 /64, since hosts own a /64.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct ClientNetwork(IpAddr);

impl ClientNetwork {
    fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(v6) => {
                let [a, b, c, d, ..] = v6.segments();
                Self(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into())
            }
            v4 => Self(v4),
        }
    }
}

struct FailedLogins {
    count: u32,
    last: Instant,
}

pub(crate) struct Admission {
    limits: Limits,
    sessions: u32,
    before_login: u32,
    networks: HashMap<ClientNetwork, u32>,
    users: HashMap<String, u32>,
    failed_logins: HashMap<ClientNetwork, FailedLogins>,
}

impl Admission {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            sessions: 0,
            before_login: 0,
            networks: HashMap::new(),
            users: HashMap::new(),
            failed_logins: HashMap::new(),
        }
    }

    pub(crate) fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Counts a new session of `address`, or refuses it with the reason.
    pub(crate) fn enter(&mut self, address: IpAddr, now: Instant) -> Result<(), CloseReason> {
        let network = ClientNetwork::of(address);
        if self.sessions >= self.limits.sessions || self.before_login >= self.limits.before_login {
            return Err(CloseReason::TooManySessions);
        }
        if !self.limits.exempts(address) {
            if self
                .networks
                .get(&network)
                .is_some_and(|&n| n >= self.limits.sessions_per_address)
            {
                return Err(CloseReason::TooManyFromAddress);
            }
            if self.is_banned(network, now) {
                return Err(CloseReason::Banned);
            }
        }
        self.sessions += 1;
        self.before_login += 1;
        *self.networks.entry(network).or_default() += 1;
        Ok(())
    }

    /// Counts a session for `user` when the password was right; false if the user has too many.
    pub(crate) fn admit(&mut self, user: &str) -> bool {
        let count = self.users.entry(user.to_owned()).or_default();
        if *count >= self.limits.sessions_per_user {
            return false;
        }
        *count += 1;
        self.before_login -= 1;
        true
    }

    /// Undoes [`Self::admit`] after a logout, or where the home could not be opened.
    pub(crate) fn withdraw(&mut self, user: &str) {
        self.before_login += 1;
        decrease(&mut self.users, user);
    }

    /// Uncounts a session that ended; `user` is given if it was admitted.
    pub(crate) fn leave(&mut self, address: IpAddr, user: Option<&str>) {
        self.sessions -= 1;
        match user {
            Some(user) => decrease(&mut self.users, user),
            None => self.before_login -= 1,
        }
        decrease(&mut self.networks, &ClientNetwork::of(address));
    }

    /// Counts a failed login of `address` towards a ban.
    pub(crate) fn record_failed_login(&mut self, address: IpAddr, now: Instant) {
        if self.limits.exempts(address) {
            return;
        }
        let ban = self.limits.ban;
        if self.failed_logins.len() >= FAILED_LOGINS_MAX {
            self.failed_logins
                .retain(|_, failed_logins| now.duration_since(failed_logins.last) < ban);
        }
        if self.failed_logins.len() >= FAILED_LOGINS_MAX {
            self.failed_logins.clear();
        }
        let fresh = FailedLogins {
            count: 0,
            last: now,
        };
        let failed_logins = self
            .failed_logins
            .entry(ClientNetwork::of(address))
            .or_insert(fresh);
        if now.duration_since(failed_logins.last) >= ban {
            failed_logins.count = 0;
        }
        failed_logins.count += 1;
        failed_logins.last = now;
    }

    fn is_banned(&self, network: ClientNetwork, now: Instant) -> bool {
        self.failed_logins
            .get(&network)
            .is_some_and(|failed_logins| {
                failed_logins.count >= self.limits.ban_after
                    && now.duration_since(failed_logins.last) < self.limits.ban
            })
    }
}

fn decrease<K, Q>(counts: &mut HashMap<K, u32>, key: &Q)
where
    K: std::borrow::Borrow<Q> + std::hash::Hash + Eq,
    Q: std::hash::Hash + Eq + ?Sized,
{
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn limits() -> Limits {
        Limits {
            sessions: 5,
            sessions_per_address: 2,
            sessions_per_user: 1,
            before_login: 3,
            ban_after: 2,
            ban: Duration::from_secs(60),
            ..Limits::default()
        }
    }

    #[test]
    fn counts_and_bans() {
        let (mut admission, now) = (Admission::new(limits()), Instant::now());
        let a: IpAddr = "2001:db8::1".parse().unwrap();
        let same_64: IpAddr = "2001:db8::ffff:1".parse().unwrap();
        let b: IpAddr = "192.0.2.1".parse().unwrap();
        let b_mapped: IpAddr = "::ffff:192.0.2.1".parse().unwrap();
        assert_eq!(admission.enter(a, now), Ok(()));
        assert_eq!(admission.enter(same_64, now), Ok(()));
        assert_eq!(
            admission.enter(a, now),
            Err(CloseReason::TooManyFromAddress)
        );
        assert_eq!(admission.enter(b, now), Ok(()));
        assert_eq!(
            admission.enter(b_mapped, now),
            Err(CloseReason::TooManySessions)
        );
        assert!(admission.admit("tom"));
        assert!(!admission.admit("tom"));
        assert_eq!(admission.enter(b_mapped, now), Ok(()));
        admission.leave(b, Some("tom"));
        admission.leave(b, None);
        assert!(admission.admit("tom"));
        admission.withdraw("tom");
        assert!(admission.admit("tom"));
        admission.record_failed_login(b, now);
        assert_eq!(admission.enter(b, now), Ok(()));
        admission.leave(b, None);
        admission.record_failed_login(b_mapped, now);
        assert_eq!(admission.enter(b, now), Err(CloseReason::Banned));
        assert_eq!(admission.enter(b, now + Duration::from_secs(61)), Ok(()));
    }

    #[test]
    fn exempt_addresses_are_never_banned() {
        let (mut admission, now) = (Admission::new(limits()), Instant::now());
        let local: IpAddr = "127.0.0.1".parse().unwrap();
        for _ in 0..10 {
            admission.record_failed_login(local, now);
        }
        for _ in 0..3 {
            assert_eq!(admission.enter(local, now), Ok(()));
        }
    }
}
