//! Holds transfers to the rates of the server, of users and of sessions. Each is a bucket that says
//! when more bytes may flow; a transfer waits for all of its buckets, and takes what it may move
//! from each before it is lent to a worker.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

use skiff_sessions::server::Direction;
use skiff_sessions::server::terms::Rates;

use crate::workers::schedule::AccountNumber;

/// What is lent at a time, in seconds of the rate: timers are exact to some milliseconds.
const PORTIONS_PER_SECOND: u64 = 20;
/// Bytes of a portion at least: each is a trip to a worker and back.
const PORTION_MIN: u64 = 16 * 1024;
/// Bytes of a portion at most: those of a burst.
const PORTION_MAX: u64 = 4 << 20;
/// A bucket that was not used for a while gives this much more at once, so that a late timer costs
/// nothing.
const CATCH_UP: Duration = Duration::from_millis(100);

/// One rate.
struct Bucket {
    /// Bytes in a second.
    rate: u64,
    /// When all that was taken has flowed.
    free_at: Instant,
}

impl Bucket {
    fn portion(&self) -> u64 {
        (self.rate / PORTIONS_PER_SECOND).clamp(PORTION_MIN, PORTION_MAX)
    }

    /// Takes bytes; when they may flow.
    fn take(&mut self, bytes: u64, now: Instant) -> Instant {
        let from = now
            .checked_sub(CATCH_UP)
            .map_or(self.free_at, |earliest| self.free_at.max(earliest));
        self.free_at = from + self.time_of(bytes);
        from
    }

    fn give_back(&mut self, bytes: u64) {
        self.free_at = self
            .free_at
            .checked_sub(self.time_of(bytes))
            .unwrap_or(self.free_at);
    }

    fn time_of(&self, bytes: u64) -> Duration {
        let nanoseconds = u128::from(bytes) * 1_000_000_000 / u128::from(self.rate.max(1));
        Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
    }
}

/// The buckets of both directions.
#[derive(Default)]
pub(crate) struct Pair {
    rates: Rates,
    upload: Option<Bucket>,
    download: Option<Bucket>,
}

type SharedPair = Rc<RefCell<Pair>>;

impl Pair {
    /// Takes other rates, which begin anew; whether they are other ones.
    fn set(&mut self, rates: Rates, now: Instant) -> bool {
        if self.rates == rates {
            return false;
        }
        self.rates = rates;
        for (bucket, rate) in [
            (&mut self.upload, rates.upload),
            (&mut self.download, rates.download),
        ] {
            *bucket = rate.map(|rate| Bucket {
                rate: rate.get(),
                free_at: now,
            });
        }
        true
    }

    fn bucket(&mut self, direction: Direction) -> Option<&mut Bucket> {
        match direction {
            Direction::FromPeer => self.upload.as_mut(),
            Direction::ToPeer => self.download.as_mut(),
        }
    }
}

/// The rates of the whole server and of users with sessions.
#[derive(Default)]
pub(crate) struct RateLimits {
    all: SharedPair,
    users: HashMap<AccountNumber, Weak<RefCell<Pair>>>,
    /// How often rates have changed.
    changes: u64,
}

/// The buckets that a session takes from.
pub(crate) struct SessionRates {
    session: Pair,
    shared: [Option<SharedPair>; 2],
    /// When the transfer that is held may go on.
    held_until: Option<Instant>,
    /// Bytes that were taken for the next burst, or the one under way.
    taken: Option<(Direction, u64)>,
    /// The changes of rates that are known.
    changes: u64,
}

impl RateLimits {
    pub(crate) fn of_all(rates: Rates) -> Self {
        let mut limits = Self::default();
        limits.set_all(rates, Instant::now());
        limits
    }

    /// Takes other rates for all together.
    pub(crate) fn set_all(&mut self, rates: Rates, now: Instant) {
        let changed = self.all.borrow_mut().set(rates, now);
        self.changes += u64::from(changed);
    }

