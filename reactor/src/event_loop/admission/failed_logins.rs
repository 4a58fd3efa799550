//! Counts failed logins: bans the networks that they come from, and makes further logins to an
//! account wait, wherever they come from.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use skiff_conf::Limits;

use super::network::ClientNetwork;

/// Most networks, and most accounts, whose failed logins are remembered.
const REMEMBERED_MAX: usize = 4096;
/// Failed logins to an account before the next ones wait.
const FREE_FAILURES: u32 = 5;
/// The first wait; each further failure doubles it.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(15);
/// A login that would have to wait longer is turned away.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long a network counts as one from which a user has logged in rightly.
const PROVEN_FOR: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// When a login may go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum LoginTurn {
    Now,
    NotBefore(Instant),
    /// Too many others wait for their turn.
    Never,
}

/// Whether a failed login was the one that bans its network.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum BanState {
    NotBanned,
    BannedNow,
    BannedBefore,
}

#[derive(Default)]
pub(super) struct FailedLogins {
    networks: HashMap<ClientNetwork, OfNetwork>,
    accounts: HashMap<String, OfAccount>,
    /// When a user last logged in from a network.
    proven: HashMap<(String, ClientNetwork), Instant>,
}

struct OfNetwork {
    count: u32,
    last: Instant,
    /// A clone of it for each password that is being checked.
    under_way: Arc<()>,
}

struct OfAccount {
    count: u32,
    last: Instant,
    /// When the next login may be tried.
    next_turn: Instant,
}

impl FailedLogins {
    pub(super) fn is_banned(&self, network: ClientNetwork, limits: &Limits, now: Instant) -> bool {
        let failed = self.networks.get(&network);
        failed.is_some_and(|failed| failed.is_banned(limits, now))
    }

    pub(super) fn record(
        &mut self,
        network: ClientNetwork,
        user: &str,
        limits: &Limits,
        now: Instant,
    ) -> BanState {
        self.of_account(user, limits, now).fail(now);
        let failed = self.of_network(network, limits, now);
        let before = failed.is_banned(limits, now);
        failed.count += 1;
        failed.last = now;
        match (before, failed.is_banned(limits, now)) {
            (true, _) => BanState::BannedBefore,
            (false, true) => BanState::BannedNow,
            (false, false) => BanState::NotBanned,
        }
    }

    /// Notes a login that was right: it takes back one failure of its network, and the user has
    /// never to wait there.
    pub(super) fn record_success(&mut self, network: ClientNetwork, user: &str, now: Instant) {
        if let Some(failed) = self.networks.get_mut(&network) {
            failed.count = failed.count.saturating_sub(1);
        }
        if self.proven.len() >= REMEMBERED_MAX {
            self.proven
                .retain(|_, since| now.duration_since(*since) < PROVEN_FOR);
        }
        if self.proven.len() < REMEMBERED_MAX {
            self.proven.insert((user.to_owned(), network), now);
        }
    }

    /// When a login to the account of `user` may go on; takes that turn. A network from which the
    /// user has logged in rightly does not wait, so that nobody else can keep him out.
    pub(super) fn take_turn(
        &mut self,
        network: ClientNetwork,
        user: &str,
        limits: &Limits,
        now: Instant,
    ) -> LoginTurn {
        let proven = self.proven.get(&(user.to_owned(), network));
        if proven.is_some_and(|since| now.duration_since(*since) < PROVEN_FOR) {
            return LoginTurn::Now;
        }
        let Some(account) = self.accounts.get_mut(user) else {
            return LoginTurn::Now;
        };
        if now.duration_since(account.last) >= limits.ban {
            self.accounts.remove(user);
            return LoginTurn::Now;
        }
        account.take_turn(now)
    }

