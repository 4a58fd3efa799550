//! The connection: one socket that never blocks, lines and bulk data both ways.

use std::io;
use std::net::{TcpStream, ToSocketAddrs};
use std::os::fd::AsFd;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use rustls::Connection;
use skiff_conf::{HostPort, Tls};
use skiff_sessions::aside::Aside;
use skiff_sessions::lane::Lane;
use skiff_sessions::scram::Binding;
use skiff_sessions::transfer::{Burst, File, Means, Transfer};
use skiff_sessions::wire::command::Command;
use skiff_sessions::wire::line::{Head, Inbox};
use skiff_sessions::wire::native::answers::{Answered, NotAReply};
use skiff_sessions::wire::native::commands;
use thiserror::Error;

use super::known_hosts::Fingerprint;
use super::lane::{AnyLane, write_all};
use super::tls;
use crate::terminal::interrupt::Interrupt;
use crate::terminal::poll::poll_once;

/// Plaintext, and ciphertext, that one chunk of bulk data has; in bytes.
const CHUNK: usize = 512 * 1024;

/// Bulk data between two looks at the person; in bytes.
const BUDGET: u64 = 4 * 1024 * 1024;

/// The longest wait between two looks at Ctrl-C.
const LOOK: Duration = Duration::from_millis(250);

#[derive(Debug, Error)]
pub(crate) enum LinkError {
    #[error("no such host: {0}")]
    Resolve(io::Error),
    #[error("no connection: {0}")]
    Connect(io::Error),
    #[error("TLS failed: {0}; where the listener is meant to be without TLS, say --tls off")]
    Tls(rustls::Error),
    #[error("something answers there, but not a skiff server (no ALPN skiff/1)")]
    NotSkiff,
    #[error("the server closed: {0}")]
    Closing(String),
    #[error("the connection was lost")]
    Lost,
    #[error("nobody there talks without TLS; leave --tls off away, and tls: Off in the settings")]
    NotInClear,
    #[error("the connection broke: {0}")]
    Broken(io::Error),
    #[error("no answer for {} s", .0.as_secs_f32())]
    TimedOut(Duration),
    #[error(transparent)]
    NotAReply(#[from] NotAReply),
    #[error("the server said {0}, which makes no sense here")]
    OutOfOrder(String),
    #[error("closed by a second Ctrl-C")]
    Interrupted,
}

/// What waiting for a line brought.
pub(crate) enum Heard {
    Answered(Box<Answered>),
    Interrupted,
}

/// What a socket is waited for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    Read,
    Write,
}

/// How a wait ended before its time was up.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waited {
    Ready,
    Interrupted,
}

pub(crate) struct Link {
    socket: TcpStream,
    tls: Option<Box<Connection>>,
    inbox: Inbox,
    outbox: Vec<u8>,
    /// Ciphertext off the socket; empty without TLS.
    cipher: Box<[u8]>,
    /// Plaintext of lines and of bulk data.
    scratch: Box<[u8]>,
    aside: Aside,
    timeout: Duration,
}

impl Link {
    /// Connects, and does the handshake where there is TLS.
    pub(crate) fn open(server: &HostPort, tls: Tls, timeout: Duration) -> Result<Self, LinkError> {
        let socket = connect(server, timeout)?;
        let broken = |error| LinkError::Broken(error);
        socket.set_nodelay(true).map_err(broken)?;
        socket.set_nonblocking(true).map_err(broken)?;
        let tls = match tls {
            Tls::On => Some(Box::new(
                tls::connection(&server.host).map_err(LinkError::Tls)?,
            )),
            Tls::Off => None,
        };
        let cipher = if tls.is_some() { CHUNK } else { 0 };
        let mut link = Self {
            socket,
            tls,
            inbox: Inbox::default(),
            outbox: Vec::new(),
            cipher: vec![0; cipher].into(),
            scratch: vec![0; CHUNK].into(),
            aside: Aside::WhenNeeded,
            timeout,
        };
        link.shake_hands()?;
        Ok(link)
    }

