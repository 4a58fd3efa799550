//! The tests of what the crate promises in its documentation.

#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests may unwrap as tests do"
)]

mod appending;
mod attributes;
mod cached;
mod common;
mod deep;
mod fuzz_bodies;
mod jail;
mod links;
mod listing;
mod lookup;
mod model;
mod mounts;
mod names;
mod owners;
mod permissions;
mod power_loss;
mod preallocation;
mod retention;
mod stages;
mod starts;
mod uploads;
