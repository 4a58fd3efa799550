//! Computes how fast bytes move, from those of the last few seconds.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The rate is that of the last seconds, so that it follows what happens.
const WINDOW: Duration = Duration::from_secs(5);

/// Samples that are nearer to each other count as one.
const BETWEEN_SAMPLES: Duration = Duration::from_millis(250);

/// From less than this no rate is told: it would be a guess.
const SHORTEST: Duration = Duration::from_secs(1);

/// The bytes that moved in the last seconds.
pub(crate) struct Rate {
    /// When how many bytes had moved, the oldest first; never empty but before [`Rate::begin`].
    samples: VecDeque<(Instant, u64)>,
    /// The newest count, and when it grew last.
    moved: u64,
    moved_at: Instant,
    buffers: Buffers,
}

/// Whether the buffers between here and the other end took bytes at once.
#[derive(PartialEq, Eq)]
enum Buffers {
    Filling,
    /// They have been full: from then on they take bytes as fast as the other end does.
    Filled,
}

impl Rate {
    /// Begins with `moved` bytes, which do not count.
    pub(crate) fn begin(now: Instant, moved: u64) -> Self {
        Self {
            samples: [(now, moved)].into(),
            moved,
            moved_at: now,
            buffers: Buffers::Filling,
        }
    }

    /// Records that `moved` bytes have moved since the beginning.
    pub(crate) fn record(&mut self, now: Instant, moved: u64) {
        if moved <= self.moved {
            return;
        }
        self.moved = moved;
        self.moved_at = now;
        let is_due = |&(at, _): &(Instant, u64)| now - at >= BETWEEN_SAMPLES;
        if self.samples.back().is_none_or(is_due) {
            self.samples.push_back((now, moved));
        }
        // The youngest sample that is older than the window is where the window begins.
        while self
            .samples
            .get(1)
            .is_some_and(|&(at, _)| now - at >= WINDOW)
        {
            self.samples.pop_front();
        }
    }

    /// Records that the socket takes no more for now. What it took until it was full the first time
    /// says nothing of the line: those bytes are in this machine's memory.
    pub(crate) fn record_full(&mut self, now: Instant) {
        if self.buffers == Buffers::Filling {
            self.buffers = Buffers::Filled;
            self.samples.clear();
            self.samples.push_back((now, self.moved));
        }
    }

    /// Notes a sign of life of something that moves no bytes.
    pub(crate) fn touch(&mut self, now: Instant) {
        self.moved_at = now;
    }

    /// Bytes a second; `None` as long as there is too little to tell.
    pub(crate) fn per_second(&self, now: Instant) -> Option<u64> {
        let is_young = |&&(at, _): &&(Instant, u64)| now - at < WINDOW;
        let young = self.samples.iter().position(|sample| is_young(&sample));
        let begin = young.map_or(self.samples.len(), |index| index.max(1)) - 1;
        let &(since, from) = self.samples.get(begin)?;
        let took = now - since;
        if took < SHORTEST {
            return None;
        }
        Some(((self.moved - from) as f64 / took.as_secs_f64()) as u64)
    }

    /// How long nothing has moved.
    pub(crate) fn silent_for(&self, now: Instant) -> Duration {
        now - self.moved_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Moves `rate` bytes a second from `from` to `to` seconds, ten times a second.
    fn flow(rate: &mut Rate, begun: Instant, (from, to): (u64, u64), moved: u64, by: u64) -> u64 {
        let mut moved = moved;
        for tenth in from * 10..to * 10 {
            moved += by / 10;
            rate.record(begun + Duration::from_millis(tenth * 100 + 100), moved);
        }
        moved
    }

    #[test]
    fn the_rate_is_that_of_the_last_seconds() {
        let begun = Instant::now();
        let at = |seconds| begun + Duration::from_secs(seconds);
        let mut rate = Rate::begin(begun, 500);
        assert_eq!(rate.per_second(begun), None);
        let moved = flow(&mut rate, begun, (0, 10), 500, 1_000_000);
        assert_eq!(rate.per_second(at(10)), Some(1_000_000));
        let moved = flow(&mut rate, begun, (10, 20), moved, 100_000);
        assert_eq!(rate.per_second(at(20)), Some(100_000));
        assert!(rate.samples.len() < 30);
        // Silence lowers it, and is told.
        rate.record(at(26), moved);
        assert_eq!(rate.silent_for(at(27)), Duration::from_secs(7));
        assert!(rate.per_second(at(27)).unwrap() < 10_000);
    }

    #[test]
    fn what_fills_the_buffers_of_this_machine_is_no_rate() {
        let begun = Instant::now();
        let at = |millis| begun + Duration::from_millis(millis);
        let mut rate = Rate::begin(begun, 0);
        rate.record(at(1), 4_000_000);
        rate.record_full(at(2));
        assert_eq!(rate.per_second(at(900)), None);
        flow(&mut rate, at(2), (0, 2), 4_000_000, 800_000);
        assert_eq!(rate.per_second(at(2002)), Some(800_000));
        // Later waits are those of the line.
        rate.record_full(at(2002));
        assert_eq!(rate.per_second(at(2002)), Some(800_000));
    }
}
