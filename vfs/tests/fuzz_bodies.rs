//! Runs the body of the fuzz target `jail` with fixed seeds.

#[allow(dead_code)]
#[path = "../../fuzz/bodies/input.rs"]
mod input;
#[path = "../../fuzz/bodies/jail.rs"]
mod jail;

use input::{bytes_of, choices_of, seeds};

#[test]
fn homes_under_operations_by_odd_paths() {
    for seed in seeds("jail") {
        jail::jail(&seed);
    }
    for seed in 0..150 {
        jail::jail(&bytes_of(seed, 300));
        jail::jail(&choices_of(seed, 300, 90));
    }
}
