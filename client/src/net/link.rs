//! Connects to the server: one non-blocking socket carries lines and bulk data both ways.

use std::io;
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use rustls::{AlertDescription, Connection};
use skiff_conf::{HostPort, Tls};
use skiff_sessions::lane::Lane;
use skiff_sessions::parallel_hash::ParallelHash;
use skiff_sessions::scram::Binding;
use skiff_sessions::transfer::{Burst, BurstResources, File, Transfer};
use skiff_sessions::wire::command::Command;
use skiff_sessions::wire::line::{Head, Inbox};
use skiff_sessions::wire::native::commands;
use skiff_sessions::wire::native::replies::{NotAReply, ReplyLine};

use super::connect::{LinkOptions, connect};
use super::known_hosts::Fingerprint;
use super::lane::{AnyLane, Gathering, send_out};
pub(crate) use super::link_error::LinkError;
use super::service::{FirstWords, Service};
use super::tls;
use crate::terminal::interrupt::Interrupt;
use crate::terminal::poll::{POLL_INTERVAL, PollEnd, poll_once};

/// The size of the plaintext buffer, and of the ciphertext buffer, in bytes.
const CHUNK_BYTES: usize = 512 * 1024;

/// The most bulk data of one burst, after which Ctrl-C is checked and progress shown; in bytes.
const BURST_BYTES: u64 = 4 * 1024 * 1024;

/// The fewest bytes of a burst under a limit: a frame has a header.
const LIMITED_BYTES_MIN: u64 = 1024;

/// What ended the wait for a line.
pub(crate) enum Received {
    Answered(Box<ReplyLine>),
    Interrupted,
    /// It was time for the caller to leave.
    Left,
}

/// What a socket is waited for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Interest {
    Read,
    Write,
}

/// What ended a wait before its deadline.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum WaitEnd {
    Ready,
    Interrupted,
    /// It was time for the caller to leave.
    Left,
}

/// What ends a wait before the socket is ready.
#[derive(Clone, Copy)]
pub(crate) struct WaitLimits<'a> {
    /// A press of Ctrl-C that was not noticed yet.
    pub interrupt: &'a Interrupt,
    /// When the link is given up.
    pub deadline: Instant,
    /// When the caller leaves, to come back later.
    pub leave_at: Option<Instant>,
    pub other_signals: OtherSignals,
}

/// What the signals are to a wait that the interrupt does not know of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum OtherSignals {
    Ignored,
    /// The caller leaves at any.
    EndTheWait,
}

impl<'a> WaitLimits<'a> {
    /// Waits until `deadline` or Ctrl-C.
    pub(crate) fn until(deadline: Instant, interrupt: &'a Interrupt) -> Self {
        Self {
            interrupt,
            deadline,
            leave_at: None,
            other_signals: OtherSignals::Ignored,
        }
    }
}

/// A connection to a server.
pub(crate) struct Link {
    socket: TcpStream,
    tls: Option<Box<Connection>>,
    /// Received lines that were not decoded yet.
    inbox: Inbox,
    /// Encoded lines that were not sent yet.
    outbox: Vec<u8>,
    /// The buffer for ciphertext that was received; empty without TLS.
    ciphertext: Box<[u8]>,
    /// The buffer for plaintext, of lines and of bulk data.
    scratch: Box<[u8]>,
    parallel_hash: ParallelHash,
    /// Bytes of files and listings that came or went.
    carried: u64,
    /// How long the server may take to answer, or a transfer to move a byte.
    timeout: Duration,
    options: LinkOptions,
}

impl Link {
    /// Connects, and does the TLS handshake where `tls` is on.
    ///
    /// # Errors
    ///
    /// [`LinkError::Interrupted`] after Ctrl-C.
    pub(crate) fn open(
        server: &HostPort,
        tls: Tls,
        timeout: Duration,
        options: &LinkOptions,
        interrupt: &Interrupt,
    ) -> Result<Self, LinkError> {
        let socket = connect(server, timeout, options, interrupt)?;
        socket.set_nodelay(true).map_err(LinkError::Broken)?;
        let tls = match tls {
            Tls::On => Some(Box::new(
                tls::new_connection(&server.host).map_err(LinkError::Tls)?,
            )),
            Tls::Off => None,
        };
        let ciphertext = if tls.is_some() { CHUNK_BYTES } else { 0 };
        let mut link = Self {
            socket,
            tls,
            inbox: Inbox::default(),
            outbox: Vec::new(),
            ciphertext: vec![0; ciphertext].into(),
            scratch: vec![0; CHUNK_BYTES].into(),
            parallel_hash: ParallelHash::OnDemand,
            carried: 0,
            timeout,
            options: options.clone(),
        };
        link.complete_handshake(interrupt)?;
        link.show_connection();
        Ok(link)
    }

