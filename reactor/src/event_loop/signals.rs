//! Turns signals into readiness of pipes that the signal handler writes to: SIGTERM and SIGINT, SIGHUP,
//! SIGUSR1, and those that would end a process that does not handle them, though they mean nothing
//! here (signal(7)).

use std::io::{self, Read};
use std::os::fd::OwnedFd;

use mio::unix::pipe::{self, Receiver};
use mio::{Interest, Registry, Token};
use signal_hook::consts::{SIGALRM, SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Signal {
    Terminate,
    Hangup,
    /// To open the logs again, as nginx does at this signal.
    ReopenLogs,
    Meaningless,
}

/// A pipe for each meaning; a byte is a signal.
pub(crate) struct Signals<R> {
    terminate: R,
    hangup: R,
    reopen_logs: R,
    meaningless: R,
}

impl Signals<Receiver> {
    pub(crate) fn register(registry: &Registry, token: Token) -> io::Result<Self> {
        Ok(Self {
            terminate: pipe_for(&[SIGTERM, SIGINT], registry, token)?,
            hangup: pipe_for(&[SIGHUP], registry, token)?,
            reopen_logs: pipe_for(&[SIGUSR1], registry, token)?,
            meaningless: pipe_for(&[SIGUSR2, SIGALRM], registry, token)?,
        })
    }

    /// Pipes that no signal writes to.
    #[cfg(feature = "simulation")]
    pub(crate) fn unreachable(registry: &Registry, token: Token) -> io::Result<Self> {
        Ok(Self {
            terminate: pipe_for(&[], registry, token)?,
            hangup: pipe_for(&[], registry, token)?,
            reopen_logs: pipe_for(&[], registry, token)?,
            meaningless: pipe_for(&[], registry, token)?,
        })
    }
}

impl<R: Read> Signals<R> {
    /// The next signal that arrived; many of one meaning count as one.
    pub(crate) fn next(&mut self) -> Option<Signal> {
        let pipes = [
            (&mut self.terminate, Signal::Terminate),
            (&mut self.hangup, Signal::Hangup),
            (&mut self.reopen_logs, Signal::ReopenLogs),
            (&mut self.meaningless, Signal::Meaningless),
        ];
        let mut came = pipes.into_iter();
        came.find_map(|(pipe, signal)| drained(pipe).then_some(signal))
    }
}

fn pipe_for(signals: &[i32], registry: &Registry, token: Token) -> io::Result<Receiver> {
    let (sender, mut receiver) = pipe::new()?;
    registry.register(&mut receiver, token, Interest::READABLE)?;
    let sender = OwnedFd::from(sender);
    for signal in signals {
        signal_hook::low_level::pipe::register(*signal, sender.try_clone()?)?;
    }
    Ok(receiver)
}

fn drained(pipe: &mut impl Read) -> bool {
    let mut bytes = [0; 64];
    let mut came = false;
    while matches!(pipe.read(&mut bytes), Ok(count) if count > 0) {
        came = true;
    }
    came
}
