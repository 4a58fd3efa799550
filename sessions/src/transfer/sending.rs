//! Sends a file in frames (PROTOCOL.md section 6), and can stop cleanly in the middle of one.

use std::io;

use super::{End, Source, StopLine, TransferError, Until, clamp};
use crate::lane::Lane;
use crate::parallel_hash::BurstHash;
use crate::wire::native::frames::{ABORT, END, FRAME_MAX};
use crate::wire::reply::Refusal;

/// How far the file and the frame under way have been sent.
pub(super) struct Sending {
    /// The offset of the next byte to send.
    offset: u64,
    until: Until,
    stop: StopLine,
    /// Bytes of the current frame that were not sent yet.
    frame_left: u32,
    /// Bytes of the current length that were not sent yet: the last ones of `header`.
    header_left: usize,
    header: [u8; 4],
    /// Why the source failed inside the current frame.
    read_failure: Option<Refusal>,
    /// How the task ends; set once only the last length is left to send.
    ending: Option<End>,
}

impl Sending {
    pub(super) fn new(offset: u64, until: Until, stop: StopLine) -> Self {
        Self {
            offset,
            until,
            stop,
            frame_left: 0,
            header_left: 0,
            header: END,
            read_failure: None,
            ending: None,
        }
    }

    pub(super) fn stop_line(&self) -> StopLine {
        self.stop
    }

    /// How the task ends, once the lane has taken everything.
    pub(super) fn ended(&self) -> Option<End> {
        self.ending
    }

    /// Makes the abort the next thing to send.
    pub(super) fn stop(&mut self) {
        self.finish_with(ABORT, End::Stopped);
    }

    pub(super) fn is_between_frames(&self) -> bool {
        self.frame_left == 0 && self.header_left == 0
    }

    /// The offset of the frame's bytes that were not sent yet, and how many they are.
    pub(super) fn frame_rest(&self) -> Option<(u64, usize)> {
        let unfinished = self.ending.is_none() && self.frame_left > 0;
        unfinished.then_some((self.offset, self.frame_left as usize))
    }

    fn finish_with(&mut self, length: [u8; 4], end: End) {
        self.header = length;
        self.header_left = 4;
        self.ending = Some(end);
    }

    /// Sends one frame, or the rest of one. Returns the file's bytes that the lane took;
    /// `WouldBlock` comes in the call after those were counted.
    pub(super) fn send_chunk(
        &mut self,
        lane: &mut impl Lane,
        file: &mut impl Source,
        hash: &mut BurstHash<'_>,
        scratch: &mut [u8],
    ) -> Result<u64, TransferError> {
        if self.ending.is_some() {
            self.send_header(lane)?;
            return Ok(0);
        }
        let want = self.chunk_length(scratch.len() - 4);
        let count = match self.fill(file, hash, &mut scratch[4..4 + want]) {
            Chunk::Bytes(count) => count,
            Chunk::Ended => {
                self.finish_with(
                    END,
                    End::Complete {
                        position: self.offset,
                        sum: None,
                        left_out: file.left_out(),
                    },
                );
                return Ok(0);
            }
            Chunk::Failed(refusal) => {
                self.finish_with(ABORT, End::Refused(refusal));
                return Ok(0);
            }
        };
        if self.is_between_frames() {
            self.header = (count as u32).to_be_bytes();
            self.header_left = 4;
            self.frame_left = count as u32;
        }
        self.write_chunk(lane, scratch, count)
    }

    /// Reads the next bytes. If the source fails inside a frame, the frame is filled up with zeros,
    /// and the abort behind it tells the peer.
    fn fill(&mut self, file: &mut impl Source, hash: &mut BurstHash<'_>, data: &mut [u8]) -> Chunk {
        let is_at_end = data.is_empty() && self.is_between_frames() && self.is_whole();
        if is_at_end && self.read_failure.is_none() {
            return Chunk::Ended;
        }
        let read = match self.read_failure {
            Some(refusal) => Err(refusal),
            None => file.read_at(self.offset, data),
        };
        let refusal = match read {
            Ok(count) if count > 0 => {
                hash.update_at(self.offset, &data[..count]);
                return Chunk::Bytes(count);
            }
            Ok(_) if self.is_between_frames() && self.is_whole() => return Chunk::Ended,
            Ok(_) => Refusal::Changed,
            Err(refusal) => refusal,
        };
        if self.is_between_frames() {
            return Chunk::Failed(refusal);
        }
        self.read_failure = Some(refusal);
        data.fill(0);
        Chunk::Bytes(data.len())
    }

    fn is_whole(&self) -> bool {
        match self.until {
            Until::Offset(end) => self.offset == end,
            Until::SourceEnd => true,
        }
    }

    fn chunk_length(&self, room: usize) -> usize {
        if !self.is_between_frames() {
            return (self.frame_left as usize).min(room);
        }
        let room = room.min(FRAME_MAX as usize);
        match self.until {
            Until::Offset(end) => clamp(end - self.offset, room),
            Until::SourceEnd => room,
        }
    }

    /// Writes the rest of the header and `count` bytes behind it in one go.
    fn write_chunk(
        &mut self,
        lane: &mut impl Lane,
        scratch: &mut [u8],
        count: usize,
    ) -> Result<u64, TransferError> {
        let mut at = 4 - self.header_left;
        scratch[at..4].copy_from_slice(&self.header[at..]);
        let (end, mut sent) = (4 + count, 0);
        while at < end {
            let wrote = match lane.write(&scratch[at..end]) {
                Ok(0) => return Err(TransferError::Io(io::ErrorKind::WriteZero.into())),
                Ok(wrote) => wrote,
                Err(_) if sent > 0 => break,
                Err(error) => return Err(error.into()),
            };
            let of_header = wrote.min(self.header_left);
            self.header_left -= of_header;
            let of_data = wrote - of_header;
            self.frame_left -= of_data as u32;
            self.offset += of_data as u64;
            sent += of_data as u64;
            at += wrote;
        }
        Ok(sent)
    }

    fn send_header(&mut self, lane: &mut impl Lane) -> Result<(), TransferError> {
        while self.header_left > 0 {
            self.header_left -= lane.write(&self.header[4 - self.header_left..])?;
        }
        Ok(())
    }
}

enum Chunk {
    Bytes(usize),
    Ended,
    Failed(Refusal),
}
