//! [`LastHour`]: what was refused in the last hour, from sums since the start.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::event_loop::counters::Refused;

const HOUR: Duration = Duration::from_secs(3600);
/// Time between two marks.
const MINUTE: Duration = Duration::from_secs(60);

/// What the sums were, minute by minute; the first mark is an hour old, once there is one as old.
#[derive(Default)]
pub(crate) struct LastHour(VecDeque<(Instant, Refused)>);

impl LastHour {
    /// To be told the sums whenever something may come to be counted, before it is: so nothing has
    /// to happen in between.
    pub(crate) fn note(&mut self, now: Instant, so_far: impl FnOnce() -> Refused) {
        let marks = &mut self.0;
        if marks.back().is_some_and(|(at, _)| now < *at + MINUTE) {
            return;
        }
        marks.push_back((now, so_far()));
        while marks.get(1).is_some_and(|(at, _)| *at + HOUR <= now) {
            marks.pop_front();
        }
    }

    /// How much the sums have grown in the last hour, give or take a minute.
    pub(crate) fn grown(&self, now: Instant, so_far: Refused) -> Refused {
        let old = self.0.iter().rev().find(|(at, _)| *at + HOUR <= now);
        let before = old.map(|(_, sums)| *sums).unwrap_or_default();
        let mut grown = so_far;
        for (sum, before) in grown.iter_mut().zip(before) {
            *sum -= before.min(*sum);
        }
        grown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sums(first: u64) -> Refused {
        let mut sums = Refused::default();
        sums[0] = first;
        sums
    }

    #[test]
    fn what_is_older_than_an_hour_does_not_count() {
        let start = Instant::now();
        let at = |minutes: u64| start + MINUTE * u32::try_from(minutes).unwrap();
        let mut hour = LastHour::default();
        assert_eq!(hour.grown(start, sums(3)), sums(3));
        // One each minute, noted before it happens.
        for minute in 0..200 {
            hour.note(at(minute), || sums(minute));
            let expected = (minute + 1).min(61);
            assert_eq!(hour.grown(at(minute), sums(minute + 1)), sums(expected));
        }
        assert!(hour.0.len() <= 62, "{}", hour.0.len());
        // After a pause in which nothing happened.
        assert_eq!(hour.grown(at(500), sums(200)), sums(1));
        hour.note(at(500), || sums(200));
        assert_eq!(hour.grown(at(500), sums(201)), sums(1 + 1));
        assert_eq!(hour.grown(at(560), sums(201)), sums(1));
    }

    #[test]
    fn many_turns_of_a_minute_are_one_mark() {
        let start = Instant::now();
        let mut hour = LastHour::default();
        for second in 0..120 {
            hour.note(start + Duration::from_secs(second), Refused::default);
        }
        assert_eq!(hour.0.len(), 2);
    }
}
