//! The promises of the crate, each with its test.

#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests may unwrap as tests do"
)]

mod common;
mod jail;
mod listing;
mod model;
mod mounts;
mod names;
mod stages;
mod uploads;
