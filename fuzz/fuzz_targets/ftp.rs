//! cargo-fuzz target: `ftp` of bodies/ftp.rs.
#![no_main]

#[allow(dead_code)]
#[path = "../bodies.rs"]
mod bodies;

libfuzzer_sys::fuzz_target!(|data: &[u8]| bodies::ftp::ftp(data));
