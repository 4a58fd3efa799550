//! cargo-fuzz target: `replies` of bodies/replies.rs.
#![no_main]

#[allow(dead_code)]
#[path = "../bodies.rs"]
mod bodies;

libfuzzer_sys::fuzz_target!(|data: &[u8]| bodies::replies::replies(data));
