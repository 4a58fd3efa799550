//! Describes one line of the access log: a finished command, what it moved, and how it was
//! answered.

use std::time::Instant;

use crate::digest::Sum;

/// One finished command, for the access log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogLine {
    pub verb: &'static str,
    /// The command's path, absolute in the home; empty where it has none.
    pub path: Vec<u8>,
    /// The new path of a rename, once the client has told it.
    pub to: Option<Vec<u8>>,
    /// The code of the final reply.
    pub code: u16,
    /// Bytes of the file that went through the connection.
    pub bytes: u64,
    /// When the command came.
    pub since: Instant,
    /// The digest that the file was verified by; `None` where none was.
    pub sum: Option<Sum>,
}

impl LogLine {
    /// A line of a command that has no path, and no answer yet.
    pub(crate) fn of(verb: &'static str, since: Instant) -> Self {
        Self {
            verb,
            path: Vec::new(),
            to: None,
            code: 0,
            bytes: 0,
            since,
            sum: None,
        }
    }
}
