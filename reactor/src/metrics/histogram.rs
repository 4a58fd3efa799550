//! [`Histogram`]: how often something took how long.

use std::time::Duration;

/// The upper bounds of the buckets, in microseconds, and in seconds as they are told.
pub(super) const BOUNDS: [(u64, &str); 11] = [
    (50, "0.00005"),
    (100, "0.0001"),
    (250, "0.00025"),
    (500, "0.0005"),
    (1_000, "0.001"),
    (5_000, "0.005"),
    (10_000, "0.01"),
    (50_000, "0.05"),
    (100_000, "0.1"),
    (500_000, "0.5"),
    (1_000_000, "1.0"),
];

#[derive(Default)]
pub(crate) struct Histogram {
    /// By bucket; the last one has no bound.
    counts: [u64; BOUNDS.len() + 1],
    sum: Duration,
}

impl Histogram {
    pub(super) fn observe(&mut self, took: Duration) {
        let micros = took.as_micros();
        let bucket = BOUNDS
            .iter()
            .position(|(bound, _)| micros <= u128::from(*bound));
        self.counts[bucket.unwrap_or(BOUNDS.len())] += 1;
        self.sum = self.sum.saturating_add(took);
    }

    /// How many were at most as long as each bound; the last one counts all.
    pub(super) fn cumulative(&self) -> [u64; BOUNDS.len() + 1] {
        let mut sum = 0;
        self.counts.map(|count| {
            sum += count;
            sum
        })
    }

    pub(super) fn sum(&self) -> Duration {
        self.sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_in_all_buckets_that_are_long_enough() {
        let mut histogram = Histogram::default();
        for micros in [0, 50, 51, 2_000_000] {
            histogram.observe(Duration::from_micros(micros));
        }
        let cumulative = histogram.cumulative();
        assert_eq!(cumulative[..3], [2, 3, 3]);
        assert_eq!(cumulative[BOUNDS.len() - 1..], [3, 4]);
        assert_eq!(histogram.sum(), Duration::from_micros(2_000_101));
    }

    #[test]
    fn bounds_grow_and_are_told_as_they_are() {
        assert!(BOUNDS.is_sorted());
        for (micros, told) in BOUNDS {
            let seconds: f64 = told.parse().unwrap();
            assert_eq!((seconds * 1e6).round() as u64, micros);
        }
    }
}
