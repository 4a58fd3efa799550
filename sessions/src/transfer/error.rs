//! The error of one step of a burst: the lane's or the file's.

use std::io;

use super::end::{Burst, End};
use crate::wire::reply::Refusal;

/// Ends the loops of a burst.
pub(crate) enum TransferError {
    Io(io::Error),
    Refused(Refusal),
}

impl From<io::Error> for TransferError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<Refusal> for TransferError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl TransferError {
    pub(super) fn into_burst(self, reading: bool) -> Burst {
        match self {
            Self::Refused(refusal) => Burst::Finished(End::Refused(refusal)),
            Self::Io(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if reading {
                    Burst::WantsRead
                } else {
                    Burst::WantsWrite
                }
            }
            Self::Io(_) => Burst::Finished(End::LaneLost),
        }
    }
}
