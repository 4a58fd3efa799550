//! Whole processes on loopback, and the rules of the house, as one test binary.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod codes;
mod harness;
mod tidy;
