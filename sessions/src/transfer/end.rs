//! Says how a burst and a task ended.

use std::time::Duration;

use crate::digest::Sum;
use crate::wire::reply::Refusal;

/// How one burst ended.
#[derive(PartialEq, Eq, Debug)]
pub enum Burst {
    /// The lane has nothing to read.
    WantsRead,
    /// The lane takes no more bytes.
    WantsWrite,
    /// The budget is spent; the task may go on at once.
    BudgetSpent,
    Finished(End),
}

/// How a task ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// All was moved, or hashed. The file stands at `position`; `sum` is of its bytes so far, and
    /// `left_out` counts names that a listing cannot write.
    Complete {
        position: u64,
        sum: Option<Sum>,
        left_out: u64,
    },
    /// A short received stream is over and published already; the file has `size` bytes.
    Stored { size: u64 },
    /// A short received stream is over and the file, which ends at `position`, ready to be
    /// published; its client is to be watched for `grace` from the end of its bytes on.
    Ready { position: u64, grace: Duration },
    /// The task was told to stop, and did so cleanly.
    Stopped,
    /// The peer sent the abort frame.
    PeerAborted,
    /// The file failed, or the peer broke the rules of frames.
    Refused(Refusal),
    /// The connection is lost.
    LaneLost,
    /// A received stream under TLS ended at `position` without close_notify.
    Truncated { position: u64 },
    /// The TLS handshake of the data connection failed before any byte.
    NotSecured,
    /// The TLS handshake did not resume the control connection's session, as the operator demands.
    NotResumed,
}