    /// Begins the check of a password, which counts as a wrong one until what is returned is dropped.
    /// `None` while as many are being checked for the network as would ban it if all were wrong.
    pub(super) fn begin_check(
        &mut self,
        network: ClientNetwork,
        limits: &Limits,
        now: Instant,
    ) -> Option<Arc<()>> {
        let failed = self.of_network(network, limits, now);
        let under_way = Arc::strong_count(&failed.under_way) - 1;
        let under_way = u32::try_from(under_way).unwrap_or(u32::MAX);
        (failed.count.saturating_add(under_way) < limits.ban_after)
            .then(|| Arc::clone(&failed.under_way))
    }

    fn of_network(
        &mut self,
        network: ClientNetwork,
        limits: &Limits,
        now: Instant,
    ) -> &mut OfNetwork {
        let is_fresh = |failed: &OfNetwork| now.duration_since(failed.last) < limits.ban;
        make_room(&mut self.networks, |failed| {
            is_fresh(failed) || Arc::strong_count(&failed.under_way) > 1
        });
        let failed = self.networks.entry(network).or_insert_with(|| OfNetwork {
            count: 0,
            last: now,
            under_way: Arc::default(),
        });
        if now.duration_since(failed.last) >= limits.ban {
            failed.count = 0;
        }
        failed
    }

    fn of_account(&mut self, user: &str, limits: &Limits, now: Instant) -> &mut OfAccount {
        make_room(&mut self.accounts, |failed| {
            now.duration_since(failed.last) < limits.ban
        });
        let failed = self
            .accounts
            .entry(user.to_owned())
            .or_insert_with(|| OfAccount {
                count: 0,
                last: now,
                next_turn: now,
            });
        if now.duration_since(failed.last) >= limits.ban {
            failed.count = 0;
        }
        failed
    }
}

impl OfNetwork {
    fn is_banned(&self, limits: &Limits, now: Instant) -> bool {
        self.count >= limits.ban_after && now.duration_since(self.last) < limits.ban
    }
}

impl OfAccount {
    fn fail(&mut self, now: Instant) {
        self.count = self.count.saturating_add(1);
        self.last = now;
    }

    fn wait(&self) -> Duration {
        match self.count.checked_sub(FREE_FAILURES) {
            None => Duration::ZERO,
            Some(beyond) => (FIRST_WAIT * (1 << beyond.min(5))).min(LONGEST_WAIT),
        }
    }

    fn take_turn(&mut self, now: Instant) -> LoginTurn {
        let wait = self.wait();
        if wait.is_zero() {
            return LoginTurn::Now;
        }
        let turn = self.next_turn.max(self.last + wait).max(now);
        if turn.duration_since(now) > PATIENCE {
            return LoginTurn::Never;
        }
        self.next_turn = turn + wait;
        match turn == now {
            true => LoginTurn::Now,
            false => LoginTurn::NotBefore(turn),
        }
    }
}

