//! cargo-fuzz target: `ledger` of bodies/ledger.rs.
#![no_main]
// A body fails by panicking.
#![allow(clippy::unwrap_used)]

#[allow(dead_code)]
#[path = "../bodies/input.rs"]
mod input;
#[path = "../bodies/ledger.rs"]
mod ledger;

libfuzzer_sys::fuzz_target!(|data: &[u8]| ledger::ledger(data));
