//! Defines the tasks of a transfer: what is moved or hashed, how far, and over which connection.

use crate::digest::Algorithm;
use crate::wire::command::Representation;
use crate::wire::native::{replies, verbs};

/// One task of a transfer. Offsets and sizes are in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Task {
    /// Hash the file up to the offset `to`; needs no lane.
    Digest { to: u64, algorithm: Algorithm },
    /// Send the file in frames from the offset `from` on.
    Send {
        from: u64,
        until: Until,
        hashing: Hashing,
        stop: StopLine,
    },
    /// Receive frames into the file, which holds `from` bytes and may grow to `at_most`.
    Receive {
        from: u64,
        at_most: u64,
        hashing: Hashing,
    },
    /// Receive frames and drop their bytes.
    Discard,
    /// Hash the bytes from `from` up to `to`; needs no lane.
    DigestRange {
        from: u64,
        to: u64,
        algorithm: Algorithm,
    },
    /// Send the file as a bare stream from the offset `from` on.
    SendStream {
        from: u64,
        until: Until,
        form: Representation,
        lane_use: LaneUse,
    },
    /// Receive a bare stream into the file, which holds `from` bytes. The worker who sees its end
    /// may go on with `at_end` if it brought at most [`SHORT_STREAM_MAX`] bytes. Where the peer has
    /// announced the file's size, `announced` is that; it binds nobody.
    ReceiveStream {
        from: u64,
        announced: Option<u64>,
        form: Representation,
        at_end: AtEnd,
    },
}

/// A received stream of more bytes is left to a job when it has ended.
pub const SHORT_STREAM_MAX: u64 = 16 * 1024;

/// What the worker who sees the end of a short received stream does with the file, where nothing
/// is to be synced: another trip to a worker costs more than that.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AtEnd {
    /// It gets its name: nobody could break off unnoticed.
    Publish,
    /// It is made ready to get its name: its client is watched before.
    MakeReady,
}

/// The connection of a session that a task's bytes go over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Route {
    None,
    Control,
    Data,
}

impl Task {
    /// The connection that the task needs.
    pub fn route(&self) -> Route {
        match self {
            Self::Digest { .. } | Self::DigestRange { .. } => Route::None,
            Self::Send { .. } | Self::Receive { .. } | Self::Discard => Route::Control,
            Self::SendStream {
                lane_use: LaneUse::WithReplies,
                ..
            } => Route::Control,
            Self::SendStream { .. } | Self::ReceiveStream { .. } => Route::Data,
        }
    }

    /// Whether the task's frames share the control connection with lines, so that bytes which were
    /// read ahead belong to the task.
    pub fn is_framed(&self) -> bool {
        matches!(
            self,
            Self::Send { .. } | Self::Receive { .. } | Self::Discard
        )
    }
}

/// Where a sent file ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Until {
    /// At this offset; an earlier end is an error.
    Offset(u64),
    /// Where the source returns 0 bytes (listings).
    SourceEnd,
}

/// Whether the bytes are hashed while they are moved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hashing {
    /// The digest is of the file from its first byte on; it goes on where it stands.
    By(Algorithm),
    /// The digest is of the moved bytes alone.
    PartBy(Algorithm),
    Off,
}

/// The line from the peer that makes a sender stop.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StopLine {
    /// A server stops at ABOR.
    Abort,
    /// A client stops at a final reply.
    FinalReply,
    /// The lines that come answer earlier commands.
    Never,
}

impl StopLine {
    pub(super) fn matches(self, line: &[u8]) -> bool {
        match self {
            Self::Abort => verbs::is_abort(line),
            Self::FinalReply => replies::is_final(line),
            Self::Never => false,
        }
    }
}

/// Whether a lane carries only the stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LaneUse {
    /// It carries nothing else and is closed behind the stream.
    StreamOnly,
    /// It carries replies too and stays open.
    WithReplies,
}
