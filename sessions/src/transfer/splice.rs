//! Moves a stream from a socket into a file through a pipe (splice(2)), so that its bytes never
//! come to user space.

use std::os::fd::{AsFd, OwnedFd};

use super::error::TransferError;
use super::file::Sink;
use crate::lane::Lane;

/// A pipe for splicing. It is empty between two pieces; if the file failed in the middle of one it
/// is not, and must be dropped.
pub struct SplicePipe {
    reader: OwnedFd,
    writer: OwnedFd,
    /// Bytes of one piece at most: the pipe's capacity.
    capacity: u64,
    held: u64,
}

/// How far one piece got.
pub(crate) enum Spliced {
    /// This many bytes are in the file.
    Bytes(u64),
    /// The lane ended or cannot splice: read it instead.
    ReadInstead,
}

impl SplicePipe {
    /// Takes an empty pipe that holds `capacity` bytes.
    pub fn new(reader: OwnedFd, writer: OwnedFd, capacity: u64) -> Self {
        let held = 0;
        Self {
            reader,
            writer,
            capacity,
            held,
        }
    }

    /// Whether the pipe may be used again.
    pub fn is_empty(&self) -> bool {
        self.held == 0
    }

    pub(crate) fn splice(
        &mut self,
        lane: &mut impl Lane,
        file: &mut impl Sink,
    ) -> Result<Spliced, TransferError> {
        let Some(spliced) = lane.splice_into(self.writer.as_fd(), self.capacity) else {
            return Ok(Spliced::ReadInstead);
        };
        self.held = spliced?;
        if self.held == 0 {
            return Ok(Spliced::ReadInstead);
        }
        file.splice_from(self.reader.as_fd(), self.held)?;
        Ok(Spliced::Bytes(std::mem::take(&mut self.held)))
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, PipeReader, Read, Write, pipe};
    use std::os::fd::BorrowedFd;

    use super::*;
    use crate::wire::reply::Refusal;

    /// A lane that splices as much at a time as it may.
    struct BytesLane(&'static [u8]);

    impl Lane for BytesLane {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Ok(0)
        }

        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::WouldBlock.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }

        fn has_buffered_input(&self) -> bool {
            false
        }

        fn splice_into(&mut self, pipe: BorrowedFd<'_>, max: u64) -> Option<io::Result<u64>> {
            let count = self.0.len().min(max as usize);
            let (spliced, rest) = self.0.split_at(count);
            self.0 = rest;
            let pipe = pipe.try_clone_to_owned().map(io::PipeWriter::from);
            Some(
                pipe.and_then(|mut pipe| pipe.write_all(spliced))
                    .map(|()| count as u64),
            )
        }
    }

    #[derive(Default)]
    struct VecSink {
        received: Vec<u8>,
        full: bool,
    }

    impl Sink for VecSink {
        fn write(&mut self, _: &[u8]) -> Result<(), Refusal> {
            Err(Refusal::Fault)
        }

        fn splice_from(&mut self, pipe: BorrowedFd<'_>, count: u64) -> Result<(), Refusal> {
            if self.full {
                return Err(Refusal::DiskFull);
            }
            let pipe = PipeReader::from(pipe.try_clone_to_owned().unwrap());
            pipe.take(count).read_to_end(&mut self.received).unwrap();
            Ok(())
        }
    }

    fn splice_pipe(capacity: u64) -> SplicePipe {
        let (reader, writer) = pipe().unwrap();
        SplicePipe::new(reader.into(), writer.into(), capacity)
    }

    #[test]
    fn all_is_poured_in_pieces_that_fit() {
        let (mut lane, mut sink, mut splice_pipe) =
            (BytesLane(b"abcdefgh"), VecSink::default(), splice_pipe(3));
        let mut pieces = Vec::new();
        while let Ok(Spliced::Bytes(count)) = splice_pipe.splice(&mut lane, &mut sink) {
            assert!(splice_pipe.is_empty());
            pieces.push(count);
        }
        assert_eq!(pieces, [3, 3, 2]);
        assert_eq!(sink.received, b"abcdefgh");
    }

    #[test]
    fn a_conduit_that_was_not_emptied_is_of_no_more_use() {
        let (mut lane, mut splice_pipe) = (BytesLane(b"abcdefgh"), splice_pipe(3));
        let mut sink = VecSink {
            full: true,
            ..VecSink::default()
        };
        let refused = splice_pipe.splice(&mut lane, &mut sink);
        assert!(matches!(
            refused,
            Err(TransferError::Refused(Refusal::DiskFull))
        ));
        assert!(!splice_pipe.is_empty());
    }
}