    /// Of the server's certificate; `None` without TLS.
    pub(crate) fn fingerprint(&self) -> Option<Fingerprint> {
        self.tls.as_deref().and_then(tls::fingerprint)
    }

    pub(crate) fn binding(&self) -> Result<Binding, LinkError> {
        self.tls
            .as_deref()
            .map_or(Ok(Binding::None), tls::binding)
            .map_err(LinkError::Tls)
    }

    /// Appends a line; it leaves with [`Link::flush`], or when an answer is waited for.
    pub(crate) fn send(&mut self, command: &Command) {
        commands::encode(command, &mut self.outbox);
    }

    /// Waits until all lines are with the kernel, or for Ctrl-C: then the rest
    /// leaves with the next call.
    pub(crate) fn flush(&mut self, interrupt: &Interrupt) -> Result<Waited, LinkError> {
        let mut until = self.deadline();
        loop {
            let mut sent = 0;
            let mut outbox = std::mem::take(&mut self.outbox);
            let result = write_all(&mut self.lane(), &outbox, &mut sent);
            outbox.drain(..sent);
            self.outbox = outbox;
            match result {
                Ok(()) => return Ok(Waited::Ready),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(lost(error)),
            }
            if sent > 0 {
                until = self.deadline();
            }
            if self.wait(Wanted::Write, until, Some(interrupt))? == Waited::Interrupted {
                return Ok(Waited::Interrupted);
            }
        }
    }

    /// The next line from the server, or Ctrl-C.
    pub(crate) fn next(&mut self, interrupt: &Interrupt) -> Result<Heard, LinkError> {
        let until = self.deadline();
        loop {
            match self.inbox.take() {
                Head::Line(range) => {
                    let answered = Answered::decode(self.inbox.slice(range))?;
                    return Ok(Heard::Answered(Box::new(answered)));
                }
                Head::Broken | Head::TooLong => return Err(NotAReply.into()),
                Head::Incomplete => {}
            }
            self.inbox.compact();
            if self.flush(interrupt)? == Waited::Interrupted {
                return Ok(Heard::Interrupted);
            }
            if self.take_in()? > 0 {
                continue;
            }
            if self.wait(Wanted::Read, until, Some(interrupt))? == Waited::Interrupted {
                return Ok(Heard::Interrupted);
            }
        }
    }

    /// Bytes already here, for a transfer that goes on reading.
    pub(crate) fn take_ahead(&mut self) -> Vec<u8> {
        self.inbox.drain()
    }

    /// Bytes that a transfer read and that are lines.
    pub(crate) fn put_back(&mut self, ahead: &[u8]) {
        self.inbox.push(ahead);
    }

    /// Lets a transfer work until it has to wait, or for its budget.
    pub(crate) fn burst(
        &mut self,
        transfer: &mut Transfer,
        file: &mut impl File,
        stop: &AtomicBool,
    ) -> Burst {
        let Self {
            socket,
            tls,
            cipher,
            scratch,
            aside,
            ..
        } = self;
        let mut lane = AnyLane::over(socket, tls.as_deref_mut(), cipher);
        transfer.burst(
            &mut lane,
            file,
            Means {
                scratch,
                budget: BUDGET,
                stop,
                aside,
                conduit: None,
            },
        )
    }

    /// The same for a digest, which needs no connection.
    pub(crate) fn burst_digest(
        &mut self,
        transfer: &mut Transfer,
        file: &mut impl File,
        stop: &AtomicBool,
    ) -> Burst {
        transfer.burst_digest(
            file,
            Means {
                scratch: &mut self.scratch,
                budget: BUDGET,
                stop,
                aside: &mut self.aside,
                conduit: None,
            },
        )
    }

