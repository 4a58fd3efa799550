//! The daemon's numbers for monitoring: a listener for HTTP on this machine alone, which the reactor
//! serves itself, and the texts that it answers with.
//!
//! | path | is |
//! |---|---|
//! | `/` | a page for people |
//! | `/metrics` | all numbers, in the text of OpenMetrics |
//! | `/healthz` | 200 while sessions are taken, 503 once the daemon stops |
//!
//! Nothing here knows sessions: the reactor gathers what is told. Where `metrics` is not in the
//! settings, none of this is made.

pub(crate) mod histogram;
pub(crate) mod http;
pub(crate) mod last_hour;
pub(crate) mod listener;
pub(crate) mod openmetrics;
pub(crate) mod page;
pub(crate) mod server;

use std::time::Duration;

use self::histogram::Histogram;

/// What is counted only where metrics are on.
#[derive(Default)]
pub(crate) struct Timings {
    turns: Histogram,
    bursts: Histogram,
}

impl Timings {
    /// Notes how long a turn of the event loop took, without its wait.
    pub(crate) fn turned(&mut self, took: Duration) {
        self.turns.observe(took);
    }

    /// Notes how long a worker had a transfer.
    pub(crate) fn burst(&mut self, took: Duration) {
        self.bursts.observe(took);
    }
}
