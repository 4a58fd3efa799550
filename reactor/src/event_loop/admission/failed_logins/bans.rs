//! The bans that hold: listed for the operator, and ended by him.

use std::hash::BuildHasher;
use std::time::Instant;

use skiff_conf::Limits;

use super::{ClientNetwork, FailedLogins, OfNetwork};

/// Nobody, or one user, may log in from a network.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Ban {
    pub(crate) network: ClientNetwork,
    /// The only user whom it meets; `None` where it meets all.
    pub(crate) user: Option<String>,
    pub(crate) since: Instant,
    pub(crate) until: Instant,
}

/// A user who is banned at one network, in `OfUser`.
pub(super) struct BannedUser {
    pub(super) name: Box<str>,
    pub(super) since: Instant,
}

impl FailedLogins {
    /// The bans that hold; in no order, but in the same one while nothing changes.
    pub(in super::super) fn bans<'a>(
        &'a self,
        limits: &'a Limits,
        now: Instant,
    ) -> impl Iterator<Item = Ban> + 'a {
        let all = self.networks.iter();
        let all = all.filter(|(network, _)| !limits.exempts(network.address()));
        all.flat_map(move |(network, of_network)| of_network.bans(*network, limits, now))
    }

    /// Forgets what has failed from `network`; returns how many bans that ends.
    pub(in super::super) fn unban_network(
        &mut self,
        network: ClientNetwork,
        limits: &Limits,
        now: Instant,
    ) -> usize {
        let forgotten = self.networks.remove(&network);
        forgotten.map_or(0, |of_network| {
            of_network.bans(network, limits, now).count()
        })
    }

    /// Forgets what has failed of `user`, from everywhere; returns how many bans that ends.
    pub(in super::super) fn unban_user(
        &mut self,
        user: &str,
        limits: &Limits,
        now: Instant,
    ) -> usize {
        let hash = self.hasher.hash_one(user);
        self.accounts.remove(&hash);
        let all = self.networks.values_mut();
        let forgotten = all.filter_map(|of_network| of_network.users.remove(&hash));
        forgotten
            .filter(|of_user| of_user.is_banned(limits, now))
            .count()
    }

    /// Forgets all that has failed; returns how many bans that ends.
    pub(in super::super) fn unban_all(&mut self, limits: &Limits, now: Instant) -> usize {
        let bans = self.bans(limits, now).count();
        self.networks.clear();
        self.accounts.clear();
        self.users = 0;
        bans
    }
}

impl OfNetwork {
    fn bans<'a>(
        &'a self,
        network: ClientNetwork,
        limits: &'a Limits,
        now: Instant,
    ) -> impl Iterator<Item = Ban> + 'a {
        let ban = move |user, since, last| Ban {
            network,
            user,
            since,
            until: last + limits.ban,
        };
        let whole = self.banned_at.filter(|_| self.is_banned(limits, now));
        let banned = self.users.values();
        let banned = banned.filter(move |of_user| of_user.is_banned(limits, now));
        let of_users = banned.filter_map(move |of_user| {
            let BannedUser { name, since } = of_user.banned.as_deref()?;
            Some(ban(Some(name.to_string()), *since, of_user.last))
        });
        let whole = whole.map(|since| ban(None, since, since));
        whole.into_iter().chain(of_users)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn limits() -> Limits {
        Limits {
            ban_after: 2,
            ban_address_after: 3,
            ban: Duration::from_secs(600),
            ..Limits::default()
        }
    }

    fn network(last: u8) -> ClientNetwork {
        ClientNetwork::of([192, 0, 2, last].into())
    }

    /// tom is banned at two networks, and three users have failed at a third.
    fn three_bans(limits: &Limits, now: Instant) -> FailedLogins {
        let mut failed = FailedLogins::default();
        for _ in 0..2 {
            failed.record(network(1), "tom", limits, now);
            failed.record(network(2), "tom", limits, now + Duration::from_secs(1));
        }
        for user in ["a", "b", "c"] {
            failed.record(network(3), user, limits, now);
        }
        failed
    }

    #[test]
    fn bans_are_listed_while_they_hold() {
        let (limits, now) = (limits(), Instant::now());
        let failed = three_bans(&limits, now);
        let soon = now + Duration::from_secs(1);
        let mut bans: Vec<_> = failed.bans(&limits, soon).collect();
        bans.sort_by_key(|ban| ban.network);
        let ban = |last, user: Option<&str>, since| Ban {
            network: network(last),
            user: user.map(str::to_owned),
            since,
            until: since + limits.ban,
        };
        assert_eq!(
            bans,
            [
                ban(1, Some("tom"), now),
                ban(2, Some("tom"), soon),
                ban(3, None, now)
            ]
        );
        let left: Vec<_> = failed.bans(&limits, now + limits.ban).collect();
        assert_eq!(left, [ban(2, Some("tom"), soon)]);
    }

    #[test]
    fn the_operator_ends_those_he_means() {
        let (limits, now) = (limits(), Instant::now());
        let still = |failed: &FailedLogins, last, user| {
            failed
                .ban(network(last), Some(user), &limits, now)
                .is_some()
        };
        let mut failed = three_bans(&limits, now);
        assert_eq!(failed.unban_network(network(1), &limits, now), 1);
        assert_eq!(failed.unban_network(network(1), &limits, now), 0);
        assert!(!still(&failed, 1, "tom") && still(&failed, 2, "tom"));
        assert_eq!(failed.unban_user("tom", &limits, now), 1);
        assert!(!still(&failed, 2, "tom") && still(&failed, 3, "tom"));
        assert_eq!(failed.unban_network(network(3), &limits, now), 1);
        assert!(!still(&failed, 3, "tom"));
        let mut failed = three_bans(&limits, now);
        assert_eq!(failed.unban_all(&limits, now), 3);
        assert_eq!(failed.bans(&limits, now).count(), 0);
    }
}
