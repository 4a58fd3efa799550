//! Runs one burst of a transfer that is lent to a worker: a bounded loop of reading, hashing,
//! encrypting and writing, with the TLS handshake of the data connection first where that was
//! deferred. [`Transfer`] in `skiff_sessions` decides what is moved.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use skiff_sessions::lane::Lane;
use skiff_sessions::parallel_hash::ParallelHash;
use skiff_sessions::transfer::SplicePipe;
use skiff_sessions::transfer::{
    AtEnd, Burst, BurstResources, End, File, SHORT_STREAM_MAX, Transfer,
};

use super::hooked::{self, HookedFile};
use super::listing_text::NextText;
use super::open_file::{LentFile, OpenFile, Portion};
use super::pool::WorkerContext;
use super::schedule::Progress;
use super::sendfile_pacer::SendfilePacer;
use super::short_upload::{publish_short, ready_short};
use super::small_file::SMALL_FILE_MAX;
use crate::transport::channel::{self, Channel, Handshake, LaneWork, Proof};

/// Bytes moved between two looks at the stop flag, the clock and the queue of waiting work.
const BUDGET: u64 = 4 << 20;
/// The same of a transfer's first bytes while others wait, for it went before them.
const FRESH_BUDGET: u64 = 512 << 10;
/// Bytes of a stream over TLS that are read and sent at a time while no other burst runs. Nothing
/// is hashed, and each system call delays the small commands of other sessions.
const STREAM_CHUNK: usize = 256 * 1024;
/// Bytes at a time while other bursts run: small commands then wait a tenth less, and these calls
/// cost no more processor time than larger ones (tests/bench).
const STREAM_CHUNK_SHARED: usize = 32 * 1024;
/// Bytes at a time at least, however slow the transfer is to be.
const CHUNK_MIN: usize = 16 * 1024;
/// A transfer returns to the reactor at least this often, which counts as progress.
const LENT_MAX: Duration = Duration::from_millis(250);
/// How long a worker waits in poll(2) for a peer that is slower than itself: returning to the
/// reactor for every 150 KiB costs more than the wait.
const LINGER: Duration = Duration::from_millis(5);

/// How long a listing is made and sent before a worker looks for others that wait: one of 20,000
/// names is a tenth of a second's work, of few bytes.
const LISTING_TURN: Duration = Duration::from_millis(3);
/// A listing's burst is one portion of text, each made in bounded time.
const LISTING_BUDGET: u64 = 1;

/// A transfer lent to a worker, with everything one burst needs.
pub(crate) struct LentTransfer {
    /// The channel that the bytes go through; `None` where a file is only hashed.
    pub(crate) channel: Option<Channel>,
    pub(crate) transfer: Box<Transfer>,
    pub(crate) file: Option<OpenFile>,
    /// What hooks are to be told of the file.
    pub(crate) hooked: Option<Arc<HookedFile>>,
    pub(crate) stop: Arc<AtomicBool>,
    /// The control connection's socket, where ABOR may be waiting.
    pub(crate) control: Arc<TcpStream>,
    /// Bytes that the burst may move, by the rates of the session; `None`: as many as it can.
    pub(crate) allowance: Option<u64>,
}

/// Runs a TLS handshake as far as it gets, waiting up to [`LINGER`] for each flight of the peer.
pub(super) fn handshake(
    channel: &mut Channel,
    context: &WorkerContext<'_>,
) -> io::Result<Handshake> {
    loop {
        let wanted = match channel.handshake()? {
            Handshake::Done => return Ok(Handshake::Done),
            Handshake::WantsRead => PollFlags::IN,
            Handshake::WantsWrite => PollFlags::OUT,
        };
        if context.has_waiting_work() || !linger(channel, wanted) {
            return Ok(match wanted {
                PollFlags::OUT => Handshake::WantsWrite,
                _ => Handshake::WantsRead,
            });
        }
    }
}

/// The readiness that the burst waits for; `None` if it ended for another reason.
fn wanted(burst: &Burst) -> Option<PollFlags> {
    match burst {
        Burst::WantsRead => Some(PollFlags::IN),
        Burst::WantsWrite => Some(PollFlags::OUT),
        Burst::BudgetSpent | Burst::Finished(_) => None,
    }
}

/// Waits up to [`LINGER`] for the socket; returns whether it became ready.
fn linger(channel: &Channel, wanted: PollFlags) -> bool {
    let longest = Timespec {
        tv_sec: 0,
        tv_nsec: LINGER.subsec_nanos().into(),
    };
    let mut fds = [PollFd::new(&**channel.socket(), wanted)];
    poll(&mut fds, Some(&longest)).is_ok_and(|ready| ready > 0)
}

