//! The start of a process that replaces a running daemon (`skiffd upgrade`), with what that one hands
//! over. Until this process has started wholly, the other goes on as before.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;

use rustix::net::listen;
use rustix::process::{Uid, setsid};
use rustix::stdio::dup2_stderr;
use skiff_conf::{MetricsAddress, Server};

use super::{StartError, system_error};
use crate::accesslog::is_journal;
use crate::accounts::lock::FolderLocks;
use crate::control::answer::Handed;
use crate::control::client::ControlError;
use crate::control::predecessor::{Predecessor, Process};
use crate::endpoints::inherited::Inherited;
use crate::event_loop::sd_notify;
use crate::metrics::listener::Listener as MetricsListener;

/// Control clients that may wait to be accepted (listen(2)).
const CONTROL_BACKLOG: i32 = 128;

/// What the process before has handed over.
pub(super) struct Inheritance {
    predecessor: Predecessor,
    listeners: Vec<(SocketAddr, TcpListener)>,
    metrics: Option<(String, OwnedFd)>,
    control: Option<UnixListener>,
    state_lock: OwnedFd,
    homes_lock: Option<OwnedFd>,
}

/// Why a process does not take the place of the daemon.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReplaceError {
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Control(#[from] ControlError),
    #[error("what was handed over is of no use: {0}")]
    Handed(io::Error),
    #[error("the lock of the state folder was not handed over")]
    NoLock,
    #[error(
        "the daemon runs as user {before} and its successor would run as user {own}; call this as \
         that user, or restart the daemon"
    )]
    OtherUser { before: u32, own: u32 },
}

impl Inheritance {
    /// Receives it from the daemon of these settings, whose standard error and service manager become
    /// those of this process. `user` is the one that this process will be: two daemons of different
    /// users would make files that the other may not use, and root must not get into the place of a
    /// user by mistake.
    pub(super) fn receive(config: &Server, user: Uid) -> Result<Self, ReplaceError> {
        let mut predecessor = Predecessor::find(&config.state)?;
        if predecessor.user != user {
            return Err(ReplaceError::OtherUser {
                before: predecessor.user.as_raw(),
                own: user.as_raw(),
            });
        }
        let mut handed = predecessor.hand_over()?;
        let lock = handed
            .iter()
            .position(|(what, _)| *what == Handed::StateLock);
        let (_, state_lock) = handed.remove(lock.ok_or(ReplaceError::NoLock)?);
        let mut own = Self {
            predecessor,
            listeners: Vec::new(),
            metrics: None,
            control: None,
            state_lock,
            homes_lock: None,
        };
        for (what, descriptor) in handed {
            own.sort_in(what, descriptor)
                .map_err(ReplaceError::Handed)?;
        }
        Ok(own)
    }

    fn sort_in(&mut self, what: Handed, descriptor: OwnedFd) -> io::Result<()> {
        match what {
            Handed::Listener { address } => self.listeners.push((address, descriptor.into())),
            Handed::Metrics { address } => self.metrics = Some((address, descriptor)),
            Handed::Control => self.control = Some(descriptor.into()),
            Handed::StateLock => self.state_lock = descriptor,
            Handed::HomesLock => self.homes_lock = Some(descriptor),
            // The journal knows each unit's own stream.
            Handed::Errors if is_journal() => {}
            Handed::Errors => dup2_stderr(descriptor)?,
            Handed::ServiceManager => sd_notify::adopt(descriptor),
        }
        Ok(())
    }

    pub(super) fn take_listeners(&mut self) -> Inherited {
        Inherited::from_process(std::mem::take(&mut self.listeners))
    }

    /// The socket of metrics, if the settings name its address still.
    pub(super) fn take_metrics(
        &mut self,
        wanted: &MetricsAddress,
    ) -> Option<io::Result<MetricsListener>> {
        let (_, socket) = self
            .metrics
            .take_if(|(its, _)| *its == wanted.to_string())?;
        Some(MetricsListener::take_over(wanted, socket))
    }

    /// Another descriptor of the control socket.
    pub(super) fn control(&self) -> Result<Option<UnixListener>, StartError> {
        let control = self.control.as_ref().map(UnixListener::try_clone);
        control.transpose().map_err(system_error("descriptor"))
    }

    pub(super) fn take_locks(&mut self, config: &Server) -> Result<FolderLocks, StartError> {
        let state = self.state_lock.try_clone();
        let state = state.map_err(system_error("descriptor"))?;
        let homes = self.homes_lock.take();
        Ok(FolderLocks::take_over(state, homes, &config.homes)?)
    }

    pub(super) fn process(&self) -> Result<Process, StartError> {
        let process = self.predecessor.process();
        process.map_err(system_error("descriptor"))
    }

    /// Has the process before leave new sessions to this one; returns what it says.
    pub(super) fn give_way(mut self, seconds: Option<u32>) -> Result<String, ReplaceError> {
        let said = self.predecessor.give_way(seconds)?;
        // Who connects is told the credentials of the process that has listened last (SO_PEERCRED,
        // unix(7)).
        if let Some(Err(error)) = self.control.map(|control| listen(control, CONTROL_BACKLOG)) {
            log::warn!("the control socket is taken for that of the process before: {error}");
        }
        Ok(said.unwrap_or_else(|| "the process before has ended meanwhile".to_owned()))
    }
}

/// Leaves the terminal of whoever asks for the upgrade: it may end, the daemon stays.
pub(super) fn leave_terminal() {
    if let Err(error) = setsid() {
        log::debug!("the daemon stays in the session of its terminal: {error}");
    }
}
