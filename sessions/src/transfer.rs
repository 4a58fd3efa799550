//! Moves bulk data between a lane and a file, in bursts of bounded length. A transfer keeps no
//! buffer: bytes that could not be sent are read again, and hashed only once.

mod end;
mod error;
mod file;
mod receiving;
mod sending;
mod splice;
mod stream;
mod task;

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::digest::{Algorithm, Running};
use crate::lane::Lane;
use crate::parallel_hash::{BurstHash, ParallelHash};
use crate::wire::native::frames::FrameDecoder;
use crate::wire::reply::Refusal;
pub use end::{Burst, End};
pub(crate) use error::TransferError;
pub use file::{File, Sink, Source};
use sending::Sending;
pub use splice::SplicePipe;
use splice::Spliced;
use stream::{IncomingStream, OutgoingStream};
pub use task::{AtEnd, Hashing, LaneUse, Route, SHORT_STREAM_MAX, StopLine, Task, Until};

/// Bytes of lines that are read from a peer while bulk data flows; no more than this.
pub const AHEAD_MAX: usize = 16 * 1024;

/// Received bytes after which a stream is spliced: a pipe does not pay for a shorter one.
const SPLICE_MIN: u64 = 256 * 1024;

/// The buffers and limits of one burst.
pub struct BurstResources<'a> {
    /// A buffer for the burst, of at least 16 KiB.
    pub scratch: &'a mut [u8],
    /// Bytes after which the burst ends with [`Burst::BudgetSpent`].
    pub budget: u64,
    /// Ends the task early when true; read before each chunk.
    pub stop: &'a AtomicBool,
    /// Where bytes are hashed.
    pub parallel_hash: &'a mut ParallelHash,
    /// A pipe for splicing; used only by tasks for which [`Transfer::may_splice`] is true.
    pub splice_pipe: Option<&'a mut SplicePipe>,
}

/// `BurstResources` without `parallel_hash`, which the burst's digest borrows.
struct BurstIo<'a> {
    scratch: &'a mut [u8],
    budget: u64,
    stop: &'a AtomicBool,
    splice_pipe: Option<&'a mut SplicePipe>,
}

impl<'a> BurstResources<'a> {
    fn split(self) -> (BurstIo<'a>, &'a mut ParallelHash) {
        let Self {
            scratch,
            budget,
            stop,
            parallel_hash,
            splice_pipe,
        } = self;
        (
            BurstIo {
                scratch,
                budget,
                stop,
                splice_pipe,
            },
            parallel_hash,
        )
    }
}