impl LentTransfer {
    /// Sends a [`SmallFile`](super::small_file::SmallFile), which needs no worker and so may run on
    /// the reactor thread; `None` for any other file.
    pub(crate) fn send_if_small(&mut self) -> Option<Burst> {
        let Self {
            channel: Some(channel),
            transfer,
            file: Some(OpenFile::Small(file)),
            stop,
            ..
        } = self
        else {
            return None;
        };
        let mut scratch = [0; SMALL_FILE_MAX];
        let resources = BurstResources {
            scratch: &mut scratch,
            budget: u64::MAX,
            stop,
            parallel_hash: &mut ParallelHash::Off,
            splice_pipe: None,
        };
        let burst = OneBurst {
            transfer,
            file,
            resources,
        };
        let burst = channel.with_lane(&mut [], burst);
        if matches!(burst, Burst::Finished(_)) {
            self.file = None;
        }
        Some(burst)
    }

    /// True for a stream in clear that the kernel moves between file and socket: sendfile(2) for
    /// downloads, splice(2) for uploads.
    pub(crate) fn is_kernel_copied(&self) -> bool {
        self.is_sendfile() || (self.is_clear() && self.transfer.may_splice())
    }

    fn is_sendfile(&self) -> bool {
        self.is_clear()
            && self.transfer.may_sendfile()
            && matches!(self.file, Some(OpenFile::Download(_)))
    }

    fn is_clear(&self) -> bool {
        self.channel.as_ref().is_some_and(Channel::is_clear)
    }

    /// Whether bytes have flowed.
    pub(super) fn progress(&self) -> Progress {
        match self.transfer.moved() {
            0 => Progress::Fresh,
            _ => Progress::Begun,
        }
    }

    pub(super) fn run(&mut self, context: &mut WorkerContext<'_>) -> Burst {
        if let Some(burst) = self.run_deferred_handshake(context) {
            return burst;
        }
        let (began, before) = (Instant::now(), self.transfer.moved());
        let (streams, at_end) = (self.transfer.is_streaming(), self.transfer.at_end());
        let channel = self.channel.as_ref().filter(|_| self.is_sendfile());
        let mut pacer = channel.map(|channel| SendfilePacer::to(channel.socket()));
        let mut budget = match self.progress() {
            Progress::Fresh if context.has_waiting_work() => FRESH_BUDGET,
            _ => BUDGET,
        };
        let mut portion = Portion::First;
        loop {
            if let Some(pacer) = &mut pacer
                && self.transfer.moved() > 0
            {
                pacer.cork_if(context.is_only_one_running());
            }
            let burst = match self.prepare_listing(context) {
                Some(NextText::NotYet) => Burst::BudgetSpent,
                Some(NextText::Ready) => self.move_bytes(context, LISTING_BUDGET, &mut portion),
                None => match self.allowed(before) {
                    Some(0) => Burst::BudgetSpent,
                    Some(allowed) => self.move_bytes(context, budget.min(allowed), &mut portion),
                    None => self.move_bytes(context, budget, &mut portion),
                },
            };
            if let Burst::Finished(end) = burst {
                self.tell_hooks(&end, context);
                if streams {
                    // Closed here, where close(2) may block: no state asks about the file of a
                    // finished stream.
                    self.file = None;
                }
                return Burst::Finished(self.go_on(at_end, end, context));
            }
            if let (Burst::WantsRead, Some(channel)) = (&burst, &self.channel) {
                channel.acknowledge();
            }
            let turn = match (&self.file, &burst) {
                (Some(OpenFile::Listing(_)), Burst::BudgetSpent) => LISTING_TURN,
                _ => Duration::ZERO,
            };
            let stopped = self.stop.load(Ordering::Relaxed) || self.allowed(before) == Some(0);
            let is_due = |longest| began.elapsed() >= longest;
            if stopped || (context.has_waiting_work() && is_due(turn)) || is_due(LENT_MAX) {
                return burst;
            }
            let Some(channel) = &self.channel else {
                continue;
            };
            let has_waited = pacer.as_ref().is_some_and(SendfilePacer::is_blocking);
            if let Some(wanted) = wanted(&burst)
                && (has_waited || !linger(channel, wanted))
            {
                return burst;
            }
            if let Some(pacer) = &mut pacer {
                let moved = self.transfer.moved() - before;
                let pace = pacer.pace(before, moved, began.elapsed(), LINGER);
                budget = pace.unwrap_or(BUDGET);
            }
        }
    }

    /// Makes text of the listing that is sent, for a while; `None` where a file is sent.
    fn prepare_listing(&mut self, context: &WorkerContext<'_>) -> Option<NextText> {
        let chunk = self.chunk(context);
        let Some(OpenFile::Listing(text)) = &mut self.file else {
            return None;
        };
        if self.stop.load(Ordering::Relaxed) {
            return Some(NextText::Ready);
        }
        let (sent, until) = (self.transfer.moved(), Instant::now() + LISTING_TURN);
        Some(text.prepare(context.worker, sent, chunk, until))
    }

