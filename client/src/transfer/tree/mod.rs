//! Transfers, compares and deletes directory trees.

pub(crate) mod bounds;
pub(crate) mod get;
mod local_walk;
pub(crate) mod put;
mod remote_walk;
pub(crate) mod remove;
pub(crate) mod summary;
pub(crate) mod walk;