    /// Waits for the socket until `until`; Ctrl-C ends the wait where it is looked at.
    pub(crate) fn wait(
        &self,
        wanted: Wanted,
        until: Instant,
        interrupt: Option<&Interrupt>,
    ) -> Result<Waited, LinkError> {
        let flags = match wanted {
            Wanted::Read => PollFlags::IN,
            Wanted::Write => PollFlags::OUT,
        };
        loop {
            if interrupt.is_some_and(Interrupt::is_raised) {
                return Ok(Waited::Interrupted);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(LinkError::TimedOut(self.timeout));
            }
            if poll_once(self.socket.as_fd(), flags, left.min(LOOK)).map_err(LinkError::Broken)? {
                return Ok(Waited::Ready);
            }
        }
    }

    /// When an answer, or a byte, is too late.
    pub(crate) fn deadline(&self) -> Instant {
        Instant::now() + self.timeout
    }

    /// Says 220, and does not wait long for 221.
    pub(crate) fn leave(mut self) -> Option<Answered> {
        self.send(&Command::Quit);
        self.timeout = self.timeout.min(Duration::from_secs(2));
        let goodbye = match self.next(&Interrupt::default()) {
            Ok(Heard::Answered(answered)) => Some(*answered),
            _ => None,
        };
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
            // Nobody minds any more whether it arrives.
            let _ = tls.write_tls(&mut self.socket);
        }
        goodbye
    }

    /// Reads what is there; how many bytes of lines that were.
    fn take_in(&mut self) -> Result<usize, LinkError> {
        let Self {
            socket,
            tls,
            cipher,
            scratch,
            inbox,
            ..
        } = self;
        let mut lane = AnyLane::over(socket, tls.as_deref_mut(), cipher);
        let mut taken = 0;
        loop {
            match lane.read(&mut scratch[..LINES]) {
                Ok(0) => return Err(LinkError::Lost),
                Ok(count) => {
                    inbox.push(&scratch[..count]);
                    taken += count;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(taken),
                Err(error) => return Err(lost(error)),
            }
            if !lane.holds_input() {
                return Ok(taken);
            }
        }
    }

    fn lane(&mut self) -> AnyLane<'_> {
        AnyLane::over(&mut self.socket, self.tls.as_deref_mut(), &mut self.cipher)
    }

    fn shake_hands(&mut self) -> Result<(), LinkError> {
        let until = self.deadline();
        while let Some(wanted) = self.handshake_step()? {
            self.wait(wanted, until, None)?;
        }
        match &self.tls {
            Some(tls) if !tls::speaks_skiff(tls) => Err(LinkError::NotSkiff),
            _ => Ok(()),
        }
    }

    /// What the handshake waits for; `None` when it is done.
    fn handshake_step(&mut self) -> Result<Option<Wanted>, LinkError> {
        let Some(tls) = &mut self.tls else {
            return Ok(None);
        };
        loop {
            while tls.wants_write() {
                match tls.write_tls(&mut self.socket) {
                    Ok(_) => {}
                    Err(error) if would_block(&error) => return Ok(Some(Wanted::Write)),
                    Err(error) => return Err(lost(error)),
                }
            }
            if !tls.is_handshaking() {
                return Ok(None);
            }
            match tls.read_tls(&mut self.socket) {
                Ok(0) => return Err(LinkError::Lost),
                Ok(_) => {}
                Err(error) if would_block(&error) => return Ok(Some(Wanted::Read)),
                Err(error) => return Err(lost(error)),
            }
            tls.process_new_packets().map_err(LinkError::Tls)?;
        }
    }
}

/// Read at once when lines are waited for; at least a TLS record.
const LINES: usize = 32 * 1024;

/// Tries each address of the name.
fn connect(server: &HostPort, timeout: Duration) -> Result<TcpStream, LinkError> {
    let addresses = (server.host.as_str(), server.port)
        .to_socket_addrs()
        .map_err(LinkError::Resolve)?;
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in addresses {
        match TcpStream::connect_timeout(&address, timeout) {
            Ok(socket) => return Ok(socket),
            Err(error) => failure = error,
        }
    }
    Err(LinkError::Connect(failure))
}

fn would_block(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}

fn lost(error: io::Error) -> LinkError {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    match error.kind() {
        UnexpectedEof | ConnectionReset | BrokenPipe => LinkError::Lost,
        _ => LinkError::Broken(error),
    }
}
