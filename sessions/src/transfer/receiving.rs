//! Receives bulk data into a file: unpacks frames, or takes a bare stream as it comes.

use std::io;
use std::sync::atomic::Ordering;

use super::{
    Burst, BurstIo, End, Phase, Sink, Transfer, TransferError, complete, drain_held_input,
};
use crate::lane::Lane;
use crate::parallel_hash::BurstHash;
use crate::transfer::Spliced;
use crate::wire::native::frames::Piece;
use crate::wire::reply::Refusal;

impl Transfer {
    pub(super) fn receive_frames(
        &mut self,
        lane: &mut impl Lane,
        file: &mut impl Sink,
        burst_io: BurstIo<'_>,
        hash: &mut BurstHash<'_>,
    ) -> Result<Burst, TransferError> {
        let ahead = self.take_ahead();
        if let Some(end) = self.take_in(&ahead, file, hash) {
            return Ok(end);
        }
        drop(ahead);
        let start = self.moved;
        loop {
            if !lane.has_buffered_input() {
                if burst_io.stop.load(Ordering::Relaxed) {
                    return Ok(Burst::Finished(End::Stopped));
                }
                if self.moved - start >= burst_io.budget {
                    return Ok(Burst::BudgetSpent);
                }
            }
            let count = lane.read(burst_io.scratch)?;
            if count == 0 {
                return Ok(Burst::Finished(End::LaneLost));
            }
            if let Some(end) = self.take_in(&burst_io.scratch[..count], file, hash) {
                drain_held_input(lane, &mut self.ahead, burst_io.scratch)?;
                return Ok(end);
            }
        }
    }

    /// Unpacks frames, up to `None` where more must come. Bytes behind the end, or behind a
    /// failure, are kept in `ahead`.
    fn take_in(
        &mut self,
        mut bytes: &[u8],
        file: &mut impl Sink,
        hash: &mut BurstHash<'_>,
    ) -> Option<Burst> {
        loop {
            let (piece, took) = self.frames.next(bytes);
            bytes = &bytes[took..];
            let end = match piece {
                Piece::NeedMore => return None,
                Piece::Data(data) => match self.store(data, file, hash) {
                    Ok(()) => continue,
                    Err(refusal) => Burst::Finished(End::Refused(refusal)),
                },
                Piece::TooLong if matches!(self.phase, Phase::Discarding) => continue,
                Piece::TooLong => Burst::Finished(End::Refused(Refusal::BadFrame)),
                Piece::Abort => Burst::Finished(End::PeerAborted),
                Piece::End => match &self.phase {
                    Phase::Receiving(receiving) => complete(receiving.position),
                    _ => complete(0),
                },
            };
            self.ahead.extend_from_slice(bytes);
            return Some(end);
        }
    }

    /// Writes a frame's bytes and hashes them; drops them where the task discards.
    fn store(
        &mut self,
        data: &[u8],
        file: &mut impl Sink,
        hash: &mut BurstHash<'_>,
    ) -> Result<(), Refusal> {
        self.moved += data.len() as u64;
        let Phase::Receiving(receiving) = &mut self.phase else {
            return Ok(());
        };
        if data.is_empty() {
            return Ok(());
        }
        let end = receiving.position + data.len() as u64;
        if end > receiving.at_most {
            return Err(Refusal::TooLong);
        }
        file.write(data)?;
        receiving.position = end;
        hash.update(data);
        Ok(())
    }

    /// Receives a bare stream, which ends where the lane ends.
    pub(super) fn receive_stream(
        &mut self,
        lane: &mut impl Lane,
        file: &mut impl Sink,
        mut burst_io: BurstIo<'_>,
    ) -> Result<Burst, TransferError> {
        let Phase::ReceivingStream(incoming) = &mut self.phase else {
            return Ok(Burst::Finished(End::Stopped));
        };
        let start = self.moved;
        loop {
            if !lane.has_buffered_input() {
                if burst_io.stop.load(Ordering::Relaxed) {
                    return Ok(Burst::Finished(End::Stopped));
                }
                if self.moved - start >= burst_io.budget {
                    return Ok(Burst::BudgetSpent);
                }
            }
            if let Some(splice_pipe) = burst_io.splice_pipe.as_deref_mut()
                && let Spliced::Bytes(count) = splice_pipe.splice(lane, file)?
            {
                incoming.position += count;
                self.moved += count;
                continue;
            }
            let count = match lane.read(burst_io.scratch) {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    let position = incoming.position;
                    return Ok(Burst::Finished(End::Truncated { position }));
                }
                other => other?,
            };
            let rest = if count == 0 {
                incoming.take_held_cr()
            } else {
                b""
            };
            let written = incoming.take_in(&mut burst_io.scratch[..count]);
            for piece in [written.held_cr, written.bytes, rest] {
                if !piece.is_empty() {
                    file.write(piece)?;
                    incoming.position += piece.len() as u64;
                }
            }
            self.moved += count as u64;
            if count == 0 {
                // The peer may wait for close_notify before it reads the reply.
                let _ = lane.close();
                return Ok(complete(incoming.position));
            }
        }
    }
}
