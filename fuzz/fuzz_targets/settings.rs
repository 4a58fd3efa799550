//! cargo-fuzz target: `settings` of bodies/settings.rs.
#![no_main]
// A body fails by panicking.
#![allow(clippy::unwrap_used)]

#[allow(dead_code)]
#[path = "../bodies/input.rs"]
mod input;
#[path = "../bodies/settings.rs"]
mod settings;

libfuzzer_sys::fuzz_target!(|data: &[u8]| settings::settings(data));
