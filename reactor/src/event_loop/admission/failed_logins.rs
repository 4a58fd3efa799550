//! Counts failed logins: bans users at the networks where theirs fail, networks where those of many
//! users fail, and makes further logins to an account wait, wherever they come from.
//!
//! A right password clears what its user has failed from there, and nothing else: in a network of
//! hundreds behind one address a slip harms nobody, and whoever has an account of his own cannot
//! clear his guesses at others.

mod bans;

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use skiff_conf::Limits;
use skiff_sessions::wire::reply::CloseReason;

pub(crate) use self::bans::Ban;
use self::bans::BannedUser;
use super::network::ClientNetwork;
use crate::accesslog::MAX_USER;
use crate::workers::password_check::PasswordCheck;

/// Most networks, and most accounts, whose failed logins are remembered.
const REMEMBERED_MAX: usize = 4096;
/// Most users of all networks together whose failed logins are remembered.
const USERS_MAX: usize = 65_536;
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
    /// Too many others wait for their turn, or the user is banned there.
    Never(CloseReason),
}

/// Whether a password may be checked.
pub(crate) enum CheckTurn {
    Now(PasswordCheck),
    /// As many are being checked as would be a ban if all were wrong.
    Later,
    Never(CloseReason),
}

/// Whom a failed login has banned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum BanState {
    NotBanned,
    /// The user, at this network.
    UserBannedNow,
    /// The network: logins of so many users have failed.
    NetworkBannedNow,
    BannedBefore,
}

#[derive(Default)]
pub(super) struct FailedLogins {
    networks: HashMap<ClientNetwork, OfNetwork>,
    /// The users of all networks; may be too high, until room is made.
    users: usize,
    /// By a hash of the name, too.
    accounts: HashMap<u64, OfAccount>,
    /// When a user last logged in from a network.
    proven: HashMap<(String, ClientNetwork), Instant>,
    hasher: RandomState,
}

#[derive(Default)]
struct OfNetwork {
    /// By a hash of the name, which a peer may choose as long as a line.
    users: HashMap<u64, OfUser>,
    banned_at: Option<Instant>,
    /// A clone of it for each password that is being checked.
    under_way: Arc<()>,
}

/// A user's failed logins from one network since the last success.
struct OfUser {
    count: u32,
    last: Instant,
    /// The name, and since when, once that is a ban.
    banned: Option<Box<BannedUser>>,
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
    /// Why nobody may log in from `network`, or `user` may not.
    pub(super) fn ban(
        &self,
        network: ClientNetwork,
        user: Option<&str>,
        limits: &Limits,
        now: Instant,
    ) -> Option<CloseReason> {
        let of_network = self.networks.get(&network)?;
        if of_network.is_banned(limits, now) {
            return Some(CloseReason::Banned);
        }
        let of_user = of_network.users.get(&self.hasher.hash_one(user?))?;
        (of_user.is_banned(limits, now)).then_some(CloseReason::UserBanned)
    }

    pub(super) fn record(
        &mut self,
        network: ClientNetwork,
        user: &str,
        limits: &Limits,
        now: Instant,
    ) -> BanState {
        self.of_account(user, limits, now).fail(now);
        if self.ban(network, None, limits, now).is_some() {
            return BanState::BannedBefore;
        }
        let name = &user[..user.floor_char_boundary(MAX_USER)];
        let (of_network, user) = self.of_network(network, user, limits, now);
        let of_user = of_network.of_user(user, limits, now);
        let before = of_user.is_banned(limits, now);
        of_user.count = of_user.count.saturating_add(1);
        of_user.last = now;
        let banned = of_user.is_banned(limits, now);
        if banned && !before {
            let name = name.into();
            of_user.banned = Some(Box::new(BannedUser { name, since: now }));
        }
        if of_network.failing(limits, now) >= limits.ban_address_after {
            of_network.banned_at = Some(now);
            of_network.users.clear();
            return BanState::NetworkBannedNow;
        }
        match (before, banned) {
            (true, _) => BanState::BannedBefore,
            (false, true) => BanState::UserBannedNow,
            (false, false) => BanState::NotBanned,
        }
    }

