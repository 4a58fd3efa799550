//! What a transfer needs of an open file: a source to read at offsets, a sink to append to.

use std::os::fd::BorrowedFd;

use crate::wire::reply::Refusal;

/// Where a sent file's bytes come from.
pub trait Source {
    /// Bytes from `offset` on; 0 at the end. `offset` never goes back behind
    /// what was sent.
    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<usize, Refusal>;

    /// Names that a listing left out, because they would forge a line.
    fn left_out(&self) -> u64 {
        0
    }

    /// The file itself, where the kernel may hand its bytes to a socket.
    fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

/// Where received bytes go, in order.
pub trait Sink {
    fn write(&mut self, bytes: &[u8]) -> Result<(), Refusal>;

    /// Takes the `count` bytes that wait in a pipe; only asked where a lane pours.
    fn drink(&mut self, _pipe: BorrowedFd<'_>, _count: u64) -> Result<(), Refusal> {
        Err(Refusal::Fault)
    }
}

/// A file that is open for the transfer's task.
pub trait File: Source + Sink {}
impl<T: Source + Sink> File for T {}
