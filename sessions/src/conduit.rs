//! A pipe through which the kernel moves a stream from a socket to a file: its
//! bytes are copied once instead of twice, and never come by here.

use std::os::fd::{AsFd, OwnedFd};

use crate::lane::Lane;
use crate::transfer::{Sink, Stumble};

/// Empty between two pieces; one whose file failed is not, and of no use any more.
pub struct Conduit {
    reader: OwnedFd,
    writer: OwnedFd,
    /// Bytes of one piece at most.
    room: u64,
    held: u64,
}

/// How far one piece got.
pub(crate) enum Poured {
    /// So many bytes are in the file.
    Bytes(u64),
    /// The lane ended, or does not pour: it has to be read.
    Nothing,
}

impl Conduit {
    /// Of an empty pipe that holds `room` bytes.
    pub fn new(reader: OwnedFd, writer: OwnedFd, room: u64) -> Self {
        let held = 0;
        Self {
            reader,
            writer,
            room,
            held,
        }
    }

    /// Whether it may be used again.
    pub fn is_empty(&self) -> bool {
        self.held == 0
    }

    pub(crate) fn pour(
        &mut self,
        lane: &mut impl Lane,
        file: &mut impl Sink,
    ) -> Result<Poured, Stumble> {
        let Some(poured) = lane.pour(self.writer.as_fd(), self.room) else {
            return Ok(Poured::Nothing);
        };
        self.held = poured?;
        if self.held == 0 {
            return Ok(Poured::Nothing);
        }
        file.drink(self.reader.as_fd(), self.held)?;
        Ok(Poured::Bytes(std::mem::take(&mut self.held)))
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, PipeReader, Read, Write, pipe};
    use std::os::fd::BorrowedFd;

    use super::*;
    use crate::wire::reply::Refusal;

    /// Pours as much at a time as it is let.
    struct Jug(&'static [u8]);

    impl Lane for Jug {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Ok(0)
        }

        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::WouldBlock.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }

        fn holds_input(&self) -> bool {
            false
        }

        fn pour(&mut self, pipe: BorrowedFd<'_>, max: u64) -> Option<io::Result<u64>> {
            let count = self.0.len().min(max as usize);
            let (poured, rest) = self.0.split_at(count);
            self.0 = rest;
            let pipe = pipe.try_clone_to_owned().map(io::PipeWriter::from);
            Some(
                pipe.and_then(|mut pipe| pipe.write_all(poured))
                    .map(|()| count as u64),
            )
        }
    }

    #[derive(Default)]
    struct Glass {
        drunk: Vec<u8>,
        full: bool,
    }

    impl Sink for Glass {
        fn write(&mut self, _: &[u8]) -> Result<(), Refusal> {
            Err(Refusal::Fault)
        }

        fn drink(&mut self, pipe: BorrowedFd<'_>, count: u64) -> Result<(), Refusal> {
            if self.full {
                return Err(Refusal::DiskFull);
            }
            let pipe = PipeReader::from(pipe.try_clone_to_owned().unwrap());
            pipe.take(count).read_to_end(&mut self.drunk).unwrap();
            Ok(())
        }
    }

    fn conduit(room: u64) -> Conduit {
        let (reader, writer) = pipe().unwrap();
        Conduit::new(reader.into(), writer.into(), room)
    }

    #[test]
    fn all_is_poured_in_pieces_that_fit() {
        let (mut jug, mut glass, mut conduit) = (Jug(b"abcdefgh"), Glass::default(), conduit(3));
        let mut pieces = Vec::new();
        while let Ok(Poured::Bytes(count)) = conduit.pour(&mut jug, &mut glass) {
            assert!(conduit.is_empty());
            pieces.push(count);
        }
        assert_eq!(pieces, [3, 3, 2]);
        assert_eq!(glass.drunk, b"abcdefgh");
    }

    #[test]
    fn a_conduit_that_was_not_emptied_is_of_no_more_use() {
        let (mut jug, mut conduit) = (Jug(b"abcdefgh"), conduit(3));
        let mut glass = Glass {
            full: true,
            ..Glass::default()
        };
        let refused = conduit.pour(&mut jug, &mut glass);
        assert!(matches!(refused, Err(Stumble::Refused(Refusal::DiskFull))));
        assert!(!conduit.is_empty());
    }
}
