//! The promises of the crate, each with its test.

#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests may unwrap as tests do"
)]

mod ahead;
mod appending;
mod at_hand;
mod attributes;
mod common;
mod jail;
mod listing;
mod lookup;
mod model;
mod mounts;
mod names;
mod stages;
mod starts;
mod uploads;