    /// Notes a login that was right: it clears the user's failures from its network, and the user
    /// has never to wait there.
    pub(super) fn record_success(&mut self, network: ClientNetwork, user: &str, now: Instant) {
        let hash = self.hasher.hash_one(user);
        if let Some(of_network) = self.networks.get_mut(&network)
            && let Some(of_user) = of_network.users.get_mut(&hash)
        {
            of_user.count = 0;
            if !of_user.is_checked() {
                of_network.users.remove(&hash);
            }
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
        if let Some(why) = self.ban(network, Some(user), limits, now) {
            return LoginTurn::Never(why);
        }
        let proven = self.proven.get(&(user.to_owned(), network));
        if proven.is_some_and(|since| now.duration_since(*since) < PROVEN_FOR) {
            return LoginTurn::Now;
        }
        let user = self.hasher.hash_one(user);
        let Some(account) = self.accounts.get_mut(&user) else {
            return LoginTurn::Now;
        };
        if now.duration_since(account.last) >= limits.ban {
            self.accounts.remove(&user);
            return LoginTurn::Now;
        }
        account.take_turn(now)
    }

    /// Begins the check of a password.
    pub(super) fn begin_check(
        &mut self,
        network: ClientNetwork,
        user: &str,
        limits: &Limits,
        now: Instant,
    ) -> CheckTurn {
        if let Some(why) = self.ban(network, Some(user), limits, now) {
            return CheckTurn::Never(why);
        }
        let (of_network, user) = self.of_network(network, user, limits, now);
        let all = clones(&of_network.under_way);
        let failing = of_network.failing(limits, now);
        if failing.saturating_add(all) >= limits.ban_address_after {
            return CheckTurn::Later;
        }
        let of_user = of_network.of_user(user, limits, now);
        let checked = clones(&of_user.under_way);
        if of_user.count.saturating_add(checked) >= limits.ban_after {
            return CheckTurn::Later;
        }
        let of_user = Arc::clone(&of_user.under_way);
        CheckTurn::Now(PasswordCheck::new(&of_user, &of_network.under_way))
    }

    /// What is remembered of a network, where there is room for `user`, who is named by the number.
    fn of_network(
        &mut self,
        network: ClientNetwork,
        user: &str,
        limits: &Limits,
        now: Instant,
    ) -> (&mut OfNetwork, u64) {
        let user = self.hasher.hash_one(user);
        self.make_room(limits, now);
        let of_network = self.networks.entry(network).or_default();
        self.users += usize::from(!of_network.users.contains_key(&user));
        (of_network, user)
    }

    /// Forgets what need not be kept once too much is remembered; then all but the bans; then all.
    fn make_room(&mut self, limits: &Limits, now: Instant) {
        let is_full =
            |networks: usize, users: usize| networks >= REMEMBERED_MAX || users >= USERS_MAX;
        if !is_full(self.networks.len(), self.users) {
            return;
        }
        self.networks.retain(|_, of_network| {
            of_network.forget_old(limits, now);
            of_network.is_banned(limits, now) || !of_network.users.is_empty()
        });
        self.users = self.networks.values().map(|of| of.users.len()).sum();
        if is_full(self.networks.len(), self.users) {
            self.networks
                .retain(|_, of_network| of_network.is_banned(limits, now));
            self.users = 0;
        }
        if is_full(self.networks.len(), self.users) {
            self.networks.clear();
        }
    }

    fn of_account(&mut self, user: &str, limits: &Limits, now: Instant) -> &mut OfAccount {
        if self.accounts.len() >= REMEMBERED_MAX {
            self.accounts
                .retain(|_, failed| now.duration_since(failed.last) < limits.ban);
        }
        if self.accounts.len() >= REMEMBERED_MAX {
            self.accounts.clear();
        }
        let user = self.hasher.hash_one(user);
        let failed = self.accounts.entry(user).or_insert_with(|| OfAccount {
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
        let banned_at = self.banned_at;
        banned_at.is_some_and(|since| now.duration_since(since) < limits.ban)
    }

    /// The users whose logins have failed lately and have not succeeded since. Called where a
    /// password was checked or will be, which costs a thousand times more.
    fn failing(&self, limits: &Limits, now: Instant) -> u32 {
        let failing = |user: &&OfUser| user.count > 0 && user.is_fresh(limits, now);
        u32::try_from(self.users.values().filter(failing).count()).unwrap_or(u32::MAX)
    }

    fn of_user(&mut self, user: u64, limits: &Limits, now: Instant) -> &mut OfUser {
        let of_user = self.users.entry(user).or_insert_with(|| OfUser {
            count: 0,
            last: now,
            banned: None,
            under_way: Arc::default(),
        });
        if !of_user.is_fresh(limits, now) {
            of_user.count = 0;
        }
        of_user
    }

    fn forget_old(&mut self, limits: &Limits, now: Instant) {
        self.users
            .retain(|_, user| user.is_checked() || (user.count > 0 && user.is_fresh(limits, now)));
    }
}

impl OfUser {
    fn is_banned(&self, limits: &Limits, now: Instant) -> bool {
        self.count >= limits.ban_after && self.is_fresh(limits, now)
    }

    fn is_fresh(&self, limits: &Limits, now: Instant) -> bool {
        now.duration_since(self.last) < limits.ban
    }

    fn is_checked(&self) -> bool {
        clones(&self.under_way) > 0
    }
}

fn clones(under_way: &Arc<()>) -> u32 {
    u32::try_from(Arc::strong_count(under_way) - 1).unwrap_or(u32::MAX)
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
            return LoginTurn::Never(CloseReason::UserUnderAttack);
        }
        self.next_turn = turn + wait;
        match turn == now {
            true => LoginTurn::Now,
            false => LoginTurn::NotBefore(turn),
        }
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

    fn unlimited() -> Limits {
        Limits {
            ban_address_after: 400,
            ..limits()
        }
    }

    use BanState::{BannedBefore, NetworkBannedNow, NotBanned, UserBannedNow};

    #[test]
    fn a_user_is_banned_at_one_network_and_told_once() {
        let (mut failed, limits, now) = (FailedLogins::default(), limits(), Instant::now());
        let told: Vec<_> = (0..4)
            .map(|_| failed.record(network(1), "tom", &limits, now))
            .collect();
        assert_eq!(told, [NotBanned, NotBanned, UserBannedNow, BannedBefore]);
        let ban = |network, user, at| failed.ban(network, Some(user), &limits, at);
        assert_eq!(ban(network(1), "tom", now), Some(CloseReason::UserBanned));
        assert_eq!(ban(network(1), "jerry", now), None);
        assert_eq!(ban(network(2), "tom", now), None);
        assert_eq!(ban(network(1), "tom", now + limits.ban), None);
        assert_eq!(failed.ban(network(1), None, &limits, now), None);
        let turn = failed.take_turn(network(1), "tom", &limits, now);
        assert_eq!(turn, LoginTurn::Never(CloseReason::UserBanned));
    }

    /// Everybody types wrong once or twice in the same minute, and then rightly.
    #[test]
    fn a_class_of_three_hundred_behind_one_address_survives_its_slips() {
        let (mut failed, now) = (FailedLogins::default(), Instant::now());
        let limits = Limits::default();
        let names: Vec<_> = (0..300).map(|n| format!("student {n}")).collect();
        for name in names.iter().chain(&names) {
            assert_eq!(failed.record(network(1), name, &limits, now), NotBanned);
        }
        for name in &names {
            let turn = failed.begin_check(network(1), name, &limits, now);
            assert!(matches!(turn, CheckTurn::Now(_)), "{name}");
            failed.record_success(network(1), name, now);
        }
        assert_eq!(failed.networks[&network(1)].failing(&limits, now), 0);
    }

    /// Each name is tried once only, and the guesser's own account does not help him.
    #[test]
    fn whoever_tries_many_users_is_banned_with_his_network() {
        let (mut failed, now) = (FailedLogins::default(), Instant::now());
        let limits = Limits::default();
        let states: Vec<_> = (0..402)
            .map(|n| {
                failed.record_success(network(1), "guesser", now);
                failed.record(network(1), &format!("user {n}"), &limits, now)
            })
            .collect();
        let first = states.iter().position(|state| *state != NotBanned);
        assert_eq!(first, Some(399));
        assert_eq!(
            states[399..],
            [NetworkBannedNow, BannedBefore, BannedBefore]
        );
        let ban = |at| failed.ban(network(1), None, &limits, at);
        assert_eq!(ban(now), Some(CloseReason::Banned));
        assert_eq!(ban(now + limits.ban), None);
    }

    #[test]
    fn a_right_password_clears_its_users_failures_and_no_other() {
        let (mut failed, limits, now) = (FailedLogins::default(), unlimited(), Instant::now());
        for _ in 0..20 {
            failed.record(network(1), "tom", &limits, now);
            failed.record(network(1), "tom", &limits, now);
            failed.record_success(network(1), "tom", now);
        }
        assert_eq!(failed.ban(network(1), Some("tom"), &limits, now), None);
        let states = [(); 3].map(|()| {
            failed.record_success(network(1), "tom", now);
            failed.record(network(1), "jerry", &limits, now)
        });
        assert_eq!(states, [NotBanned, NotBanned, UserBannedNow]);
    }

    #[test]
    fn passwords_under_way_count_as_wrong_ones() {
        let (mut failed, limits, now) = (FailedLogins::default(), unlimited(), Instant::now());
        let check = |failed: &mut FailedLogins, net, user: &str| match failed.begin_check(
            network(net),
            user,
            &limits,
            now,
        ) {
            CheckTurn::Now(check) => Some(check),
            _ => None,
        };
        failed.record(network(1), "tom", &limits, now);
        let one = check(&mut failed, 1, "tom").unwrap();
        let two = check(&mut failed, 1, "tom").unwrap();
        assert!(check(&mut failed, 1, "tom").is_none());
        assert!(check(&mut failed, 1, "jerry").is_some());
        assert!(check(&mut failed, 2, "tom").is_some());
        // One of them was right: what it clears, the other does not forget.
        failed.record_success(network(1), "tom", now);
        let _more = [(); 1].map(|()| check(&mut failed, 1, "tom").unwrap());
        assert!(check(&mut failed, 1, "tom").is_none());
        drop((one, two));
        assert!(check(&mut failed, 1, "tom").is_some());
    }

    #[test]
    fn passwords_of_many_users_under_way_count_for_their_network() {
        let (mut failed, now) = (FailedLogins::default(), Instant::now());
        let limits = Limits {
            ban_address_after: 3,
            ..limits()
        };
        failed.record(network(1), "tom", &limits, now);
        let checks: Vec<_> = ["a", "b", "c"]
            .map(|user| failed.begin_check(network(1), user, &limits, now))
            .into();
        let begun = |turn: &&CheckTurn| matches!(turn, CheckTurn::Now(_));
        assert_eq!(checks.iter().filter(begun).count(), 2);
        assert!(matches!(checks[2], CheckTurn::Later));
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
                LoginTurn::Never(_) => {
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
        assert_eq!(turns[29], LoginTurn::Never(CloseReason::UserUnderAttack));
    }

    #[test]
    fn memory_is_bounded() {
        let (mut failed, limits, now) = (FailedLogins::default(), unlimited(), Instant::now());
        for n in 0..20_000_u32 {
            let network = ClientNetwork::of(std::net::Ipv4Addr::from(n).into());
            failed.record(network, &format!("user {n}"), &limits, now);
            failed.record_success(network, &format!("user {n}"), now);
        }
        // Many users of some networks, who never succeed.
        for n in 0..80_000_u32 {
            let network = ClientNetwork::of(std::net::Ipv4Addr::from(n % 600).into());
            failed.record(network, &format!("user {n}"), &limits, now);
        }
        let users = failed.networks.values().map(|of| of.users.len());
        assert!(users.sum::<usize>() <= USERS_MAX);
        assert!(failed.networks.len() <= REMEMBERED_MAX);
        assert!(failed.accounts.len() <= REMEMBERED_MAX);
        assert!(failed.proven.len() <= REMEMBERED_MAX);
    }
}
