//! Runs the body of the fuzz target `ledger` with fixed seeds.

// A body fails by panicking.
#![allow(clippy::unwrap_used)]

#[allow(dead_code)]
#[path = "../../fuzz/bodies/input.rs"]
mod input;
#[path = "../../fuzz/bodies/ledger.rs"]
mod ledger;

use input::{bytes_of, choices_of, seeds};

#[test]
fn ledgers_of_noise_and_of_choices() {
    for seed in seeds("ledger") {
        ledger::ledger(&seed);
    }
    for seed in 0..2000 {
        ledger::ledger(&bytes_of(seed, 300));
        ledger::ledger(&choices_of(seed, 600, 60));
    }
}
