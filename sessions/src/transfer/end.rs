//! How a burst ends, and how a task does.

use crate::digest::Sum;
use crate::wire::reply::Refusal;

/// How one burst ended.
#[derive(PartialEq, Eq, Debug)]
pub enum Burst {
    WantsRead,
    WantsWrite,
    BudgetSpent,
    Finished(End),
}

/// How a task ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// The file stands at `position`; `sum` is of its bytes so far.
    /// `left_out` counts names that a listing could not tell.
    Complete {
        position: u64,
        sum: Option<Sum>,
        left_out: u64,
    },
    /// A short stream is over, and published already: the file has `size` bytes.
    Stored { size: u64 },
    /// We were told to stop, and did so cleanly.
    Stopped,
    /// The peer sent the abort frame.
    PeerAborted,
    /// The file, or the peer's framing, failed.
    Refused(Refusal),
    /// The connection is gone.
    LaneLost,
    /// A stream under TLS ended without its close_notify, at `position`.
    Truncated { position: u64 },
    /// The connection did not come under TLS, and no byte went over it.
    NotSecured,
    /// The same: it did not resume the session's TLS, as the operator demands.
    NotResumed,
}