    /// The buckets of a session of the account; `None` where nothing is limited.
    pub(crate) fn of_session(
        &mut self,
        account: AccountNumber,
        (user, session): (Rates, Rates),
        before: Option<Box<SessionRates>>,
        now: Instant,
    ) -> Option<Box<SessionRates>> {
        let all = self.all.borrow().rates;
        if [all, user, session] == [Rates::NONE; 3] {
            return None;
        }
        let mut rates = before.unwrap_or_else(|| {
            Box::new(SessionRates {
                session: Pair::default(),
                shared: [None, None],
                held_until: None,
                taken: None,
                changes: self.changes,
            })
        });
        let changed = rates.session.set(session, now);
        self.changes += u64::from(changed);
        let of_user = (user != Rates::NONE).then(|| self.of_user(account, user, now));
        rates.shared = [Some(Rc::clone(&self.all)), of_user];
        if rates.changes != self.changes {
            // What was taken at the old rates counts no more.
            (rates.changes, rates.taken, rates.held_until) = (self.changes, None, None);
        }
        Some(rates)
    }

    fn of_user(&mut self, account: AccountNumber, rates: Rates, now: Instant) -> SharedPair {
        let known = self.users.get(&account).and_then(Weak::upgrade);
        let pair = known.unwrap_or_else(|| {
            // Those of users who have left go before a new one comes.
            self.users.retain(|_, pair| pair.strong_count() > 0);
            let new = SharedPair::default();
            self.users.insert(account, Rc::downgrade(&new));
            new
        });
        let changed = pair.borrow_mut().set(rates, now);
        self.changes += u64::from(changed);
        pair
    }
}

impl SessionRates {
    /// Whether the transfer is held back now. It takes what its next burst may move at once, so that
    /// sessions have their turns in the order in which they came.
    pub(crate) fn holds(&mut self, direction: Direction, now: Instant) -> bool {
        if self.taken.is_some_and(|(taken, _)| taken != direction) {
            // It was for a transfer that has ended.
            self.settle(0, now);
        }
        if self.taken.is_none() {
            self.held_until = self.take(direction, now);
        }
        self.held_until.is_some_and(|until| until > now)
    }

    /// When the transfer that is held may go on.
    pub(crate) fn held_until(&self) -> Option<Instant> {
        self.held_until
    }

    /// Ends the holding if its time has come; whether it has.
    pub(crate) fn release(&mut self, now: Instant) -> bool {
        self.held_until.take_if(|until| *until <= now).is_some()
    }

    /// What the next burst may move; `None` where no bucket limits it.
    pub(crate) fn allowance(&mut self) -> Option<u64> {
        self.held_until = None;
        self.taken.map(|(_, bytes)| bytes)
    }

    /// Takes a portion from each bucket; when it may flow.
    fn take(&mut self, direction: Direction, now: Instant) -> Option<Instant> {
        let mut portion = u64::MAX;
        self.each(direction, |bucket| portion = portion.min(bucket.portion()));
        if portion == u64::MAX {
            return None;
        }
        self.taken = Some((direction, portion));
        let mut turn = now;
        self.each(direction, |bucket| {
            turn = turn.max(bucket.take(portion, now));
        });
        Some(turn)
    }

    /// Settles what the burst has really moved.
    pub(crate) fn settle(&mut self, moved: u64, now: Instant) {
        let Some((direction, taken)) = self.taken.take() else {
            return;
        };
        self.each(direction, |bucket| match moved.checked_sub(taken) {
            Some(0) => {}
            Some(more) => {
                bucket.take(more, now);
            }
            None => bucket.give_back(taken - moved),
        });
    }

