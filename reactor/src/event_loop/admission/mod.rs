//! Decides which peers are served: counts sessions in all, per network and per user against the
//! limits, makes room for newcomers, and bans users and networks after failed logins.

mod before_login;
mod failed_logins;
mod network;
mod refusals;

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use skiff_conf::Limits;
use skiff_sessions::wire::reply::CloseReason;

use self::before_login::{Arrival, BeforeLogin};
use self::failed_logins::FailedLogins;
pub(crate) use self::failed_logins::{Ban, BanState, CheckTurn, LoginTurn};
pub(crate) use self::network::ClientNetwork;
pub(crate) use self::refusals::Refusals;
use crate::accesslog::notice::Notice;
use crate::accesslog::{AccessLog, MAX_USER};
use crate::transport::ids::ConnectionId;
use crate::workers::password_check::PasswordCheck;

/// Most peers at a time that are refused under TLS, which costs a handshake each.
const REFUSED_UNDER_TLS_MAX: u32 = 64;

pub(crate) struct Admission {
    limits: Limits,
    sessions: u32,
    refused: u32,
    before_login: BeforeLogin,
    networks: HashMap<ClientNetwork, u32>,
    users: HashMap<String, u32>,
    failed_logins: FailedLogins,
}

/// As what a session is counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    BeforeLogin(Arrival),
    LoggedIn,
    /// It is told why it is not let in, and nothing else.
    Refused(CloseReason),
}

/// Whom a ban meets.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Banned {
    User,
    Network,
}

