//! Sends and receives a file as a bare stream, which ends where its connection ends (RFC 959
//! section 3.4.1), and converts line ends for TYPE A.

use std::io;
use std::sync::atomic::Ordering;

use super::{
    AtEnd, Burst, BurstIo, End, LaneUse, Phase, Source, Transfer, TransferError, Until, clamp,
};
use crate::lane::Lane;
use crate::wire::command::Representation;
use crate::wire::reply::Refusal;

impl Transfer {
    pub(super) fn send_stream(
        &mut self,
        lane: &mut impl Lane,
        file: &mut impl Source,
        burst_io: BurstIo<'_>,
    ) -> Result<Burst, TransferError> {
        let Phase::SendingStream(outgoing) = &mut self.phase else {
            return Ok(Burst::Finished(End::Stopped));
        };
        let start = self.moved;
        loop {
            if burst_io.stop.load(Ordering::Relaxed) {
                return Ok(Burst::Finished(End::Stopped));
            }
            let left = burst_io.budget.saturating_sub(self.moved - start);
            if left == 0 {
                return Ok(Burst::BudgetSpent);
            }
            match outgoing.send_chunk(lane, file, burst_io.scratch, left)? {
                Sent::Bytes(count) => self.moved += count,
                Sent::All(end) => return Ok(Burst::Finished(end)),
            }
        }
    }
}

/// A file that is sent as a stream, and how far it is.
pub(super) struct OutgoingStream {
    /// The file offset of the next byte to send.
    offset: u64,
    until: Until,
    form: Representation,
    last: LastByte,
    ending: Ending,
    lane_use: LaneUse,
}

/// What was sent last. A LF behind a CR needs no CR of ours.
#[derive(Clone, Copy, PartialEq, Eq)]
enum LastByte {
    Cr,
    Other,
    /// Our CR for the LF at `offset` was sent, the LF was not.
    InsertedCr,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    NotYet,
    /// The lane is being closed or flushed; then the task ends so.
    Closing(End),
}

impl OutgoingStream {
    pub(super) fn new(offset: u64, until: Until, form: Representation, lane_use: LaneUse) -> Self {
        Self {
            offset,
            until,
            form,
            last: LastByte::Other,
            ending: Ending::NotYet,
            lane_use,
        }
    }

    /// Sends one piece. Returns the file's bytes that the lane took, or the end. sendfile(2) sends
    /// at most `most` bytes.
    fn send_chunk(
        &mut self,
        lane: &mut impl Lane,
        file: &mut impl Source,
        scratch: &mut [u8],
        most: u64,
    ) -> Result<Sent, TransferError> {
        if let Ending::Closing(end) = self.ending {
            match self.lane_use {
                LaneUse::StreamOnly => lane.close()?,
                LaneUse::WithReplies => lane.flush()?,
            }
            return Ok(Sent::All(end));
        }
        let taken = match self.form {
            Representation::Image => self.send_image(lane, file, scratch, most)?,
            Representation::Ascii => self.send_text(lane, file, scratch)?,
        };
        if taken == 0 && self.last != LastByte::InsertedCr {
            self.ending = Ending::Closing(self.end(file)?);
        }
        Ok(Sent::Bytes(taken))
    }

    /// Whether the file's bytes are sent unchanged, on a lane of their own.
    pub(super) fn is_bare(&self) -> bool {
        self.form == Representation::Image && self.lane_use == LaneUse::StreamOnly
    }

    fn end(&self, file: &impl Source) -> Result<End, Refusal> {
        match self.until {
            Until::Offset(end) if self.offset < end => Err(Refusal::Changed),
            _ => Ok(End::Complete {
                position: self.offset,
                sum: None,
                left_out: file.left_out(),
            }),
        }
    }

    fn left(&self) -> u64 {
        match self.until {
            Until::Offset(end) => end.saturating_sub(self.offset),
            Until::SourceEnd => u64::MAX,
        }
    }

    fn send_image(
        &mut self,
        lane: &mut impl Lane,
        file: &mut impl Source,
        scratch: &mut [u8],
        most: u64,
    ) -> Result<u64, TransferError> {
        if self.left() == 0 {
            return Ok(0);
        }
        if let Some(source) = file.as_fd()
            && let Some(sent) = lane.sendfile(source, self.offset, self.left().min(most))
        {
            let sent = sent?;
            self.offset += sent;
            return Ok(sent);
        }
        let want = clamp(self.left(), scratch.len());
        let count = file.read_at(self.offset, &mut scratch[..want])?;
        let sent = write_some(lane, &scratch[..count])? as u64;
        self.offset += sent;
        Ok(sent)
    }