/// Moves the bulk data of one open file, task by task. It lives from the opening to the publishing,
/// so that a digest of a prefix goes on over the rest.
#[derive(Default)]
pub struct Transfer {
    digest: Option<Running>,
    frames: FrameDecoder,
    phase: Phase,
    /// Bytes read from the lane that belong to lines, not to data.
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
    /// Begins a task. `ahead` holds bytes that were already read from the lane.
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
            Task::SendStream {
                from,
                until,
                form,
                lane_use,
            } => {
                self.digest = None;
                Phase::SendingStream(OutgoingStream::new(from, until, form, lane_use))
            }
            Task::ReceiveStream {
                from, form, at_end, ..
            } => {
                self.digest = None;
                Phase::ReceivingStream(IncomingStream::new(from, form, at_end))
            }
        };
    }

    /// Takes the bytes that were read from the lane and belong to lines.
    pub fn take_ahead(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.ahead)
    }

    /// Bytes of the file that this task has moved, or hashed where it only hashes.
    pub fn moved(&self) -> u64 {
        self.moved
    }

    /// The file offset that the digest has reached; 0 without a digest.
    pub fn hashed(&self) -> u64 {
        self.digest.as_ref().map_or(0, Running::position)
    }

    /// Whether the task waits for the socket to be readable, not writable.
    pub fn is_reading(&self) -> bool {
        matches!(
            self.phase,
            Phase::Receiving(_) | Phase::Discarding | Phase::ReceivingStream(_)
        )
    }

    /// Whether the task sends a bare stream, of which no digest is taken.
    pub fn is_streaming(&self) -> bool {
        matches!(self.phase, Phase::SendingStream(_))
    }

    /// Whether the task sends a file's bytes unchanged on a lane that carries nothing else, so that
    /// sendfile(2) may do it.
    pub fn may_sendfile(&self) -> bool {
        matches!(&self.phase, Phase::SendingStream(outgoing) if outgoing.is_bare())
    }

    /// Whether the task receives a long stream of unchanged bytes, so that splice(2) may do it.
    pub fn may_splice(&self) -> bool {
        matches!(&self.phase, Phase::ReceivingStream(incoming) if incoming.is_image())
            && self.moved >= SPLICE_MIN
    }

    /// What the worker who sees the end of a received stream may do at once; `None` for other tasks.
    pub fn at_end(&self) -> Option<AtEnd> {
        match &self.phase {
            Phase::ReceivingStream(incoming) => Some(incoming.at_end),
            _ => None,
        }
    }

    /// The part of the file that the frame under way still needs, offset and length, for whoever
    /// stops the task and does not keep the file until the lane takes that.
    pub fn frame_rest(&self) -> Option<(u64, usize)> {
        match &self.phase {
            Phase::Sending(sending) => sending.frame_rest(),
            _ => None,
        }
    }

    /// Whether the task only hashes, and needs no lane.
    pub fn is_digesting(&self) -> bool {
        matches!(self.phase, Phase::Digesting { .. })
    }

    /// Runs one burst: until the lane would block, the budget is spent, or the task is finished.
    pub fn burst(
        &mut self,
        lane: &mut impl Lane,
        file: &mut impl File,
        resources: BurstResources<'_>,
    ) -> Burst {
        let (burst_io, parallel_hash) = resources.split();
        let mut hash = BurstHash::new(self.digest.take(), parallel_hash);
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

    /// Runs one burst of a task that only hashes.
    pub fn burst_digest(&mut self, file: &mut impl Source, resources: BurstResources<'_>) -> Burst {
        let Phase::Digesting { to } = self.phase else {
            return Burst::Finished(End::Stopped);
        };
        let (burst_io, parallel_hash) = resources.split();
        let mut hash = BurstHash::new(self.digest.take(), parallel_hash);
        let result = self.digest_file(to, file, burst_io, &mut hash);
        self.digest = hash.finish();
        self.finish_burst(result)
    }

    /// Turns a result into the burst's end, and adds the digest if it is that of all the task's
    /// bytes.
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

    /// Begins a digest unless one by this algorithm is under way.
    fn ensure_digest(&mut self, algorithm: Algorithm) {
        let fits = |running: &Running| running.algorithm() == algorithm;
        if !self.digest.as_ref().is_some_and(fits) {
            self.digest = Some(Running::new(algorithm));
        }
    }

    /// Prepares the digest for bytes from `from` on. It can go on only where it stands, or begin
    /// anew at 0.
    fn hash_from(&mut self, from: u64, hashing: Hashing) {
        let algorithm = match hashing {
            Hashing::By(algorithm) => algorithm,
            Hashing::PartBy(algorithm) => {
                self.digest = Some(Running::starting(algorithm, from));
                return;
            }
            Hashing::Off => {
                self.digest = None;
                return;
            }
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
                let stop = sending.stop_line();
                if told || stop != StopLine::Never && poll_stop_line(lane, ahead, stop)? {
                    sending.stop();
                } else if *moved - start >= burst_io.budget {
                    return Ok(Burst::BudgetSpent);
                }
            }
            *moved += sending.send_chunk(lane, file, hash, burst_io.scratch)?;
        }
    }
}

/// A finished task; `finish_burst` adds the digest.
fn complete(position: u64) -> Burst {
    Burst::Finished(End::Complete {
        position,
        sum: None,
        left_out: 0,
    })
}

/// Reads what the peer sent during the sending, and tells whether the line that stops it is among
/// it.
fn poll_stop_line(
    lane: &mut impl Lane,
    ahead: &mut Vec<u8>,
    stop: StopLine,
) -> Result<bool, TransferError> {
    let mut buf = [0; 2048];
    while ahead.len() < AHEAD_MAX {
        match lane.read(&mut buf) {
            // The peer has nothing more to say, and may read on; if it is gone, a write will fail.
            Ok(0) => break,
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
        StopLine::FinalReply | StopLine::Never => lines.any(|line| stop.matches(line)),
    })
}

/// Reads the bytes that the lane holds into `ahead`: they would be lost with it.
fn drain_held_input(
    lane: &mut impl Lane,
    ahead: &mut Vec<u8>,
    buf: &mut [u8],
) -> Result<(), TransferError> {
    while lane.has_buffered_input() {
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
