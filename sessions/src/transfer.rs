//! Bulk data between a lane and a file, in bounded bursts. A transfer keeps no
//! buffer: what could not be sent is read again, and hashed once.

mod end;
mod error;
mod file;
mod receiving;
mod sending;
mod stream;
mod task;

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::aside::{Aside, BurstHash};
use crate::conduit::Conduit;
use crate::digest::{Algorithm, Running};
use crate::lane::Lane;
use crate::wire::native::frames::FrameDecoder;
use crate::wire::reply::Refusal;
pub use end::{Burst, End};
pub(crate) use error::TransferError;
pub use file::{File, Sink, Source};
use sending::Sending;
use stream::{IncomingStream, OutgoingStream};
pub use task::{Hashing, LaneUse, Route, StopLine, Task, Until};

/// Lines that a peer sends ahead while bulk data flows: no more than this is read.
pub const AHEAD_MAX: usize = 16 * 1024;

/// Bytes of a stream from which on it is a long one: a pipe pays for itself.
const SPLICE_MIN: u64 = 256 * 1024;

/// What one burst may use.
pub struct Means<'a> {
    /// Lent for the burst; at least 16 KiB.
    pub scratch: &'a mut [u8],
    /// Bytes after which the transfer goes home.
    pub budget: u64,
    /// Looked at before each chunk.
    pub stop: &'a AtomicBool,
    pub aside: &'a mut Aside,
    /// For a task that [`Transfer::would_pour`].
    pub conduit: Option<&'a mut Conduit>,
}

/// `Means` without the companion, which the digest holds.
struct BurstIo<'a> {
    scratch: &'a mut [u8],
    budget: u64,
    stop: &'a AtomicBool,
    conduit: Option<&'a mut Conduit>,
}

impl<'a> Means<'a> {
    fn split(self) -> (BurstIo<'a>, &'a mut Aside) {
        let Self {
            scratch,
            budget,
            stop,
            aside,
            conduit,
        } = self;
        (
            BurstIo {
                scratch,
                budget,
                stop,
                conduit,
            },
            aside,
        )
    }
}

/// One open file's bulk data. It is kept from the opening to the publishing, so
/// that a digest of a prefix goes on over the rest.
#[derive(Default)]
pub struct Transfer {
    digest: Option<Running>,
    frames: FrameDecoder,
    phase: Phase,
    /// Bytes off the lane that are lines, not data.
    ahead: Vec<u8>,
    moved: u64,
}

#[derive(Default)]
enum Phase {
    #[default]
    Idle,
    Digesting {
        to: u64,
    },
    Sending(Sending),
    Receiving(Receiving),
    Discarding,
    SendingStream(OutgoingStream),
    ReceivingStream(IncomingStream),
}

struct Receiving {
    position: u64,
    at_most: u64,
}

impl Transfer {
    /// Takes up a task; `ahead` are bytes already read off the lane.
    pub fn begin(&mut self, task: Task, ahead: Vec<u8>) {
        debug_assert!(self.ahead.is_empty());
        self.ahead = ahead;
        self.moved = 0;
        self.phase = match task {
            Task::Digest { to, algorithm } => {
                self.ensure_digest(algorithm);
                if self.hashed() > to || self.digest.as_ref().is_some_and(|d| d.start() > 0) {
                    self.digest = Some(Running::new(algorithm));
                }
                Phase::Digesting { to }
            }
            Task::Send {
                from,
                until,
                hashing,
                stop,
            } => {
                self.hash_from(from, hashing);
                Phase::Sending(Sending::new(from, until, stop))
            }
            Task::Receive {
                from,
                at_most,
                hashing,
            } => {
                self.hash_from(from, hashing);
                self.frames = FrameDecoder::default();
                Phase::Receiving(Receiving {
                    position: from,
                    at_most,
                })
            }
            Task::Discard => Phase::Discarding,
            Task::DigestRange {
                from,
                to,
                algorithm,
            } => {
                self.digest = Some(Running::starting(algorithm, from));
                Phase::Digesting { to }
            }
            Task::Stream {
                from,
                until,
                form,
                lane_use,
            } => {
                self.digest = None;
                Phase::SendingStream(OutgoingStream::new(from, until, form, lane_use))
            }
            Task::Take { from, form, short } => {
                self.digest = None;
                Phase::ReceivingStream(IncomingStream::new(from, form, short))
            }
        };
    }

