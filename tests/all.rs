//! Whole processes on loopback, and the rules of the house, as one test binary.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod bad_input;
mod codes;
mod config;
mod control;
mod crowd;
mod disk_failures;
mod elsewhere;
mod fairness;
mod half_close;
mod harness;
mod hooks;
mod jail;
mod ledger;
mod metrics;
mod missing_calls;
mod names;
mod quota;
mod reactor;
mod terminal;
mod tidy;
mod tls;
mod transfers;
mod walls;
