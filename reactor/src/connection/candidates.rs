//! The connections that came to a session's passive port and may be its client's: which of them is
//! taken, and when. Pure: what a connection is, the caller knows.

use std::time::{Duration, Instant};

use skiff_sessions::server::Direction;

/// Connections in their handshake, or done with it, at a time.
pub(super) const CANDIDATES_MAX: usize = 4;
/// How long one that resumes is awaited, once a handshake has ended that did not resume.
const RESUMING_WAIT: Duration = Duration::from_millis(200);
/// The same while another is in its handshake, which takes the client two round trips where whoever
/// comes from its address may be nearer.
const HANDSHAKE_WAIT: Duration = Duration::from_secs(1);

/// Candidates in the order in which they came.
pub(super) struct Candidates<C> {
    list: Vec<(C, Progress)>,
    company: Company,
    wait: Wait,
    /// When the first handshake ended without resumption.
    since: Option<Instant>,
}

/// How far a candidate's handshake is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    Handshaking,
    /// Done, and it does not resume.
    Unproven,
}

/// How many candidates have come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Company {
    Nobody,
    One,
    Several,
}

/// Whether one that resumes is awaited where nobody else has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Wait {
    /// The port is closed, or the client is not expected to resume.
    No,
    Yes,
}

/// What is to be done with the candidates now.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Verdict<C> {
    Wait,
    Take(C),
    /// All have failed.
    GiveUp,
}

impl<C> Candidates<C> {
    pub(super) fn new(wait: Wait) -> Self {
        Self {
            list: Vec::with_capacity(1),
            company: Company::Nobody,
            wait,
            since: None,
        }
    }

    /// Adds one that begins its handshake. Where there are too many, one goes, which is returned: of
    /// those that are still silent in their own the oldest, so that a crowd does not keep the client
    /// out, but never the first, so that it does not drive the client out either.
    pub(super) fn add(&mut self, candidate: C) -> Option<C> {
        let gone = (self.list.len() >= CANDIDATES_MAX).then(|| {
            let mut others = self.list.iter().skip(1);
            let silent = others.position(|(_, progress)| *progress == Progress::Handshaking);
            let at = silent.map_or(self.list.len() - 1, |other| other + 1);
            self.list.remove(at).0
        });
        self.list.push((candidate, Progress::Handshaking));
        self.company = match self.company {
            Company::Nobody => Company::One,
            Company::One | Company::Several => Company::Several,
        };
        gone
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut C> {
        self.list.iter_mut().map(|(candidate, _)| candidate)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &C> {
        self.list.iter().map(|(candidate, _)| candidate)
    }

    /// Notes that a handshake was done and did not resume.
    pub(super) fn unproven(&mut self, which: impl Fn(&C) -> bool, now: Instant) {
        if let Some(at) = self.position(|(candidate, _)| which(candidate)) {
            self.list[at].1 = Progress::Unproven;
            self.since.get_or_insert(now);
        }
    }

    /// Takes one out whose handshake has failed.
    pub(super) fn failed(&mut self, which: impl Fn(&C) -> bool, now: Instant) -> Option<C> {
        self.since.get_or_insert(now);
        self.take(which)
    }

    pub(super) fn take(&mut self, which: impl Fn(&C) -> bool) -> Option<C> {
        let at = self.position(|(candidate, _)| which(candidate))?;
        Some(self.list.remove(at).0)
    }

    /// When [`Self::verdict`] is due.
    pub(super) fn due(&self) -> Option<Instant> {
        let since = self.since?;
        let is_any = |wanted| self.list.iter().any(|(_, progress)| *progress == wanted);
        if is_any(Progress::Handshaking) {
            return is_any(Progress::Unproven).then_some(since + HANDSHAKE_WAIT);
        }
        match (self.wait, self.company) {
            (Wait::Yes, _) | (_, Company::Several) => Some(since + RESUMING_WAIT),
            (Wait::No, Company::Nobody | Company::One) => Some(since),
        }
    }

    /// Judges once it is due: of those that do not resume, the first to come is taken.
    pub(super) fn verdict(&mut self, now: Instant) -> Verdict<C> {
        if self.due().is_none_or(|due| now < due) {
            return Verdict::Wait;
        }
        match self.position(|(_, progress)| *progress == Progress::Unproven) {
            Some(first) => Verdict::Take(self.list.remove(first).0),
            None => Verdict::GiveUp,
        }
    }

    fn position(&self, which: impl Fn(&(C, Progress)) -> bool) -> Option<usize> {
        self.list.iter().position(which)
    }
}

/// How the data connections of a session have begun so far, which tells whether the next one can be
/// expected to resume. Without that, a client would wait for every transfer that never resumes, or
/// only at times: programs with several sessions keep the tickets of all of them in one place.
#[derive(Default)]
pub(super) struct Habit {
    began: Began,
    /// Tickets of TLS 1.3 that data connections have used up, less those that they brought.
    tickets_used: i64,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(super) enum Began {
    #[default]
    Nothing,
    NeverResumed,
    Resumed,
    /// Both have been, the resumption first.
    AtTimes,
}

/// The version of TLS, as far as tickets differ by it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Tickets {
    /// Used as often as the client likes (TLS 1.2).
    Many,
    /// A careful client uses each once (RFC 8446 appendix C.4), and downloads bring another.
    Once,
}

/// What the last data connection said of the client for the first time.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum News {
    Nothing,
    Resumes,
    DoesNotResume,
}

impl Habit {
    pub(super) fn began(&self) -> Began {
        self.began
    }

