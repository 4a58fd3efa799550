//! The reactor as a process: what it waits for, what it must never do, and how it ends.

mod descriptors;
mod drain;
mod lending;
mod process;
mod spinning;
mod stale;
mod thread;

use std::time::{Duration, Instant};

use crate::harness::{Daemon, PATIENCE};

/// Keys that let one user have all the sessions that a test opens.
const MANY_SESSIONS: &str = "limits: (sessions_per_user: 5000, before_login: 5000)";

/// In clear, with the same.
const MANY_IN_CLEAR: &str =
    "native: (tls: Off), limits: (sessions_per_user: 5000, before_login: 5000)";

/// Looks again until it is so; there is no event to wait for outside of a process.
#[track_caller]
fn wait_until(awaited: &str, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < until, "waited in vain for: {awaited}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Repeatable choices (xorshift64*).
#[derive(Clone)]
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// From `from` on, below `to`.
    fn between(&mut self, from: usize, to: usize) -> usize {
        from + (self.next() % (to - from) as u64) as usize
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes: Vec<u8> = (0..count.div_ceil(8))
            .flat_map(|_| self.next().to_le_bytes())
            .collect();
        bytes.truncate(count);
        bytes
    }
}

/// A file of the demo's tom that the daemon finds there.
fn daemon_with_file(keys: &str, name: &str, data: &[u8]) -> Daemon {
    let daemon = Daemon::watched(keys);
    daemon.login("tom").put("", name, data);
    daemon
}