    /// Returns the fingerprint of the server's certificate; `None` without TLS.
    pub(crate) fn fingerprint(&self) -> Option<Fingerprint> {
        self.tls.as_deref().and_then(tls::fingerprint)
    }

    /// Returns the channel binding for the login; `Binding::None` without TLS.
    pub(crate) fn channel_binding(&self) -> Result<Binding, LinkError> {
        self.tls
            .as_deref()
            .map_or(Ok(Binding::None), tls::channel_binding)
            .map_err(LinkError::Tls)
    }

    /// Tells who is connected to, and how (`--verbose`).
    fn show_connection(&self) {
        let trace = self.options.trace;
        if let Ok(address) = self.socket.peer_addr() {
            trace.show_fact(format_args!("connected to {address}"));
        }
        match (&self.tls, self.fingerprint()) {
            (Some(tls), Some(is)) => {
                let suite = tls.negotiated_cipher_suite();
                let suite =
                    suite.map_or_else(String::new, |suite| format!("{:?}, ", suite.suite()));
                trace.show_fact(format_args!("TLS: {suite}certificate {is}"));
            }
            _ => trace.show_fact(format_args!("no TLS")),
        }
    }

    /// Queues a line; [`Link::flush`] sends it, or [`Link::receive`].
    pub(crate) fn send(&mut self, command: &Command) {
        let begin = self.outbox.len();
        commands::encode(command, &mut self.outbox);
        let line = &self.outbox[begin..];
        self.options.trace.show_command(command, line);
    }

    /// Waits until the kernel has taken all queued lines. After Ctrl-C the rest stays queued for
    /// the next call.
    pub(crate) fn flush(&mut self, limits: WaitLimits<'_>) -> Result<WaitEnd, LinkError> {
        loop {
            let Self {
                socket,
                tls,
                ciphertext,
                outbox,
                ..
            } = self;
            let mut lane = AnyLane::over(socket, tls.as_deref_mut(), ciphertext);
            let result = send_out(&mut lane, outbox);
            match result {
                Ok(()) => return Ok(WaitEnd::Ready),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(link_error(error)),
            }
            match self.wait(Interest::Write, limits)? {
                WaitEnd::Ready => {}
                end => return Ok(end),
            }
        }
    }

    /// Sends what is queued and returns the server's next line, or why there is none yet.
    pub(crate) fn receive(&mut self, limits: WaitLimits<'_>) -> Result<Received, LinkError> {
        loop {
            match self.inbox.take() {
                Head::Line(range) => {
                    let line = self.inbox.slice(range);
                    self.options.trace.show_reply(line);
                    let answered = ReplyLine::decode(line)?;
                    return Ok(Received::Answered(Box::new(answered)));
                }
                Head::Broken | Head::TooLong => return Err(NotAReply.into()),
                Head::Incomplete => {}
            }
            self.inbox.compact();
            let mut waited = self.flush(limits)?;
            if waited == WaitEnd::Ready {
                if self.read_lines()? > 0 {
                    continue;
                }
                waited = self.wait(Interest::Read, limits)?;
            }
            match waited {
                WaitEnd::Ready => {}
                WaitEnd::Interrupted => return Ok(Received::Interrupted),
                WaitEnd::Left => return Ok(Received::Left),
            }
        }
    }

    /// Takes the bytes that were read with the last line: the first bytes of a transfer.
    pub(crate) fn take_ahead(&mut self) -> Vec<u8> {
        self.inbox.drain()
    }

    /// Gives back the bytes that a transfer read beyond its end: the first bytes of a line.
    pub(crate) fn put_back(&mut self, ahead: &[u8]) {
        self.inbox.push(ahead);
    }

