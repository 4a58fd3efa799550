//! Turns SIGTERM, SIGINT and SIGHUP into readiness of a pipe that the signal handler writes to.

use std::io::{self, Read};
use std::os::fd::OwnedFd;

use mio::unix::pipe::{self, Receiver};
use mio::{Interest, Registry, Token};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Signal {
    Terminate,
    Reload,
}

/// A pipe for each meaning; a byte is a signal.
pub(crate) struct Signals<R> {
    terminate: R,
    reload: R,
}

impl Signals<Receiver> {
    pub(crate) fn register(registry: &Registry, token: Token) -> io::Result<Self> {
        Ok(Self {
            terminate: pipe_for(&[SIGTERM, SIGINT], registry, token)?,
            reload: pipe_for(&[SIGHUP], registry, token)?,
        })
    }

    /// Pipes that no signal writes to.
    #[cfg(feature = "simulation")]
    pub(crate) fn unreachable(registry: &Registry, token: Token) -> io::Result<Self> {
        Ok(Self {
            terminate: pipe_for(&[], registry, token)?,
            reload: pipe_for(&[], registry, token)?,
        })
    }
}

impl<R: Read> Signals<R> {
    /// The next signal that arrived; many of one meaning count as one.
    pub(crate) fn next(&mut self) -> Option<Signal> {
        if drained(&mut self.terminate) {
            return Some(Signal::Terminate);
        }
        drained(&mut self.reload).then_some(Signal::Reload)
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
