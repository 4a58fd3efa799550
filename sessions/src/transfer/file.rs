//! Traits of an open file: a source that is read at offsets, a sink that is appended to.

use std::os::fd::BorrowedFd;

use crate::wire::reply::Refusal;

/// The bytes to send.
pub trait Source {
    /// Reads bytes from `offset` on into `buf` and returns how many, 0 at the end. `offset` never
    /// goes back behind bytes that were sent.
    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<usize, Refusal>;

    /// How many names a listing left out, because they would forge a line.
    fn left_out(&self) -> u64 {
        0
    }

    /// The file's descriptor, where sendfile(2) may read it; else `None`.
    fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

/// The place that received bytes are appended to.
pub trait Sink {
    /// Appends `bytes`.
    fn write(&mut self, bytes: &[u8]) -> Result<(), Refusal>;

    /// Appends the `count` bytes that wait in a pipe; called only where the lane can splice.
    fn splice_from(&mut self, _pipe: BorrowedFd<'_>, _count: u64) -> Result<(), Refusal> {
        Err(Refusal::Fault)
    }
}

/// A file that can be both read and appended to.
pub trait File: Source + Sink {}
impl<T: Source + Sink> File for T {}
