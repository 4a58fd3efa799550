//! cargo-fuzz target: `jail` of bodies/jail.rs.
#![no_main]
// A body fails by panicking.
#![allow(clippy::unwrap_used)]

#[allow(dead_code)]
#[path = "../bodies/input.rs"]
mod input;
#[path = "../bodies/jail.rs"]
mod jail;

libfuzzer_sys::fuzz_target!(|data: &[u8]| jail::jail(data));