    /// Bytes that were read off the lane and belong to lines.
    pub fn take_ahead(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.ahead)
    }

    /// Bytes of the file that went through the lane (or the digest) in this task.
    pub fn moved(&self) -> u64 {
        self.moved
    }

    /// How far the digest got.
    pub fn hashed(&self) -> u64 {
        self.digest.as_ref().map_or(0, Running::position)
    }

    /// The task needs the socket to be readable, not writable.
    pub fn is_reading(&self) -> bool {
        matches!(
            self.phase,
            Phase::Receiving(_) | Phase::Discarding | Phase::ReceivingStream(_)
        )
    }

    /// The task sends a bare stream, of which no digest is taken.
    pub fn is_streaming(&self) -> bool {
        matches!(self.phase, Phase::SendingStream(_))
    }

    /// The task sends a file's bytes as they are, and the lane carries nothing else.
    pub fn would_hand_on(&self) -> bool {
        matches!(&self.phase, Phase::SendingStream(outgoing) if outgoing.is_bare())
    }

    /// The task receives a long stream whose bytes nobody has to look at.
    pub fn would_pour(&self) -> bool {
        matches!(&self.phase, Phase::ReceivingStream(incoming) if incoming.is_image())
            && self.moved >= SPLICE_MIN
    }

    /// The task receives a stream, which may be published where its end is received
    /// if it has no more bytes than this.
    pub fn short(&self) -> Option<u64> {
        match &self.phase {
            Phase::ReceivingStream(incoming) => Some(incoming.short),
            _ => None,
        }
    }

    /// The task needs no lane.
    pub fn is_digesting(&self) -> bool {
        matches!(self.phase, Phase::Digesting { .. })
    }

    /// Works until the lane would block, the budget is spent, or all is done.
    pub fn burst(&mut self, lane: &mut impl Lane, file: &mut impl File, means: Means<'_>) -> Burst {
        let (burst_io, aside) = means.split();
        let mut hash = BurstHash::new(self.digest.take(), aside);
        let result = match self.phase {
            Phase::Idle => Ok(Burst::Finished(End::Stopped)),
            Phase::Digesting { to } => self.digest_file(to, file, burst_io, &mut hash),
            Phase::Sending(_) => self.send_frames(lane, file, burst_io, &mut hash),
            Phase::Receiving(_) | Phase::Discarding => {
                self.receive_frames(lane, file, burst_io, &mut hash)
            }
            Phase::SendingStream(_) => self.send_stream(lane, file, burst_io),
            Phase::ReceivingStream(_) => self.receive_stream(lane, file, burst_io),
        };
        self.digest = hash.finish();
        self.finish_burst(result)
    }

    /// A digest task works without a lane.
    pub fn burst_digest(&mut self, file: &mut impl Source, means: Means<'_>) -> Burst {
        let Phase::Digesting { to } = self.phase else {
            return Burst::Finished(End::Stopped);
        };
        let (burst_io, aside) = means.split();
        let mut hash = BurstHash::new(self.digest.take(), aside);
        let result = self.digest_file(to, file, burst_io, &mut hash);
        self.digest = hash.finish();
        self.finish_burst(result)
    }

    /// A finished task's digest is that of all its bytes, or none.
    fn finish_burst(&mut self, result: Result<Burst, TransferError>) -> Burst {
        let mut burst = result.unwrap_or_else(|error| error.into_burst(self.is_reading()));
        if let Burst::Finished(end) = &mut burst {
            self.phase = Phase::Idle;
            if let End::Complete { position, sum, .. } = end {
                let whole = |running: &&Running| running.position() == *position;
                *sum = self.digest.as_ref().filter(whole).map(Running::sum);
            }
        }
        burst
    }

    fn ensure_digest(&mut self, algorithm: Algorithm) {
        let fits = |running: &Running| running.algorithm() == algorithm;
        if !self.digest.as_ref().is_some_and(fits) {
            self.digest = Some(Running::new(algorithm));
        }
    }

    /// A digest that does not stand at `from` cannot go on there.
    fn hash_from(&mut self, from: u64, hashing: Hashing) {
        let Hashing::By(algorithm) = hashing else {
            self.digest = None;
            return;
        };
        self.ensure_digest(algorithm);
        if from == 0 && self.hashed() != 0 {
            self.digest = Some(Running::new(algorithm));
        }
        debug_assert_eq!(self.hashed(), from, "a digest goes on where it stands");
    }

    fn digest_file(
        &mut self,
        to: u64,
        file: &mut impl Source,
        burst_io: BurstIo<'_>,
        hash: &mut BurstHash<'_>,
    ) -> Result<Burst, TransferError> {
        let mut spent = 0;
        while hash.position() < to {
            if burst_io.stop.load(Ordering::Relaxed) {
                return Ok(Burst::Finished(End::Stopped));
            }
            if spent >= burst_io.budget {
                return Ok(Burst::BudgetSpent);
            }
            let at = hash.position();
            let want = clamp(to - at, burst_io.scratch.len());
            let count = file.read_at(at, &mut burst_io.scratch[..want])?;
            if count == 0 {
                return Err(Refusal::Changed.into());
            }
            hash.update(&burst_io.scratch[..count]);
            spent += count as u64;
            self.moved += count as u64;
        }
        Ok(complete(to))
    }

    fn send_frames(
        &mut self,
        lane: &mut impl Lane,
        file: &mut impl Source,
        burst_io: BurstIo<'_>,
        hash: &mut BurstHash<'_>,
    ) -> Result<Burst, TransferError> {
        let Self {
            phase: Phase::Sending(sending),
            ahead,
            moved,
            ..
        } = self
        else {
            return Ok(Burst::Finished(End::Stopped));
        };
        let start = *moved;
        loop {
            if sending.is_between_frames() {
                if let Some(end) = sending.ended() {
                    lane.flush()?;
                    return Ok(Burst::Finished(end));
                }
                let told = burst_io.stop.load(Ordering::Relaxed);
                if told || poll_stop_line(lane, ahead, sending.stop_line())? {
                    sending.stop();
                } else if *moved - start >= burst_io.budget {
                    return Ok(Burst::BudgetSpent);
                }
            }
            *moved += sending.send_chunk(lane, file, hash, burst_io.scratch)?;
        }
    }
}