    fn each(&mut self, direction: Direction, mut act: impl FnMut(&mut Bucket)) {
        self.session
            .bucket(direction)
            .into_iter()
            .for_each(&mut act);
        for pair in self.shared.iter().flatten() {
            pair.borrow_mut()
                .bucket(direction)
                .into_iter()
                .for_each(&mut act);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use super::*;

    const UP: Direction = Direction::FromPeer;

    fn up(rate: u64) -> Rates {
        Rates {
            upload: NonZeroU64::new(rate),
            download: None,
        }
    }

    /// Moves as much as may be moved in ten seconds, each burst taking that many milliseconds of
    /// which the reactor hears late; in bytes.
    fn moved_in_ten_seconds(sessions: &mut [Box<SessionRates>], start: Instant) -> Vec<u64> {
        let mut moved = vec![0; sessions.len()];
        for millisecond in 0..10_000 {
            let now = start + Duration::from_millis(millisecond);
            for (session, moved) in sessions.iter_mut().zip(&mut moved) {
                if !session.holds(UP, now) {
                    let portion = session.allowance().unwrap();
                    session.settle(portion, now);
                    *moved += portion;
                }
            }
        }
        moved
    }

    #[track_caller]
    fn is_about(moved: u64, expected: u64) {
        assert!(
            moved.abs_diff(expected) <= expected / 20,
            "{moved}, not {expected}"
        );
    }

    #[test]
    fn each_rate_is_held_within_five_per_cent() {
        for rate in [50_000, 1_000_000, 100_000_000, 2_000_000_000] {
            let (mut limits, now) = (RateLimits::default(), Instant::now());
            let number = AccountNumber(1);
            let session = limits.of_session(number, (Rates::NONE, up(rate)), None, now);
            let moved = moved_in_ten_seconds(&mut [session.unwrap()], now);
            is_about(moved[0], 10 * rate);
        }
    }

    #[test]
    fn sessions_of_a_user_share_the_rate_of_the_user() {
        let (mut limits, now) = (RateLimits::default(), Instant::now());
        let mut session = || {
            let rates = (up(10_000_000), Rates::NONE);
            limits
                .of_session(AccountNumber(1), rates, None, now)
                .unwrap()
        };
        let mut sessions = [session(), session(), session()];
        let moved = moved_in_ten_seconds(&mut sessions, now);
        is_about(moved.iter().sum(), 100_000_000);
        assert!(moved.iter().all(|moved| *moved > 20_000_000), "{moved:?}");
    }

    #[test]
    fn the_lowest_of_all_rates_counts_and_others_are_not_held() {
        let (mut limits, now) = (RateLimits::default(), Instant::now());
        limits.set_all(up(4_000_000), now);
        let mut session = |number, user| {
            limits
                .of_session(AccountNumber(number), (user, Rates::NONE), None, now)
                .unwrap()
        };
        let mut sessions = [session(1, up(1_000_000)), session(2, Rates::NONE)];
        let moved = moved_in_ten_seconds(&mut sessions, now);
        is_about(moved.iter().sum(), 40_000_000);
        // Both want more than there is.
        assert!((7_000_000..10_200_000).contains(&moved[0]), "{moved:?}");
        assert!(!sessions[0].holds(Direction::ToPeer, now));
        assert_eq!(sessions[0].allowance(), None);
    }

    #[test]
    fn what_was_not_moved_is_given_back_and_a_change_counts_at_once() {
        let (mut limits, now) = (RateLimits::default(), Instant::now());
        let number = AccountNumber(1);
        let rates = (Rates::NONE, up(1_000_000));
        let mut session = limits.of_session(number, rates, None, now).unwrap();
        assert!(!session.holds(UP, now));
        session.settle(0, now);
        assert!(!session.holds(UP, now));
        session.settle(1_000_000, now);
        assert!(session.holds(UP, now + Duration::from_millis(500)));
        let unlimited = limits.of_session(number, (Rates::NONE, Rates::NONE), Some(session), now);
        assert!(unlimited.is_none());
    }

    #[test]
    fn users_who_have_left_are_forgotten() {
        let (mut limits, now) = (RateLimits::default(), Instant::now());
        for number in 0..100 {
            limits.of_session(AccountNumber(number), (up(1000), Rates::NONE), None, now);
        }
        assert!(limits.users.len() <= 2, "{}", limits.users.len());
    }
}