    /// Runs a transfer until it has to wait, or [`BURST_BYTES`] have moved. What it sends goes behind
    /// the lines that are queued, and the last of it with the next flush.
    pub(crate) fn burst(
        &mut self,
        transfer: &mut Transfer,
        file: &mut impl File,
        stop: &AtomicBool,
    ) -> Burst {
        let Self {
            socket,
            tls,
            ciphertext,
            scratch,
            parallel_hash,
            options,
            outbox,
            ..
        } = self;
        let limit = options.limit.as_ref();
        let budget = match limit.map(|limit| limit.ask(Instant::now())) {
            None => BURST_BYTES,
            Some(allowed) => allowed.unwrap_or(0).clamp(LIMITED_BYTES_MIN, BURST_BYTES),
        };
        let room = scratch.len().min(budget as usize);
        let before = transfer.moved();
        // What is decrypted is taken whatever the budget.
        let received = ciphertext.len().min(room.max(LINE_READ_BYTES));
        let ciphertext = &mut ciphertext[..received];
        let lane = AnyLane::over(socket, tls.as_deref_mut(), ciphertext);
        let mut lane = Gathering { lane, outbox };
        let burst = transfer.burst(
            &mut lane,
            file,
            BurstResources {
                scratch: &mut scratch[..room],
                budget,
                stop,
                parallel_hash,
                splice_pipe: None,
            },
        );
        if let Some(limit) = limit {
            limit.take(transfer.moved().saturating_sub(before));
        }
        burst
    }

    /// True where the limit lets no bytes go now.
    pub(crate) fn is_held_back(&self) -> bool {
        let limit = self.options.limit.as_ref();
        limit.is_some_and(|limit| limit.ask(Instant::now()).is_err())
    }

    /// Waits until the limit lets bytes go, as [`Link::wait`] does for the socket; at once where
    /// there is no limit.
    pub(crate) fn wait_for_limit(&self, limits: WaitLimits<'_>) -> Result<WaitEnd, LinkError> {
        let Some(limit) = &self.options.limit else {
            return Ok(WaitEnd::Ready);
        };
        while let Err(time) = limit.ask(Instant::now()) {
            // Only an error of the socket can be there (poll(2)): the burst will see it.
            if let Some(end) = self.poll(PollFlags::empty(), limits, time)? {
                return Ok(end);
            }
        }
        Ok(WaitEnd::Ready)
    }

    /// Runs a digest task, which needs no connection, for [`BURST_BYTES`].
    pub(crate) fn burst_digest(
        &mut self,
        transfer: &mut Transfer,
        file: &mut impl File,
        stop: &AtomicBool,
    ) -> Burst {
        transfer.burst_digest(
            file,
            BurstResources {
                scratch: &mut self.scratch,
                budget: BURST_BYTES,
                stop,
                parallel_hash: &mut self.parallel_hash,
                splice_pipe: None,
            },
        )
    }

    /// Waits for the socket, within `limits`. A press of Ctrl-C ends the wait at once, or within
    /// [`POLL_INTERVAL`] where another thread got the signal.
    ///
    /// # Errors
    ///
    /// [`LinkError::TimedOut`] at the deadline.
    pub(crate) fn wait(
        &self,
        interest: Interest,
        limits: WaitLimits<'_>,
    ) -> Result<WaitEnd, LinkError> {
        let flags = match interest {
            Interest::Read => PollFlags::IN,
            Interest::Write => PollFlags::OUT,
        };
        loop {
            if let Some(end) = self.poll(flags, limits, POLL_INTERVAL)? {
                return Ok(end);
            }
        }
    }

    /// Waits for the socket for at most `time`, or a little longer than a press of Ctrl-C; `None`
    /// where nothing of interest came.
    fn poll(
        &self,
        flags: PollFlags,
        limits: WaitLimits<'_>,
        time: Duration,
    ) -> Result<Option<WaitEnd>, LinkError> {
        if limits.interrupt.is_raised() {
            return Ok(Some(WaitEnd::Interrupted));
        }
        let now = Instant::now();
        if limits.leave_at.is_some_and(|at| at <= now) {
            return Ok(Some(WaitEnd::Left));
        }
        let left = limits.deadline.saturating_duration_since(now);
        if left.is_zero() {
            return Err(LinkError::TimedOut(self.timeout));
        }
        let polled = poll_once(
            self.socket.as_fd(),
            flags,
            left.min(time).min(POLL_INTERVAL),
        );
        Ok(match polled.map_err(LinkError::Broken)? {
            PollEnd::Ready => Some(WaitEnd::Ready),
            PollEnd::Signal if limits.other_signals == OtherSignals::EndTheWait => {
                Some(WaitEnd::Left)
            }
            PollEnd::Signal | PollEnd::Timeout => None,
        })
    }