    /// Whether a client that was given so many tickets on its control connection has one left, as
    /// far as that is known: one that has used each once may have none, one that has used more uses
    /// them again.
    pub(super) fn has_tickets(&self, given: usize) -> bool {
        i64::try_from(given) != Ok(self.tickets_used)
    }

    pub(super) fn resumed(&mut self, direction: Direction, tickets: Tickets) -> News {
        self.tickets_used += match (tickets, direction) {
            (Tickets::Once, Direction::FromPeer) => 1,
            (Tickets::Once, Direction::ToPeer) | (Tickets::Many, _) => 0,
        };
        let (began, news) = match self.began {
            Began::Nothing | Began::NeverResumed => (Began::Resumed, News::Resumes),
            Began::Resumed => (Began::Resumed, News::Nothing),
            Began::AtTimes => (Began::AtTimes, News::Nothing),
        };
        self.began = began;
        news
    }

    pub(super) fn did_not_resume(&mut self) -> News {
        let (began, news) = match self.began {
            Began::Nothing => (Began::NeverResumed, News::DoesNotResume),
            Began::NeverResumed => (Began::NeverResumed, News::Nothing),
            Began::Resumed | Began::AtTimes => (Began::AtTimes, News::Nothing),
        };
        self.began = began;
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The candidates that begin, in this order, and a clock.
    fn came(wait: Wait, names: &[&'static str]) -> (Candidates<&'static str>, Instant) {
        let mut candidates = Candidates::new(wait);
        for &name in names {
            assert_eq!(candidates.add(name), None);
        }
        (candidates, Instant::now())
    }

    #[test]
    fn one_that_does_not_resume_is_taken_when_nobody_better_came_in_time() {
        let (mut candidates, start) = came(Wait::Yes, &["first"]);
        assert_eq!(candidates.due(), None, "its handshake has not ended");
        candidates.unproven(|&name| name == "first", start);
        assert_eq!(candidates.due(), Some(start + RESUMING_WAIT));
        let before = start + RESUMING_WAIT - Duration::from_millis(1);
        assert_eq!(candidates.verdict(before), Verdict::Wait);
        assert_eq!(
            candidates.verdict(start + RESUMING_WAIT),
            Verdict::Take("first")
        );
    }

    #[test]
    fn one_alone_of_whom_nothing_better_is_expected_is_taken_at_once() {
        let (mut candidates, start) = came(Wait::No, &["first"]);
        candidates.unproven(|_| true, start);
        assert_eq!(candidates.verdict(start), Verdict::Take("first"));
    }

    #[test]
    fn where_several_came_the_wait_is_for_all() {
        let (mut candidates, start) = came(Wait::No, &["first", "second"]);
        candidates.unproven(|&name| name == "second", start);
        assert_eq!(candidates.verdict(start + RESUMING_WAIT), Verdict::Wait);
        let later = start + RESUMING_WAIT;
        candidates.unproven(|&name| name == "first", later);
        assert_eq!(candidates.verdict(later), Verdict::Take("first"));
    }

    #[test]
    fn one_that_stays_silent_in_its_handshake_holds_nobody_up_for_long() {
        let (mut candidates, start) = came(Wait::Yes, &["silent", "second"]);
        candidates.unproven(|&name| name == "second", start);
        assert_eq!(candidates.due(), Some(start + HANDSHAKE_WAIT));
        let due = start + HANDSHAKE_WAIT;
        assert_eq!(candidates.verdict(due), Verdict::Take("second"));
    }

    #[test]
    fn while_there_is_only_a_silent_one_nobody_gives_up() {
        let (mut candidates, start) = came(Wait::Yes, &["broken", "silent"]);
        let broken = candidates.failed(|&name| name == "broken", start);
        assert_eq!(broken, Some("broken"));
        assert_eq!(candidates.due(), None);
        candidates.failed(|&name| name == "silent", start);
        assert_eq!(candidates.verdict(start), Verdict::Wait);
        assert_eq!(candidates.verdict(start + RESUMING_WAIT), Verdict::GiveUp);
    }

    #[test]
    fn a_crowd_keeps_no_newcomer_out() {
        let (mut candidates, start) = came(Wait::Yes, &["1", "2", "3", "4"]);
        candidates.unproven(|&name| name == "1", start);
        assert_eq!(candidates.add("5"), Some("2"), "the oldest silent one");
        for name in ["3", "4", "5"] {
            candidates.unproven(|&other| other == name, start);
        }
        assert_eq!(
            candidates.add("6"),
            Some("5"),
            "the last, as none is silent"
        );
        candidates.unproven(|&name| name == "6", start);
        let due = start + RESUMING_WAIT;
        assert_eq!(candidates.verdict(due), Verdict::Take("1"));
    }

    #[test]
    fn a_crowd_drives_nobody_out_who_was_first() {
        let (mut candidates, _) = came(Wait::Yes, &["first", "2", "3", "4"]);
        for name in ["5", "6", "7", "8", "9"] {
            assert_ne!(candidates.add(name), Some("first"));
        }
        assert_eq!(candidates.iter().count(), CANDIDATES_MAX);
    }

    #[test]
    fn the_habit_of_a_client_is_news_once() {
        let mut habit = Habit::default();
        assert_eq!(habit.did_not_resume(), News::DoesNotResume);
        assert_eq!(habit.did_not_resume(), News::Nothing);
        assert_eq!(habit.began(), Began::NeverResumed);
        let resumed = |habit: &mut Habit| habit.resumed(Direction::ToPeer, Tickets::Once);
        assert_eq!(resumed(&mut habit), News::Resumes);
        assert_eq!(resumed(&mut habit), News::Nothing);
        assert_eq!(habit.did_not_resume(), News::Nothing);
        assert_eq!(habit.began(), Began::AtTimes);
        assert_eq!(resumed(&mut habit), News::Nothing);
        assert_eq!(
            habit.began(),
            Began::AtTimes,
            "it would be waited for again and again"
        );
    }

    #[test]
    fn a_client_that_has_used_each_ticket_once_may_have_none() {
        let mut habit = Habit::default();
        for _ in 0..3 {
            habit.resumed(Direction::FromPeer, Tickets::Once);
            habit.resumed(Direction::ToPeer, Tickets::Once);
            assert!(habit.has_tickets(4));
        }
        habit.resumed(Direction::FromPeer, Tickets::Once);
        assert!(!habit.has_tickets(4));
        habit.resumed(Direction::FromPeer, Tickets::Once);
        assert!(habit.has_tickets(4), "it uses them again");
    }

    #[test]
    fn tickets_of_tls_1_2_last() {
        let mut habit = Habit::default();
        for _ in 0..9 {
            habit.resumed(Direction::FromPeer, Tickets::Many);
            assert!(habit.has_tickets(4));
        }
    }
}
