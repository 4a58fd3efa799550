//! Receiving: frames unpacked into a file, or a bare stream written as it comes.

use std::io;
use std::sync::atomic::Ordering;

use super::{Burst, End, Phase, Room, Sink, Stumble, Transfer, complete, drain_held_input};
use crate::aside::Hash;
use crate::conduit::Poured;
use crate::lane::Lane;
use crate::wire::native::frames::Piece;
use crate::wire::reply::Refusal;

impl Transfer {
    pub(super) fn receive_some(
        &mut self,
        lane: &mut impl Lane,
        file: &mut impl Sink,
        room: Room<'_>,
        hash: &mut Hash<'_>,
    ) -> Result<Burst, Stumble> {
        let ahead = self.take_ahead();
        if let Some(end) = self.take_in(&ahead, file, hash) {
            return Ok(end);
        }
        drop(ahead);
        let start = self.moved;
        loop {
            if !lane.holds_input() {
                if room.stop.load(Ordering::Relaxed) {
                    return Ok(Burst::Finished(End::Stopped));
                }
                if self.moved - start >= room.budget {
                    return Ok(Burst::BudgetSpent);
                }
            }
            let count = lane.read(room.scratch)?;
            if count == 0 {
                return Ok(Burst::Finished(End::LaneLost));
            }
            if let Some(end) = self.take_in(&room.scratch[..count], file, hash) {
                drain_held_input(lane, &mut self.ahead, room.scratch)?;
                return Ok(end);
            }
        }
    }

    /// Unpacks frames; lines behind the end are kept as `ahead`, and so is
    /// everything that came with a failure.
    fn take_in(
        &mut self,
        mut bytes: &[u8],
        file: &mut impl Sink,
        hash: &mut Hash<'_>,
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

    fn store(
        &mut self,
        data: &[u8],
        file: &mut impl Sink,
        hash: &mut Hash<'_>,
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

    /// A bare stream, whose end is the lane's.
    pub(super) fn take_some(
        &mut self,
        lane: &mut impl Lane,
        file: &mut impl Sink,
        mut room: Room<'_>,
    ) -> Result<Burst, Stumble> {
        let Phase::Taking(taking) = &mut self.phase else {
            return Ok(Burst::Finished(End::Stopped));
        };
        let start = self.moved;
        loop {
            if !lane.holds_input() {
                if room.stop.load(Ordering::Relaxed) {
                    return Ok(Burst::Finished(End::Stopped));
                }
                if self.moved - start >= room.budget {
                    return Ok(Burst::BudgetSpent);
                }
            }
            if let Some(conduit) = room.conduit.as_deref_mut()
                && let Poured::Bytes(count) = conduit.pour(lane, file)?
            {
                taking.position += count;
                self.moved += count;
                continue;
            }
            let count = match lane.read(room.scratch) {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    let position = taking.position;
                    return Ok(Burst::Finished(End::Truncated { position }));
                }
                other => other?,
            };
            let rest = if count == 0 { taking.rest() } else { b"" };
            let written = taking.take_in(&mut room.scratch[..count]);
            for piece in [written.before, written.bytes, rest] {
                if !piece.is_empty() {
                    file.write(piece)?;
                    taking.position += piece.len() as u64;
                }
            }
            self.moved += count as u64;
            if count == 0 {
                // The peer may wait for our goodbye before it looks at the reply.
                let _ = lane.close();
                return Ok(complete(taking.position));
            }
        }
    }
}
