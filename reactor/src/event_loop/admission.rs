//! Who may come in: sessions in all and per address, and bans.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Instant;

use skiff_conf::Limits;
use skiff_sessions::wire::reply::Farewell;

/// Addresses whose failures are remembered; past it, the oldest are forgotten.
const STRIKES_MAX: usize = 4096;

/// One address for counting: IPv6 hosts own a /64.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Place(IpAddr);

impl Place {
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

struct Strikes {
    count: u32,
    last: Instant,
}

pub(crate) struct Guard {
    limits: Limits,
    sessions: u32,
    before_login: u32,
    places: HashMap<Place, u32>,
    users: HashMap<String, u32>,
    strikes: HashMap<Place, Strikes>,
}

impl Guard {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            sessions: 0,
            before_login: 0,
            places: HashMap::new(),
            users: HashMap::new(),
            strikes: HashMap::new(),
        }
    }

    pub(crate) fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Counts a new session, or says why not.
    pub(crate) fn enter(&mut self, address: IpAddr, now: Instant) -> Result<(), Farewell> {
        let place = Place::of(address);
        if self.sessions >= self.limits.sessions || self.before_login >= self.limits.before_login {
            return Err(Farewell::TooManySessions);
        }
        if !self.limits.exempts(address) {
            if self
                .places
                .get(&place)
                .is_some_and(|&n| n >= self.limits.sessions_per_address)
            {
                return Err(Farewell::TooManyFromAddress);
            }
            if self.is_banned(place, now) {
                return Err(Farewell::Banned);
            }
        }
        self.sessions += 1;
        self.before_login += 1;
        *self.places.entry(place).or_default() += 1;
        Ok(())
    }

    /// A session of `user`, before it is welcomed; `false` where he has too many.
    pub(crate) fn admit(&mut self, user: &str) -> bool {
        let count = self.users.entry(user.to_owned()).or_default();
        if *count >= self.limits.sessions_per_user {
            return false;
        }
        *count += 1;
        self.before_login -= 1;
        true
    }

    /// A session that had been admitted could not be welcomed.
    pub(crate) fn unadmit(&mut self, user: &str) {
        self.before_login += 1;
        decrease(&mut self.users, user);
    }

    /// `user`: of an admitted session.
    pub(crate) fn leave(&mut self, address: IpAddr, user: Option<&str>) {
        self.sessions -= 1;
        match user {
            Some(user) => decrease(&mut self.users, user),
            None => self.before_login -= 1,
        }
        decrease(&mut self.places, &Place::of(address));
    }

    /// A login failed.
    pub(crate) fn strike(&mut self, address: IpAddr, now: Instant) {
        if self.limits.exempts(address) {
            return;
        }
        let ban = self.limits.ban;
        if self.strikes.len() >= STRIKES_MAX {
            self.strikes
                .retain(|_, strikes| now.duration_since(strikes.last) < ban);
        }
        if self.strikes.len() >= STRIKES_MAX {
            self.strikes.clear();
        }
        let fresh = Strikes {
            count: 0,
            last: now,
        };
        let strikes = self.strikes.entry(Place::of(address)).or_insert(fresh);
        if now.duration_since(strikes.last) >= ban {
            strikes.count = 0;
        }
        strikes.count += 1;
        strikes.last = now;
    }

    fn is_banned(&self, place: Place, now: Instant) -> bool {
        self.strikes.get(&place).is_some_and(|strikes| {
            strikes.count >= self.limits.ban_after
                && now.duration_since(strikes.last) < self.limits.ban
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
        let (mut guard, now) = (Guard::new(limits()), Instant::now());
        let a: IpAddr = "2001:db8::1".parse().unwrap();
        let same_64: IpAddr = "2001:db8::ffff:1".parse().unwrap();
        let b: IpAddr = "192.0.2.1".parse().unwrap();
        let b_mapped: IpAddr = "::ffff:192.0.2.1".parse().unwrap();
        assert_eq!(guard.enter(a, now), Ok(()));
        assert_eq!(guard.enter(same_64, now), Ok(()));
        assert_eq!(guard.enter(a, now), Err(Farewell::TooManyFromAddress));
        assert_eq!(guard.enter(b, now), Ok(()));
        assert_eq!(guard.enter(b_mapped, now), Err(Farewell::TooManySessions));
        assert!(guard.admit("tom"));
        assert!(!guard.admit("tom"));
        assert_eq!(guard.enter(b_mapped, now), Ok(()));
        guard.leave(b, Some("tom"));
        guard.leave(b, None);
        assert!(guard.admit("tom"));
        guard.unadmit("tom");
        assert!(guard.admit("tom"));
        guard.strike(b, now);
        assert_eq!(guard.enter(b, now), Ok(()));
        guard.leave(b, None);
        guard.strike(b_mapped, now);
        assert_eq!(guard.enter(b, now), Err(Farewell::Banned));
        assert_eq!(guard.enter(b, now + Duration::from_secs(61)), Ok(()));
    }

    #[test]
    fn exempt_addresses_are_never_banned() {
        let (mut guard, now) = (Guard::new(limits()), Instant::now());
        let local: IpAddr = "127.0.0.1".parse().unwrap();
        for _ in 0..10 {
            guard.strike(local, now);
        }
        for _ in 0..3 {
            assert_eq!(guard.enter(local, now), Ok(()));
        }
    }
}