    /// Counts bytes of files and listings that came or went.
    pub(crate) fn count_carried(&mut self, bytes: u64) {
        self.carried = self.carried.saturating_add(bytes);
    }

    pub(crate) fn carried(&self) -> u64 {
        self.carried
    }

    /// Returns how long the server may take to answer, or a transfer to move a byte.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Takes leave of the server and waits at most two seconds for its goodbye, which is returned.
    pub(crate) fn quit(mut self, interrupt: &Interrupt) -> Option<ReplyLine> {
        self.send(&Command::Quit);
        let deadline = Instant::now() + self.timeout.min(Duration::from_secs(2));
        let goodbye = match self.receive(WaitLimits::until(deadline, interrupt)) {
            Ok(Received::Answered(answered)) => Some(*answered),
            _ => None,
        };
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
            // The connection ends whether this arrives or not.
            let _ = tls.write_tls(&mut self.socket);
        }
        goodbye
    }

    /// Reads what has arrived into the inbox and returns the number of bytes.
    fn read_lines(&mut self) -> Result<usize, LinkError> {
        let Self {
            socket,
            tls,
            ciphertext,
            scratch,
            inbox,
            ..
        } = self;
        let mut lane = AnyLane::over(socket, tls.as_deref_mut(), ciphertext);
        let mut taken = 0;
        loop {
            match lane.read(&mut scratch[..LINE_READ_BYTES]) {
                Ok(0) => return Err(LinkError::Lost),
                Ok(count) => {
                    inbox.push(&scratch[..count]);
                    taken += count;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(taken),
                Err(error) => return Err(link_error(error)),
            }
            if !lane.has_buffered_input() {
                return Ok(taken);
            }
        }
    }

    /// Runs the TLS handshake to its end and checks that the peer is a skiff server (ALPN).
    fn complete_handshake(&mut self, interrupt: &Interrupt) -> Result<(), LinkError> {
        if self.tls.is_none() {
            return Ok(());
        }
        let limits = WaitLimits::until(Instant::now() + self.timeout, interrupt);
        let mut first_words = FirstWords::default();
        while let Some(interest) = self.handshake_step(&mut first_words)? {
            if self.wait(interest, limits)? != WaitEnd::Ready {
                return Err(LinkError::Interrupted);
            }
        }
        match &self.tls {
            Some(tls) if !tls::speaks_skiff(tls) => Err(LinkError::OtherService(Service::OtherTls)),
            _ => Ok(()),
        }
    }

    /// Takes the handshake as far as possible and returns what it waits for; `None` when it is
    /// done.
    fn handshake_step(
        &mut self,
        first_words: &mut FirstWords,
    ) -> Result<Option<Interest>, LinkError> {
        let Some(tls) = &mut self.tls else {
            return Ok(None);
        };
        loop {
            while tls.wants_write() {
                match tls.write_tls(&mut self.socket) {
                    Ok(_) => {}
                    Err(error) if would_block(&error) => return Ok(Some(Interest::Write)),
                    Err(error) => return Err(link_error(error)),
                }
            }
            if !tls.is_handshaking() {
                return Ok(None);
            }
            if let Some(service) = first_words.look(&self.socket) {
                return Err(LinkError::OtherService(service));
            }
            match tls.read_tls(&mut self.socket) {
                Ok(0) => return Err(LinkError::Lost),
                Ok(_) => {}
                Err(error) if would_block(&error) => return Ok(Some(Interest::Read)),
                Err(error) => return Err(link_error(error)),
            }
            tls.process_new_packets().map_err(|error| match error {
                rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol) => {
                    LinkError::OtherService(Service::OtherTls)
                }
                error => LinkError::Tls(error),
            })?;
        }
    }
}

/// The most bytes read at once while waiting for lines; at least a TLS record.
const LINE_READ_BYTES: usize = 32 * 1024;

fn would_block(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}

/// Sorts an I/O error: the peer is gone, or the socket is broken.
fn link_error(error: io::Error) -> LinkError {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    match error.kind() {
        UnexpectedEof | ConnectionReset | BrokenPipe => LinkError::Lost,
        _ => LinkError::Broken(error),
    }
}
