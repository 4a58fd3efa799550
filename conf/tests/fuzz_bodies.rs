//! Runs the body of the fuzz target `settings` with fixed seeds.

// A body fails by panicking.
#![allow(clippy::unwrap_used)]

#[allow(dead_code)]
#[path = "../../fuzz/bodies/input.rs"]
mod input;
#[path = "../../fuzz/bodies/settings.rs"]
mod settings;

use input::{bytes_of, choices_of, seeds};

#[test]
fn settings_of_noise_and_of_values() {
    for seed in seeds("settings") {
        settings::settings(&seed);
    }
    for seed in 0..1000 {
        settings::settings(&bytes_of(seed, 60));
        for kind in 3..6 {
            settings::settings(&[&[kind], &*choices_of(seed, 30, 128)].concat());
        }
    }
}