impl Admission {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            sessions: 0,
            refused: 0,
            before_login: BeforeLogin::default(),
            networks: HashMap::new(),
            users: HashMap::new(),
            failed_logins: FailedLogins::default(),
        }
    }

    /// How long transfers may go on after SIGTERM.
    pub(crate) fn drain(&self) -> Duration {
        self.limits.drain
    }

    pub(crate) fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Decides whether a peer at `address` is let in, or why not. Where it is one too many, the
    /// oldest that has not logged in is returned, which is to be ended at once.
    pub(crate) fn make_room(
        &mut self,
        address: IpAddr,
        now: Instant,
    ) -> Result<Option<ConnectionId>, CloseReason> {
        let network = ClientNetwork::of(address);
        if let Some(why) = self.ban(address, None, now) {
            return Err(why);
        }
        let of_network = self.networks.get(&network).copied().unwrap_or(0);
        let network_is_full = of_network >= self.limits.sessions_per_address;
        if network_is_full && !self.limits.exempts(address) {
            let oldest = self.before_login.take_oldest_of(network);
            return oldest.map(Some).ok_or(CloseReason::TooManyFromAddress);
        }
        if self.is_full() {
            let oldest = self.before_login.take_oldest();
            return oldest.map(Some).ok_or(CloseReason::TooManySessions);
        }
        Ok(None)
    }

    /// Counts a new session of `address`, for which there is room.
    pub(crate) fn enter(&mut self, address: IpAddr, id: ConnectionId) -> Place {
        let network = ClientNetwork::of(address);
        self.sessions += 1;
        *self.networks.entry(network).or_default() += 1;
        Place::BeforeLogin(self.before_login.add(network, id))
    }

    fn is_full(&self) -> bool {
        let before_login = u32::try_from(self.before_login.len()).unwrap_or(u32::MAX);
        self.sessions >= self.limits.sessions || before_login >= self.limits.before_login
    }

    /// Counts a peer that is told under TLS why it is refused; false if there are too many.
    pub(crate) fn enter_refused(&mut self) -> bool {
        let may = self.refused < REFUSED_UNDER_TLS_MAX;
        self.refused += u32::from(may);
        may
    }

    /// Counts a session that is to be ended as one that is told why; false if there are too many.
    pub(crate) fn turn_away(
        &mut self,
        address: IpAddr,
        place: &mut Place,
        why: CloseReason,
    ) -> bool {
        let may = self.enter_refused();
        if may {
            self.leave(address, "", *place);
            *place = Place::Refused(why);
        }
        may
    }

    /// Counts a session for `user` when the password was right; false if the user has too many.
    pub(crate) fn admit(&mut self, user: &str, address: IpAddr, place: &mut Place) -> bool {
        let Place::BeforeLogin(arrival) = *place else {
            return false;
        };
        let count = self.users.entry(user.to_owned()).or_default();
        if *count >= self.limits.sessions_per_user {
            return false;
        }
        *count += 1;
        self.before_login
            .remove(ClientNetwork::of(address), arrival);
        *place = Place::LoggedIn;
        true
    }

    /// Undoes [`Self::admit`] after a logout, or where the home could not be opened.
    pub(crate) fn withdraw(
        &mut self,
        user: &str,
        address: IpAddr,
        id: ConnectionId,
        place: &mut Place,
    ) {
        if *place == Place::LoggedIn {
            decrease(&mut self.users, user);
            let network = ClientNetwork::of(address);
            *place = Place::BeforeLogin(self.before_login.add(network, id));
        }
    }

    /// Uncounts a session that ended.
    pub(crate) fn leave(&mut self, address: IpAddr, user: &str, place: Place) {
        let network = ClientNetwork::of(address);
        match place {
            Place::LoggedIn => decrease(&mut self.users, user),
            Place::BeforeLogin(arrival) => self.before_login.remove(network, arrival),
            Place::Refused(_) => {
                self.refused -= 1;
                return;
            }
        }
        self.sessions -= 1;
        decrease(&mut self.networks, &network);
    }

    /// Takes out the sessions of `address` that have not logged in; they are to be ended.
    pub(crate) fn take_before_login(&mut self, address: IpAddr) -> Vec<ConnectionId> {
        let network = ClientNetwork::of(address);
        std::iter::from_fn(|| self.before_login.take_oldest_of(network)).collect()
    }

    /// Why nobody may log in from `address`, or `user` may not.
    pub(crate) fn ban(
        &self,
        address: IpAddr,
        user: Option<&str>,
        now: Instant,
    ) -> Option<CloseReason> {
        if self.limits.exempts(address) {
            return None;
        }
        let network = ClientNetwork::of(address);
        self.failed_logins.ban(network, user, &self.limits, now)
    }

    /// Counts a failed login of `user` from `address`.
    pub(crate) fn record_failed_login(
        &mut self,
        address: IpAddr,
        user: &str,
        now: Instant,
    ) -> BanState {
        if self.limits.exempts(address) {
            return BanState::NotBanned;
        }
        let network = ClientNetwork::of(address);
        self.failed_logins.record(network, user, &self.limits, now)
    }

    /// Logs a ban that a failed login of `user` from `address` has led to.
    pub(crate) fn log_ban(&self, state: BanState, address: IpAddr, user: &str, log: &AccessLog) {
        let user = match state {
            BanState::NotBanned | BanState::BannedBefore => return,
            BanState::UserBannedNow => Some(&user.as_bytes()[..user.floor_char_boundary(MAX_USER)]),
            BanState::NetworkBannedNow => None,
        };
        let of = match user {
            Some(_) => Banned::User,
            None => Banned::Network,
        };
        let cause = self.ban_cause(of);
        log.notice(&Notice::Banned {
            address: &ClientNetwork::of(address).to_string(),
            user,
            seconds: self.limits.ban.as_secs(),
            cause: &cause,
        });
    }

    /// What leads to a ban.
    fn ban_cause(&self, of: Banned) -> String {
        match of {
            Banned::User => {
                let failures = self.limits.ban_after;
                format!("{failures} failed logins (limits.ban_after)")
            }
            Banned::Network => {
                let users = self.limits.ban_address_after;
                format!("failed logins of {users} users (limits.ban_address_after)")
            }
        }
    }

    /// The bans that hold, each with its cause; in no order, but in the same one while nothing
    /// changes.
    pub(crate) fn bans(&self, now: Instant) -> impl Iterator<Item = (Ban, String)> {
        let bans = self.failed_logins.bans(&self.limits, now);
        bans.map(|ban| {
            let of = match ban.user {
                Some(_) => Banned::User,
                None => Banned::Network,
            };
            (ban, self.ban_cause(of))
        })
    }

    /// Ends the bans at `address`; returns their number.
    pub(crate) fn unban_address(&mut self, address: IpAddr, now: Instant) -> usize {
        let network = ClientNetwork::of(address);
        self.failed_logins.unban_network(network, &self.limits, now)
    }

    /// Ends the bans of `user`; returns their number.
    pub(crate) fn unban_user(&mut self, user: &str, now: Instant) -> usize {
        self.failed_logins.unban_user(user, &self.limits, now)
    }

    /// Ends all bans; returns their number.
    pub(crate) fn unban_all(&mut self, now: Instant) -> usize {
        self.failed_logins.unban_all(&self.limits, now)
    }

    /// Notes that `user` has proven the password from `address`.
    pub(crate) fn record_login(&mut self, address: IpAddr, user: &str, now: Instant) {
        if !self.limits.exempts(address) {
            let network = ClientNetwork::of(address);
            self.failed_logins.record_success(network, user, now);
        }
    }

    /// When a login of `user` from `address` may go on; takes that turn.
    pub(crate) fn take_turn(&mut self, address: IpAddr, user: &str, now: Instant) -> LoginTurn {
        if self.limits.exempts(address) {
            return LoginTurn::Now;
        }
        let network = ClientNetwork::of(address);
        self.failed_logins
            .take_turn(network, user, &self.limits, now)
    }

    /// Begins the check of a password of `user` from `address`.
    pub(crate) fn begin_check(&mut self, address: IpAddr, user: &str, now: Instant) -> CheckTurn {
        if self.limits.exempts(address) {
            return CheckTurn::Now(PasswordCheck::default());
        }
        let network = ClientNetwork::of(address);
        self.failed_logins
            .begin_check(network, user, &self.limits, now)
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
            ban_address_after: 2,
            ban: Duration::from_secs(60),
            ..Limits::default()
        }
    }

    fn id(index: u32) -> ConnectionId {
        ConnectionId {
            index,
            generation: 1,
        }
    }

    /// Enters, and says which session went instead.
    fn enter(admission: &mut Admission, address: IpAddr, index: u32) -> (Place, Option<u32>) {
        let instead_of = admission.make_room(address, Instant::now()).unwrap();
        let place = admission.enter(address, id(index));
        (place, instead_of.map(|id| id.index))
    }

    #[test]
    fn silent_ones_make_room_and_those_who_are_in_do_not() {
        let mut admission = Admission::new(limits());
        let a: IpAddr = "2001:db8::1".parse().unwrap();
        let same_64: IpAddr = "2001:db8::ffff:1".parse().unwrap();
        let b: IpAddr = "192.0.2.1".parse().unwrap();
        let b_mapped: IpAddr = "::ffff:192.0.2.1".parse().unwrap();
        let c: IpAddr = "192.0.2.3".parse().unwrap();
        let (zero, _) = enter(&mut admission, a, 0);
        let (one, instead) = enter(&mut admission, same_64, 1);
        assert_eq!(instead, None);
        // The network is full, and its own oldest goes.
        assert_eq!(enter(&mut admission, a, 2).1, Some(0));
        admission.leave(a, "", zero);
        let (mut three, instead) = enter(&mut admission, b, 3);
        assert_eq!(instead, None);
        // The room before the login is full: the network that has most of it loses its oldest.
        assert_eq!(enter(&mut admission, c, 4).1, Some(1));
        admission.leave(a, "", one);
        assert!(admission.admit("tom", b, &mut three));
        assert_eq!(three, Place::LoggedIn);
        let (mut five, _) = enter(&mut admission, b_mapped, 5);
        assert!(!admission.admit("tom", b, &mut five), "one session a user");
        assert!(admission.admit("sam", b, &mut five));
        // Both sessions of the network are logged in: nobody makes room.
        assert_eq!(
            admission.make_room(b, Instant::now()),
            Err(CloseReason::TooManyFromAddress)
        );
        admission.withdraw("sam", b, id(5), &mut five);
        admission.leave(b, "", five);
        admission.leave(b, "tom", three);
        assert_eq!(admission.sessions, 2);
        assert_eq!(admission.before_login.len(), 2);
        assert!(admission.users.is_empty());
    }

    #[test]
    fn a_full_house_of_users_refuses() {
        let mut admission = Admission::new(limits());
        for n in 0..5 {
            let address = IpAddr::from([192, 0, 2, n]);
            let (mut place, _) = enter(&mut admission, address, u32::from(n));
            assert!(admission.admit(&format!("user {n}"), address, &mut place));
        }
        let address = IpAddr::from([192, 0, 2, 9]);
        assert_eq!(
            admission.make_room(address, Instant::now()),
            Err(CloseReason::TooManySessions)
        );
        for _ in 0..REFUSED_UNDER_TLS_MAX {
            assert!(admission.enter_refused());
        }
        assert!(!admission.enter_refused());
        admission.leave(address, "", Place::Refused(CloseReason::Banned));
        assert!(admission.enter_refused());
    }

    #[test]
    fn a_ban_takes_out_those_who_have_not_logged_in() {
        let (mut admission, now) = (Admission::new(limits()), Instant::now());
        let b: IpAddr = "192.0.2.1".parse().unwrap();
        let (mut place, _) = enter(&mut admission, b, 0);
        assert!(admission.admit("tom", b, &mut place));
        let (one, _) = enter(&mut admission, b, 1);
        let states = ["jerry", "sam"].map(|user| admission.record_failed_login(b, user, now));
        assert_eq!(states, [BanState::NotBanned, BanState::NetworkBannedNow]);
        assert_eq!(admission.take_before_login(b), [id(1)]);
        admission.leave(b, "", one);
        assert_eq!(admission.sessions, 1);
        assert_eq!(admission.make_room(b, now), Err(CloseReason::Banned));
        let later = now + Duration::from_secs(61);
        assert_eq!(admission.make_room(b, later), Ok(None));
    }

    #[test]
    fn who_is_told_why_is_counted_apart() {
        let mut admission = Admission::new(limits());
        let b: IpAddr = "192.0.2.1".parse().unwrap();
        let (mut place, _) = enter(&mut admission, b, 0);
        admission.take_before_login(b);
        assert!(admission.turn_away(b, &mut place, CloseReason::Banned));
        assert_eq!(place, Place::Refused(CloseReason::Banned));
        assert_eq!((admission.sessions, admission.refused), (0, 1));
        admission.leave(b, "", place);
        assert_eq!((admission.sessions, admission.refused), (0, 0));
        assert!(admission.networks.is_empty());
    }

    #[test]
    fn exempt_addresses_are_never_banned_and_never_wait() {
        let (mut admission, now) = (Admission::new(limits()), Instant::now());
        let local: IpAddr = "127.0.0.1".parse().unwrap();
        for _ in 0..10 {
            admission.record_failed_login(local, "tom", now);
        }
        for index in 0..3 {
            assert_eq!(admission.make_room(local, now), Ok(None));
            admission.enter(local, id(index));
        }
        assert_eq!(admission.take_turn(local, "tom", now), LoginTurn::Now);
    }
}