/// Forgets what need not be kept once a map is full; all of it where that is not enough.
fn make_room<K, V>(map: &mut HashMap<K, V>, keep: impl Fn(&V) -> bool) {
    if map.len() >= REMEMBERED_MAX {
        map.retain(|_, value| keep(value));
    }
    if map.len() >= REMEMBERED_MAX {
        map.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits {
            ban_after: 3,
            ban: Duration::from_secs(600),
            ..Limits::default()
        }
    }

    fn network(last: u8) -> ClientNetwork {
        ClientNetwork::of([192, 0, 2, last].into())
    }

    #[test]
    fn the_ban_is_told_once_and_ends() {
        let (mut failed, limits, now) = (FailedLogins::default(), limits(), Instant::now());
        let told: Vec<_> = (0..4)
            .map(|_| failed.record(network(1), "tom", &limits, now))
            .collect();
        use BanState::{BannedBefore, BannedNow, NotBanned};
        assert_eq!(told, [NotBanned, NotBanned, BannedNow, BannedBefore]);
        assert!(!failed.is_banned(network(2), &limits, now));
        assert!(!failed.is_banned(network(1), &limits, now + limits.ban));
    }

    #[test]
    fn a_right_password_takes_back_a_failure() {
        let (mut failed, limits, now) = (FailedLogins::default(), limits(), Instant::now());
        for _ in 0..20 {
            failed.record(network(1), "jerry", &limits, now);
            failed.record_success(network(1), "tom", now);
        }
        assert!(!failed.is_banned(network(1), &limits, now));
    }

    #[test]
    fn passwords_under_way_count_as_wrong_ones() {
        let (mut failed, limits, now) = (FailedLogins::default(), limits(), Instant::now());
        failed.record(network(1), "tom", &limits, now);
        let one = failed.begin_check(network(1), &limits, now).unwrap();
        let two = failed.begin_check(network(1), &limits, now).unwrap();
        assert!(failed.begin_check(network(1), &limits, now).is_none());
        assert!(failed.begin_check(network(2), &limits, now).is_some());
        drop(one);
        let three = failed.begin_check(network(1), &limits, now);
        assert!(three.is_some());
        drop((two, three));
        failed.record(network(1), "tom", &limits, now);
        let last = failed.begin_check(network(1), &limits, now);
        assert!(last.is_some() && failed.begin_check(network(1), &limits, now).is_none());
    }

    /// Guesses from ever new networks wait longer and longer; who was right before does not wait.
    #[test]
    fn an_account_under_attack_slows_down_everybody_but_its_user() {
        let (mut failed, limits, mut now) = (FailedLogins::default(), limits(), Instant::now());
        let begin = now;
        failed.record_success(network(1), "tom", now);
        let mut guesses = 0;
        while now.duration_since(begin) < Duration::from_secs(300) {
            let from = network(100 + (guesses % 100) as u8);
            match failed.take_turn(from, "tom", &limits, now) {
                LoginTurn::Now => {}
                LoginTurn::NotBefore(turn) => now = turn,
                LoginTurn::Never => {
                    now += Duration::from_secs(1);
                    continue;
                }
            }
            failed.record(from, "tom", &limits, now);
            guesses += 1;
        }
        assert!(guesses < 30, "{guesses} guesses in five minutes");
        assert_eq!(
            failed.take_turn(network(1), "tom", &limits, now),
            LoginTurn::Now
        );
        assert_eq!(
            failed.take_turn(network(9), "jerry", &limits, now),
            LoginTurn::Now
        );
        let later = now + limits.ban;
        assert_eq!(
            failed.take_turn(network(9), "tom", &limits, later),
            LoginTurn::Now
        );
    }

    /// Many who ask at once take turns one after the other.
    #[test]
    fn turns_are_taken_one_by_one() {
        let (mut failed, limits, now) = (FailedLogins::default(), limits(), Instant::now());
        for _ in 0..FREE_FAILURES {
            failed.record(network(1), "tom", &limits, now);
        }
        let turns: Vec<_> = (0..30)
            .map(|n| failed.take_turn(network(n + 2), "tom", &limits, now))
            .collect();
        assert_eq!(turns[0], LoginTurn::NotBefore(now + FIRST_WAIT));
        assert_eq!(turns[1], LoginTurn::NotBefore(now + 2 * FIRST_WAIT));
        assert_eq!(turns[29], LoginTurn::Never);
    }

    #[test]
    fn memory_is_bounded() {
        let (mut failed, limits, now) = (FailedLogins::default(), limits(), Instant::now());
        for n in 0..20_000_u32 {
            let network = ClientNetwork::of(std::net::Ipv4Addr::from(n).into());
            failed.record(network, &format!("user {n}"), &limits, now);
            failed.record_success(network, &format!("user {n}"), now);
        }
        assert!(failed.networks.len() <= REMEMBERED_MAX);
        assert!(failed.accounts.len() <= REMEMBERED_MAX);
        assert!(failed.proven.len() <= REMEMBERED_MAX);
    }
}
