//! [`Pace`]: how far the transfer of a connection is, and how fast it goes.

use std::time::{Duration, Instant};

use skiff_sessions::server::Direction;
use skiff_sessions::transfer::{Task, Until};

/// The rate is that of the last one to two of these.
const WINDOW: Duration = Duration::from_secs(2);

pub(super) struct Pace {
    pub(super) began: Instant,
    /// That of a file's bytes; `None` for listings, digests, and what is dropped.
    pub(super) direction: Option<Direction>,
    /// The offset in the file that it began at.
    from: u64,
    /// The offset that it is to end at, where that is known.
    to: Option<u64>,
    moved: u64,
    /// What of `moved` the session was told.
    reported: u64,
    /// Where it was one to two windows ago.
    before: Mark,
    lately: Mark,
}

/// How much was moved at some time.
#[derive(Clone, Copy)]
struct Mark {
    at: Instant,
    moved: u64,
}

impl Pace {
    pub(super) fn of(task: &Task, now: Instant) -> Self {
        let (direction, from, to) = match *task {
            Task::Send { from, until, .. } | Task::SendStream { from, until, .. } => match until {
                Until::Offset(to) => (Some(Direction::ToPeer), from, Some(to)),
                Until::SourceEnd => (None, from, None),
            },
            Task::Receive { from, at_most, .. } => (Some(Direction::FromPeer), from, Some(at_most)),
            Task::ReceiveStream {
                from, announced, ..
            } => (Some(Direction::FromPeer), from, announced),
            Task::Digest { .. } | Task::DigestRange { .. } | Task::Discard => (None, 0, None),
        };
        let start = Mark { at: now, moved: 0 };
        Self {
            began: now,
            direction,
            from,
            to,
            moved: 0,
            reported: 0,
            before: start,
            lately: start,
        }
    }

    /// Notes that `moved` bytes were moved until now; returns how many of them are new.
    pub(super) fn note(&mut self, moved: u64, now: Instant) -> u64 {
        let new = moved.saturating_sub(self.moved);
        self.moved = moved;
        if now.duration_since(self.lately.at) >= WINDOW {
            self.before = self.lately;
            self.lately = Mark { at: now, moved };
        }
        new
    }

    /// Notes that the session is told of `moved` bytes; whether it was told that already.
    pub(super) fn is_reported(&mut self, moved: u64) -> bool {
        std::mem::replace(&mut self.reported, moved) == moved
    }

    pub(super) fn moved(&self) -> u64 {
        self.moved
    }

    /// Bytes that are to be moved in all, where that is known.
    pub(super) fn expected(&self) -> Option<u64> {
        self.to.map(|to| to.saturating_sub(self.from))
    }

    /// How much of the file is there.
    pub(super) fn percent(&self) -> Option<u8> {
        let there = u128::from(self.from) + u128::from(self.moved);
        let percent = match self.to? {
            0 => 100,
            to => (there * 100 / u128::from(to)).min(100),
        };
        u8::try_from(percent).ok()
    }

    /// Bytes in a second, lately: one that stands still comes to 0.
    pub(super) fn rate(&self, now: Instant) -> u64 {
        let millis = now.duration_since(self.before.at).as_millis().max(1);
        let moved = u128::from(self.moved - self.before.moved.min(self.moved));
        u64::try_from(moved * 1000 / millis).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use skiff_sessions::transfer::AtEnd;

    use super::*;
    use skiff_sessions::digest::Algorithm;
    use skiff_sessions::transfer::Hashing;
    use skiff_sessions::wire::command::Representation;

    fn upload(from: u64, size: u64, now: Instant) -> Pace {
        let task = Task::Receive {
            from,
            at_most: size,
            hashing: Hashing::Off,
        };
        Pace::of(&task, now)
    }

    #[test]
    fn a_steady_transfer_has_its_rate_and_a_stalled_one_loses_it() {
        let start = Instant::now();
        let mut pace = upload(0, 100_000, start);
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        for second in 1..=20 {
            assert_eq!(pace.note(second * 1000, at(second)), 1000);
            assert_eq!(pace.rate(at(second)), 1000, "after {second} s");
        }
        assert!(pace.rate(at(30)) < 350);
        assert!(pace.rate(at(500)) < 10);
        // What comes later counts by itself, once the windows are behind the pause.
        for second in 501..=510 {
            pace.note(20_000 + (second - 500) * 5000, at(second));
        }
        assert_eq!(pace.rate(at(510)), 5000);
    }

    #[test]
    fn what_was_there_counts_for_the_percent_and_not_for_the_rate() {
        let now = Instant::now();
        let mut pace = upload(500, 1000, now);
        assert_eq!((pace.percent(), pace.expected()), (Some(50), Some(500)));
        assert_eq!(pace.rate(now), 0);
        pace.note(250, now + Duration::from_secs(1));
        assert_eq!(pace.percent(), Some(75));
        assert_eq!(pace.rate(now + Duration::from_secs(1)), 250);
        pace.note(9000, now + Duration::from_secs(2));
        assert_eq!(pace.percent(), Some(100));
    }

    #[test]
    fn only_bytes_of_files_have_a_direction() {
        let now = Instant::now();
        let stream = |announced| Task::ReceiveStream {
            from: 7,
            announced,
            form: Representation::Image,
            at_end: AtEnd::MakeReady,
        };
        let digest = Task::Digest {
            to: 9,
            algorithm: Algorithm::Md5,
        };
        let told = |task: &Task| {
            let pace = Pace::of(task, now);
            (pace.direction, pace.expected(), pace.percent())
        };
        let from_peer = Some(Direction::FromPeer);
        assert_eq!(told(&stream(None)), (from_peer, None, None));
        assert_eq!(told(&stream(Some(14))), (from_peer, Some(7), Some(50)));
        assert_eq!(told(&digest), (None, None, None));
        assert_eq!(upload(0, 0, now).percent(), Some(100));
    }
}