    /// What is left of the allowance, where `before` bytes had been moved when the burst began.
    fn allowed(&self, before: u64) -> Option<u64> {
        let moved = self.transfer.moved() - before;
        self.allowance
            .map(|allowance| allowance.saturating_sub(moved))
    }

    /// Bytes that are read and sent at a time.
    fn chunk(&self, context: &WorkerContext<'_>) -> usize {
        let chunk = match self.transfer.is_streaming() {
            true if context.is_only_one_running() => STREAM_CHUNK,
            true => STREAM_CHUNK_SHARED,
            false => context.scratch.len(),
        };
        let allowed = self
            .allowance
            .and_then(|allowed| usize::try_from(allowed).ok());
        allowed.map_or(chunk, |allowed| chunk.min(allowed.max(CHUNK_MIN)))
    }

    /// Runs the handshake that was deferred to the transfer; `None` once bytes may flow.
    fn run_deferred_handshake(&mut self, context: &WorkerContext<'_>) -> Option<Burst> {
        let channel = self.channel.as_mut()?;
        if !channel.is_proof_pending() {
            return None;
        }
        if self.stop.load(Ordering::Relaxed) {
            return Some(Burst::Finished(End::Stopped));
        }
        match handshake(channel, context) {
            Ok(Handshake::Done) => match channel.judge() {
                Proof::Own => None,
                // Whether it is used all the same, the reactor decides.
                Proof::Doubtful | Proof::Foreign => Some(Burst::Finished(End::NotResumed)),
            },
            Ok(Handshake::WantsRead) => Some(Burst::WantsRead),
            Ok(Handshake::WantsWrite) => Some(Burst::WantsWrite),
            Err(error) => {
                log::info!("{}: no tls on a data connection: {error}", channel.peer());
                Some(Burst::Finished(End::NotSecured))
            }
        }
    }

    /// Publishes a short upload whose bytes have all arrived, or makes it ready for that.
    fn go_on(&mut self, at_end: Option<AtEnd>, end: End, context: &WorkerContext<'_>) -> End {
        let is_short = self.transfer.moved() <= SHORT_STREAM_MAX;
        let gone_on = match (end, at_end) {
            (End::Complete { .. }, Some(AtEnd::Publish)) if is_short => {
                publish_short(context.worker, &mut self.file, &self.control, &self.stop)
            }
            (End::Complete { position, .. }, Some(AtEnd::MakeReady)) if is_short => {
                ready_short(context.worker, &mut self.file, position)
            }
            _ => None,
        };
        if let Some(gone_on) = &gone_on {
            self.tell_hooks(gone_on, context);
        }
        gone_on.unwrap_or(end)
    }

    /// Tells hooks of a file that was stored or sent; one that was only hashed is neither.
    fn tell_hooks(&self, end: &End, context: &WorkerContext<'_>) {
        if self.channel.is_some() {
            let (hooked, file) = (self.hooked.as_deref(), self.file.as_ref());
            hooked::ended(context.worker, hooked, file, end);
        }
    }

    fn move_bytes(
        &mut self,
        context: &mut WorkerContext<'_>,
        budget: u64,
        portion: &mut Portion,
    ) -> Burst {
        let (clear, chunk) = (self.is_clear(), self.chunk(context));
        let Self {
            channel,
            transfer,
            file,
            stop,
            ..
        } = self;
        let mut file = LentFile {
            worker: context.worker,
            yielding: context.yielding,
            file: file.as_mut(),
            portion,
        };
        let resources = BurstResources {
            scratch: &mut context.scratch[..chunk],
            budget,
            stop,
            parallel_hash: context.parallel_hash,
            splice_pipe: (clear && transfer.may_splice())
                .then(|| splice_pipe(context.splice_pipe))
                .flatten(),
        };
        match channel {
            None => transfer.burst_digest(&mut file, resources),
            Some(channel) => channel.with_lane(
                context.cipher,
                OneBurst {
                    transfer,
                    file: &mut file,
                    resources,
                },
            ),
        }
    }
}

/// The worker's splice pipe, made at first use or when the old one holds bytes of a failed
/// transfer; `None` without free descriptors, and then bytes are copied.
fn splice_pipe(splice_pipe: &mut Option<SplicePipe>) -> Option<&mut SplicePipe> {
    if !splice_pipe.as_ref().is_some_and(SplicePipe::is_empty) {
        *splice_pipe = channel::splice_pipe().ok();
    }
    splice_pipe.as_mut()
}

struct OneBurst<'a, F> {
    transfer: &'a mut Transfer,
    file: &'a mut F,
    resources: BurstResources<'a>,
}

impl<F: File> LaneWork<Burst> for OneBurst<'_, F> {
    fn on(self, lane: &mut impl Lane) -> Burst {
        self.transfer.burst(lane, self.file, self.resources)
    }
}