    /// Reads into the first third of `scratch` and expands line ends into the rest, which is twice
    /// as long.
    fn send_text(
        &mut self,
        lane: &mut impl Lane,
        file: &mut impl Source,
        scratch: &mut [u8],
    ) -> Result<u64, TransferError> {
        let (source, expanded) = scratch.split_at_mut(scratch.len() / 3);
        let want = clamp(self.left(), source.len());
        let count = file.read_at(self.offset, &mut source[..want])?;
        let source = &source[..count];
        let length = expand_line_ends(source, self.last, expanded);
        let sent = write_some(lane, &expanded[..length])?;
        let (taken, last) = source_bytes_sent(source, self.last, sent);
        self.offset += taken;
        self.last = last;
        Ok(taken)
    }
}

enum Sent {
    /// Bytes of the file.
    Bytes(u64),
    All(End),
}

/// Writes CRLF for each LF that has no CR before it; returns the length in `out`.
fn expand_line_ends(source: &[u8], mut last: LastByte, out: &mut [u8]) -> usize {
    let mut length = 0;
    for &byte in source {
        if byte == b'\n' && last == LastByte::Other {
            out[length] = b'\r';
            length += 1;
        }
        out[length] = byte;
        length += 1;
        last = last_byte(byte);
    }
    length
}

/// The bytes of `source` that the first `sent` expanded bytes stand for, and what was sent last.
fn source_bytes_sent(source: &[u8], mut last: LastByte, mut sent: usize) -> (u64, LastByte) {
    for (taken, &byte) in source.iter().enumerate() {
        if byte == b'\n' && last == LastByte::Other {
            if sent == 1 {
                return (taken as u64, LastByte::InsertedCr);
            }
            sent = sent.saturating_sub(1);
        }
        if sent == 0 {
            return (taken as u64, last);
        }
        sent -= 1;
        last = last_byte(byte);
    }
    (source.len() as u64, last)
}

fn last_byte(byte: u8) -> LastByte {
    match byte {
        b'\r' => LastByte::Cr,
        _ => LastByte::Other,
    }
}

/// Writes until all is taken or the lane is full; the lane's error if it took nothing.
fn write_some(lane: &mut impl Lane, bytes: &[u8]) -> io::Result<usize> {
    let mut sent = 0;
    while sent < bytes.len() {
        match lane.write(&bytes[sent..]) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => sent += count,
            Err(_) if sent > 0 => break,
            Err(error) => return Err(error),
        }
    }
    Ok(sent)
}

/// A stream that is received.
pub(super) struct IncomingStream {
    /// The file's length so far, in bytes.
    pub(super) position: u64,
    /// What the worker who sees the end may do at once.
    pub(super) at_end: AtEnd,
    form: Representation,
    /// Whether a CR came last, whose meaning depends on the next byte.
    held_cr: HeldCr,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum HeldCr {
    No,
    Yes,
}

/// The pieces to write to the file, in this order.
pub(super) struct TextPieces<'a> {
    /// A CR held back that was no line end.
    pub(super) held_cr: &'static [u8],
    pub(super) bytes: &'a [u8],
}

impl IncomingStream {
    pub(super) fn new(position: u64, form: Representation, at_end: AtEnd) -> Self {
        Self {
            position,
            at_end,
            form,
            held_cr: HeldCr::No,
        }
    }

    pub(super) fn is_image(&self) -> bool {
        self.form == Representation::Image
    }

    /// Turns CRLF into LF, in place, where the stream is text.
    pub(super) fn take_in<'a>(&mut self, bytes: &'a mut [u8]) -> TextPieces<'a> {
        if self.form == Representation::Image {
            return TextPieces {
                held_cr: b"",
                bytes,
            };
        }
        let held_cr: &[u8] = match (self.held_cr, bytes.first()) {
            (HeldCr::Yes, Some(first)) if *first != b'\n' => b"\r",
            _ => b"",
        };
        let length = collapse_line_ends(bytes);
        self.held_cr = match bytes[..length].last() {
            Some(b'\r') => HeldCr::Yes,
            _ => HeldCr::No,
        };
        let written = match self.held_cr {
            HeldCr::Yes => length - 1,
            HeldCr::No => length,
        };
        TextPieces {
            held_cr,
            bytes: &bytes[..written],
        }
    }

    /// At the stream's end: the CR that was held back, if any.
    pub(super) fn take_held_cr(&mut self) -> &'static [u8] {
        match std::mem::replace(&mut self.held_cr, HeldCr::No) {
            HeldCr::Yes => b"\r",
            HeldCr::No => b"",
        }
    }
}

