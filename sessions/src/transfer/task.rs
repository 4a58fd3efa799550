//! The tasks of a transfer: what is moved or hashed, how far, and over which connection.

use crate::digest::Algorithm;
use crate::wire::command::Representation;
use crate::wire::native::{answers, verbs};

/// What a transfer is to do next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Task {
    /// Hash the file up to this offset; no lane is needed.
    Digest { to: u64, algorithm: Algorithm },
    /// Send the file in frames.
    Send {
        from: u64,
        until: Until,
        hashing: Hashing,
        stop: StopLine,
    },
    /// Receive frames into the file, which holds `from` bytes.
    Receive {
        from: u64,
        at_most: u64,
        hashing: Hashing,
    },
    /// Receive frames and forget them.
    Discard,
    /// Hash a part of the file; no lane is needed.
    DigestRange {
        from: u64,
        to: u64,
        algorithm: Algorithm,
    },
    /// Send the file as a bare stream.
    Stream {
        from: u64,
        until: Until,
        form: Representation,
        lane_use: LaneUse,
    },
    /// Receive a bare stream into the file, which holds `from` bytes. One of at most
    /// `short` bytes may be published where its end is received.
    Take {
        from: u64,
        form: Representation,
        short: u64,
    },
}

/// Which of a session's connections a task's bytes go through.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Route {
    Nowhere,
    Control,
    Data,
}

impl Task {
    pub fn route(&self) -> Route {
        match self {
            Self::Digest { .. } | Self::DigestRange { .. } => Route::Nowhere,
            Self::Send { .. } | Self::Receive { .. } | Self::Discard => Route::Control,
            Self::Stream {
                lane_use: LaneUse::WithReplies,
                ..
            } => Route::Control,
            Self::Stream { .. } | Self::Take { .. } => Route::Data,
        }
    }

    /// Its bytes come and go between the lines of its connection, so that lines
    /// which were read ahead are its to look at.
    pub fn needs_lane(&self) -> bool {
        matches!(
            self,
            Self::Send { .. } | Self::Receive { .. } | Self::Discard
        )
    }
}

/// Where a source ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Until {
    /// At this offset; ending earlier is a fault.
    Offset(u64),
    /// Where it says so (listings).
    SourceEnd,
}

/// Whether the bytes are hashed on their way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hashing {
    By(Algorithm),
    Off,
}

/// The line that makes a sender stop.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StopLine {
    /// A server stops at ABOR.
    Abort,
    /// A client stops at a final reply.
    FinalReply,
}

impl StopLine {
    pub(super) fn matches(self, line: &[u8]) -> bool {
        match self {
            Self::Abort => verbs::is_abort(line),
            Self::FinalReply => answers::is_final(line),
        }
    }
}

/// What a lane carries beside the stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LaneUse {
    /// Nothing: it is closed behind it.
    StreamOnly,
    /// Replies: it stays.
    WithReplies,
}