/// The digest is added when all of it is back.
fn complete(position: u64) -> Burst {
    Burst::Finished(End::Complete {
        position,
        sum: None,
        left_out: 0,
    })
}

/// Reads what the peer sent while we send, and looks for the line that stops us.
fn poll_stop_line(
    lane: &mut impl Lane,
    ahead: &mut Vec<u8>,
    stop: StopLine,
) -> Result<bool, TransferError> {
    let mut buf = [0; 2048];
    while ahead.len() < AHEAD_MAX {
        match lane.read(&mut buf) {
            Ok(0) => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            Ok(count) => ahead.extend_from_slice(&buf[..count]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) => return Err(error.into()),
        }
    }
    drain_held_input(lane, ahead, &mut buf)?;
    let mut lines = ahead
        .split_inclusive(|&b| b == b'\n')
        .filter_map(|l| l.strip_suffix(b"\r\n"));
    Ok(match stop {
        StopLine::Abort => lines.next().is_some_and(|line| stop.matches(line)),
        StopLine::FinalReply => lines.any(|line| stop.matches(line)),
    })
}

/// What the lane read off the socket must not be lost when it goes.
fn drain_held_input(
    lane: &mut impl Lane,
    ahead: &mut Vec<u8>,
    buf: &mut [u8],
) -> Result<(), TransferError> {
    while lane.holds_input() {
        match lane.read(buf) {
            Ok(0) => break,
            Ok(count) => ahead.extend_from_slice(&buf[..count]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn clamp(bytes: u64, room: usize) -> usize {
    usize::try_from(bytes).unwrap_or(room).min(room)
}