/// Removes each CR before a LF; returns the new length.
fn collapse_line_ends(bytes: &mut [u8]) -> usize {
    let mut length = 0;
    for at in 0..bytes.len() {
        let line_end = bytes[at] == b'\r' && bytes.get(at + 1) == Some(&b'\n');
        if !line_end {
            bytes[length] = bytes[at];
            length += 1;
        }
    }
    length
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A lane that takes at most `limit` bytes at a time.
    struct LimitedLane {
        taken: Vec<u8>,
        limit: usize,
    }

    impl Lane for LimitedLane {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::WouldBlock.into())
        }

        fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
            if self.limit == 0 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let count = buf.len().min(self.limit);
            self.limit -= count;
            self.taken.extend_from_slice(&buf[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }

        fn has_buffered_input(&self) -> bool {
            false
        }
    }

    struct Bytes(Vec<u8>);

    impl Source for Bytes {
        fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<usize, Refusal> {
            let rest = &self.0[offset as usize..];
            let count = rest.len().min(buf.len());
            buf[..count].copy_from_slice(&rest[..count]);
            Ok(count)
        }
    }

    fn sent_as(form: Representation, text: &[u8], limit: usize, room: usize) -> Vec<u8> {
        let mut file = Bytes(text.to_vec());
        let until = Until::Offset(text.len() as u64);
        let mut outgoing = OutgoingStream::new(0, until, form, LaneUse::StreamOnly);
        let (mut lane, mut scratch) = (
            LimitedLane {
                taken: Vec::new(),
                limit,
            },
            vec![0; room],
        );
        loop {
            match outgoing.send_chunk(&mut lane, &mut file, &mut scratch, u64::MAX) {
                Ok(Sent::All(End::Complete { position, .. })) => {
                    assert_eq!(position, text.len() as u64);
                    return lane.taken;
                }
                Ok(Sent::All(end)) => panic!("{end:?}"),
                Ok(Sent::Bytes(_)) => {}
                Err(_) => lane.limit = limit,
            }
        }
    }

    const TEXT: &[u8] = b"a\nb\r\nc\rd\n\n\r\r\n\r";

    #[test]
    fn text_gets_its_line_ends_whatever_the_lane_takes() {
        for limit in 1..20 {
            for room in [3, 6, 9, 60] {
                let came = sent_as(Representation::Ascii, TEXT, limit, room);
                assert_eq!(
                    came, b"a\r\nb\r\nc\rd\r\n\r\n\r\r\n\r",
                    "{limit} at a time, {room} of scratch"
                );
                let came = sent_as(Representation::Image, TEXT, limit, room);
                assert_eq!(came, TEXT, "{limit} at a time, {room} of scratch");
            }
        }
    }

    #[test]
    fn a_file_that_got_shorter_is_no_whole_one() {
        let mut file = Bytes(b"ab".to_vec());
        let mut outgoing = OutgoingStream::new(
            0,
            Until::Offset(3),
            Representation::Image,
            LaneUse::StreamOnly,
        );
        let mut lane = LimitedLane {
            taken: Vec::new(),
            limit: 100,
        };
        assert!(matches!(
            outgoing.send_chunk(&mut lane, &mut file, &mut [0; 8], u64::MAX),
            Ok(Sent::Bytes(2))
        ));
        assert!(matches!(
            outgoing.send_chunk(&mut lane, &mut file, &mut [0; 8], u64::MAX),
            Err(TransferError::Refused(Refusal::Changed))
        ));
    }

    #[test]
    fn text_loses_its_line_ends_wherever_it_is_cut() {
        let text = b"a\r\nb\nc\rd\r\r\n\r";
        for size in 1..=text.len() {
            let mut incoming = IncomingStream::new(0, Representation::Ascii, AtEnd::MakeReady);
            let mut came = Vec::new();
            for chunk in text.chunks(size) {
                let mut chunk = chunk.to_vec();
                let written = incoming.take_in(&mut chunk);
                came.extend_from_slice(written.held_cr);
                came.extend_from_slice(written.bytes);
            }
            came.extend_from_slice(incoming.take_held_cr());
            assert_eq!(came, b"a\nb\nc\rd\r\n\r", "{size} at a time");
        }
    }
}
