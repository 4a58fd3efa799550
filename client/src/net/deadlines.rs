//! Decides how long a dialogue waits for the server: for an answer, for an end of the server's own
//! work, and for an end of what was stopped.

use std::time::{Duration, Instant};

use super::link::LinkError;

/// How many timeouts the server may work without getting further: it may be waiting for a slow disk
/// (111 with `done=` equal to `of=`).
const STALLED_WORK: u32 = 20;

/// How many timeouts the server may work on one answer: a day, where the timeout is 30 s.
const LONGEST_WORK: u32 = 2880;

/// How many timeouts it may take until all that was under way before ABOR has been discarded.
const LONGEST_DRAIN: u32 = 4;

/// Work of which less than this part was done meanwhile did not get further.
const LEAST_ADVANCE: u64 = 1000;

/// The deadlines of one dialogue.
pub(crate) struct Deadlines {
    timeout: Duration,
    answer: Instant,
    work: Option<Work>,
    /// Since ABOR was sent: when all before it has to be answered.
    drain: Option<Instant>,
}

/// The server's own work, which it tells of by 111.
struct Work {
    /// When it is given up if it gets no further.
    stalls_at: Instant,
    /// When it is given up in any case.
    ends_at: Instant,
    done: u64,
}

impl Deadlines {
    /// Begins to wait for an answer.
    pub(crate) fn begin(now: Instant, timeout: Duration) -> Self {
        Self {
            timeout,
            answer: now + timeout,
            work: None,
            drain: None,
        }
    }

    /// Begins to wait anew: an answer came, or a byte moved.
    pub(crate) fn renew(&mut self, now: Instant) {
        self.answer = now + self.timeout;
        self.work = None;
    }

    /// Records that ABOR was sent.
    pub(crate) fn begin_drain(&mut self, now: Instant) {
        self.drain
            .get_or_insert_with(|| now + self.timeout * LONGEST_DRAIN);
    }

    /// Records a 111: the server lives, and has done so much of its work.
    pub(crate) fn record_work(&mut self, now: Instant, progress: Option<(u64, u64)>) {
        self.answer = now + self.timeout;
        let (done, of) = progress.unwrap_or_default();
        let stalls_at = now + self.timeout * STALLED_WORK;
        let work = self.work.get_or_insert_with(|| Work {
            stalls_at,
            ends_at: now + self.timeout * LONGEST_WORK,
            done,
        });
        if done > work.done.saturating_add(of / LEAST_ADVANCE) {
            work.done = done;
            work.stalls_at = stalls_at;
        }
    }

    /// Returns when the connection is given up.
    pub(crate) fn next(&self) -> Instant {
        let work = self
            .work
            .as_ref()
            .map(|work| work.stalls_at.min(work.ends_at));
        let others = work.into_iter().chain(self.drain);
        others.fold(self.answer, Instant::min)
    }

    /// Says why the connection is given up at [`Deadlines::next`].
    pub(crate) fn missed(&self) -> LinkError {
        match self.next() {
            missed if missed == self.answer => LinkError::TimedOut(self.timeout),
            missed if Some(missed) == self.drain => {
                LinkError::NotStopped(self.timeout * LONGEST_DRAIN)
            }
            _ => LinkError::EndlessWork,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(30);

    /// Hears a 111 every five seconds until the deadline has passed; how long that took.
    fn hear_until_missed(progress: impl Fn(u64) -> Option<(u64, u64)>) -> (Duration, LinkError) {
        let begun = Instant::now();
        let mut deadlines = Deadlines::begin(begun, TIMEOUT);
        for heard in 0.. {
            let now = begun + Duration::from_secs(5 * heard);
            if now > deadlines.next() {
                return (now - begun, deadlines.missed());
            }
            deadlines.record_work(now, progress(heard));
        }
        unreachable!("the range has no end");
    }

    #[test]
    fn work_that_gets_no_further_is_given_up() {
        for progress in [None, Some((7, 7)), Some((0, 0)), Some((0, u64::MAX))] {
            let (took, why) = hear_until_missed(|_| progress);
            assert_eq!(took.as_secs() / 10, 60, "{progress:?}");
            assert!(matches!(why, LinkError::EndlessWork), "{why:?}");
        }
    }

    #[test]
    fn work_that_creeps_is_given_up_as_well() {
        let (took, _) = hear_until_missed(|heard| Some((heard, 1_000_000)));
        assert_eq!(took.as_secs() / 10, 60);
        let (took, _) = hear_until_missed(|heard| Some((heard, 0)));
        assert_eq!(took.as_secs() / 3600, 24);
    }

    #[test]
    fn long_work_that_gets_further_is_waited_for() {
        let begun = Instant::now();
        let mut deadlines = Deadlines::begin(begun, TIMEOUT);
        for heard in 0..1000 {
            let now = begun + Duration::from_secs(5 * heard);
            assert!(now < deadlines.next(), "after {heard}");
            deadlines.record_work(now, Some((heard * 1000, 1_000_000)));
        }
    }

    #[test]
    fn a_silent_server_and_one_that_does_not_stop() {
        let begun = Instant::now();
        let mut deadlines = Deadlines::begin(begun, TIMEOUT);
        assert_eq!(deadlines.next(), begun + TIMEOUT);
        assert!(matches!(deadlines.missed(), LinkError::TimedOut(TIMEOUT)));
        deadlines.begin_drain(begun);
        for second in 0..200 {
            let now = begun + Duration::from_secs(second);
            deadlines.renew(now);
            deadlines.begin_drain(now);
        }
        assert_eq!(deadlines.next(), begun + TIMEOUT * LONGEST_DRAIN);
        assert!(matches!(deadlines.missed(), LinkError::NotStopped(_)));
    }
}
