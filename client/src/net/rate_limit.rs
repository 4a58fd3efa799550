//! Limits the bytes of transfers by `--limit-rate`, in both directions together: a token bucket,
//! which all connections of the program share.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What may be moved at once after a pause: this much of a second's bytes.
const BURST: Duration = Duration::from_millis(250);

/// The fewest bytes that are moved at once: a frame needs some.
const LEAST_BYTES: u64 = 1024;

/// The bounds of what the kernel may hold ready, in bytes.
const BUFFER_MIN: u64 = 16 * 1024;
const BUFFER_MAX: u64 = 4 * 1024 * 1024;

/// The limit; clones share it.
#[derive(Clone)]
pub(crate) struct RateLimit(Arc<Mutex<Bucket>>);

impl RateLimit {
    /// `rate` is in bytes a second, and not 0.
    pub(crate) fn new(rate: u64) -> Self {
        Self(Arc::new(Mutex::new(Bucket::full(rate, Instant::now()))))
    }

    /// Returns how many bytes may be moved now, or how long that takes.
    pub(super) fn ask(&self, now: Instant) -> Result<u64, Duration> {
        self.bucket(|bucket| bucket.ask(now))
    }

    /// Takes what was moved; it may be more than what was asked for.
    pub(super) fn take(&self, bytes: u64) {
        self.bucket(|bucket| bucket.take(bytes));
    }

    /// Returns how many bytes the kernel may hold ready: what it has received is not held back, and
    /// a server that sees no progress for long gives up.
    pub(super) fn buffer_size(&self) -> usize {
        let rate = self.bucket(|bucket| bucket.rate);
        rate.clamp(BUFFER_MIN, BUFFER_MAX) as usize
    }

    fn bucket<T>(&self, with: impl FnOnce(&mut Bucket) -> T) -> T {
        with(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A token bucket whose tokens are bytes.
struct Bucket {
    rate: u64,
    /// Negative where more was moved than was there.
    tokens: i64,
    filled_at: Instant,
}

impl Bucket {
    fn full(rate: u64, now: Instant) -> Self {
        let mut bucket = Self {
            rate: rate.max(1),
            tokens: 0,
            filled_at: now,
        };
        bucket.tokens = bucket.size();
        bucket
    }

    fn size(&self) -> i64 {
        let bytes = u128::from(self.rate) * BURST.as_millis() / 1000;
        i64::try_from(bytes.max(u128::from(LEAST_BYTES))).unwrap_or(i64::MAX)
    }

    fn ask(&mut self, now: Instant) -> Result<u64, Duration> {
        self.fill(now);
        let least = LEAST_BYTES as i64;
        match u64::try_from(self.tokens) {
            Ok(tokens) if self.tokens >= least => Ok(tokens),
            _ => Err(self.time_of(least.saturating_sub(self.tokens))),
        }
    }

    fn take(&mut self, bytes: u64) {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        self.tokens = self.tokens.saturating_sub(bytes);
    }

    /// Adds what has come since the last time. What is less than a byte goes on counting.
    fn fill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.filled_at);
        let come = u128::from(self.rate) * passed.as_nanos() / 1_000_000_000;
        if come == 0 {
            return;
        }
        let come = i64::try_from(come).unwrap_or(i64::MAX);
        let filled = self.tokens.saturating_add(come);
        if filled >= self.size() {
            self.tokens = self.size();
            self.filled_at = now;
        } else {
            self.tokens = filled;
            self.filled_at += self.time_of(come);
        }
    }

    /// How long so many bytes take to come.
    fn time_of(&self, bytes: i64) -> Duration {
        let bytes = u128::from(bytes.unsigned_abs());
        let nanos = (bytes * 1_000_000_000).div_ceil(u128::from(self.rate));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Moves `total` bytes, up to `chunk` at once whatever was allowed, and returns how long it
    /// took. Time passes only where the bucket asks for it.
    fn time_to_move(rate: u64, total: u64, chunk: u64) -> Duration {
        let begin = Instant::now();
        let mut now = begin;
        let mut bucket = Bucket::full(rate, begin);
        let mut moved = 0;
        while moved < total {
            match bucket.ask(now) {
                Ok(allowed) => {
                    let bytes = chunk.min(total - moved);
                    assert!(allowed >= LEAST_BYTES);
                    bucket.take(bytes);
                    moved += bytes;
                }
                Err(wait) => {
                    assert!(!wait.is_zero());
                    now += wait;
                }
            }
        }
        now - begin
    }

    #[test]
    fn the_rate_is_kept_whatever_is_moved_at_once() {
        for rate in [1000, 50_000, 1_000_000] {
            for chunk in [1000, 4096, 65_536] {
                let total = rate * 20 + chunk * 20;
                let took = time_to_move(rate, total, chunk).as_secs_f64();
                let even = total as f64 / rate as f64;
                // A full bucket goes first, and the last chunk is not waited for.
                let ahead =
                    (BURST.as_secs_f64() * rate as f64).max(LEAST_BYTES as f64) + chunk as f64;
                assert!(took <= even, "{rate} {chunk}: {took} s for {even} s");
                assert!(
                    took >= even - ahead / rate as f64 - 0.001,
                    "{rate} {chunk}: {took} s for {even} s"
                );
            }
        }
    }

    #[test]
    fn a_pause_fills_the_bucket_and_no_more() {
        let begin = Instant::now();
        let mut bucket = Bucket::full(100_000, begin);
        bucket.take(25_000);
        assert_eq!(bucket.ask(begin), Err(Duration::from_micros(10_240)));
        let later = begin + Duration::from_secs(3600);
        assert_eq!(bucket.ask(later), Ok(25_000));
        // Less than a byte's time is not lost by asking often.
        bucket.take(25_000);
        let mut now = later;
        for _ in 0..20_480 {
            now += Duration::from_nanos(500);
            let _ = bucket.ask(now);
        }
        assert_eq!(bucket.ask(now), Ok(1024));
    }

    #[test]
    fn all_that_share_a_limit_take_from_it() {
        let limit = RateLimit::new(100_000);
        let other = limit.clone();
        limit.take(10_000_000);
        assert!(other.ask(Instant::now()).is_err());
    }
}
