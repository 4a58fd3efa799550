//! One line of the access log: a command that is over, what it moved, and how it was answered.

use std::time::Instant;

use crate::digest::Sum;

/// One finished command, for the access log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogLine {
    pub verb: &'static str,
    pub path: Vec<u8>,
    pub code: u16,
    /// Of the file, through the connection.
    pub bytes: u64,
    pub since: Instant,
    /// What the file was verified by.
    pub sum: Option<Sum>,
}
