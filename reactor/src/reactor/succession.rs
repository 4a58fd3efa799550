//! One process takes the place of another (`skiffd upgrade`): the old one hands over its sockets and
//! locks, leaves new sessions to the new one, and its homes, one after the other, as their sessions
//! end.
//!
//! A home is never open in two processes: its lock goes with it (flock(2)), and so does what the
//! ledger says, which stands in the state folder while a home is closed. So the promises about
//! quotas and writers hold on both sides. A home whose file system has no locks is opened once the
//! old process has ended.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};

use super::{Phase, Reactor};
use crate::accounts::lock::FolderLocks;
use crate::control::answer::Handed;
use crate::control::command::Answer;
use crate::control::predecessor::Process;
use crate::control::server::ControlSocket;
use crate::endpoints::StartedAs;
use crate::event_loop::sd_notify;

/// Time between two looks for homes that another process may have.
const LEAVE_HOMES_EVERY: Duration = Duration::from_millis(100);

/// What the reactor knows of the processes before and after its own.
#[derive(Default)]
pub(crate) struct Succession {
    /// `None` where nothing is locked, as in simulations.
    locks: Option<Arc<FolderLocks>>,
    /// The process before, while it finishes its sessions.
    predecessor: Option<Process>,
    /// When homes are to be closed next that no session uses; `None` while there is no process
    /// after.
    leave_homes_at: Option<Instant>,
}

impl Succession {
    pub(crate) fn new(locks: Arc<FolderLocks>, predecessor: Option<Process>) -> Self {
        Self {
            locks: Some(locks),
            predecessor,
            leave_homes_at: None,
        }
    }

    /// Whether another process has homes open still.
    pub(crate) fn has_predecessor(&self) -> bool {
        self.predecessor.is_some()
    }

    pub(super) fn register(&self, registry: &Registry, token: Token) -> io::Result<()> {
        let Some(predecessor) = &self.predecessor else {
            return Ok(());
        };
        let fd = predecessor.as_fd().as_raw_fd();
        registry.register(&mut SourceFd(&fd), token, Interest::READABLE)
    }

    pub(super) fn due(&self) -> Option<Instant> {
        self.leave_homes_at
    }
}

impl Reactor {
    /// Hands over sockets and locks; nothing changes here.
    pub(super) fn hand_over(&self, answer: Answer) {
        if let Err(why) = self.may_give_way() {
            answer.fail(why);
            return answer.done();
        }
        match self.heritage() {
            Ok(all) => {
                let _ = all.into_iter().all(|(what, fd)| answer.hand(what, fd));
            }
            Err(error) => {
                answer.fail(format!("not all can be handed over: {error}"));
            }
        }
        answer.done();
    }

    /// Leaves new sessions to `process`, which has been handed what it needs and waits for this.
    pub(super) fn give_way(
        &mut self,
        process: u32,
        seconds: Option<u32>,
        answer: Answer,
        now: Instant,
    ) {
        if let Err(why) = self.may_give_way() {
            answer.fail(why);
            return answer.done();
        }
        let usual = self.shared.admission.drain();
        let at_most = seconds.map_or(usual, |seconds| Duration::from_secs(seconds.into()));
        let (own, sessions) = (std::process::id(), self.connections.len());
        let seconds = at_most.as_secs();
        let said = format!(
            "process {own} lets its {sessions} sessions finish their transfers for {seconds} s"
        );
        if !answer.say(said.clone()) {
            return log::warn!("process {process} was to take over and is gone: {own} serves on");
        }
        log::info!("process {process} serves from now on; {said}");
        sd_notify::give_way(process);
        let registry = self.poll.registry();
        if let Some(control) = &mut self.control {
            control.give_away(registry);
        }
        if let Some(metrics) = self.metrics.take() {
            metrics.close(registry);
        }
        self.drain(at_most, now);
        if let Some(hooks) = &self.shared.services.hooks {
            hooks.give_way();
        }
        self.succession.leave_homes_at = Some(now);
        answer.done();
    }

    /// Why another process cannot take over now.
    fn may_give_way(&self) -> Result<(), String> {
        let started_as = self.shared.services.started_as;
        match (self.phase, &self.succession.predecessor, started_as) {
            (Phase::Draining(_) | Phase::Stopping(..) | Phase::Stopped, ..) => {
                Err("the daemon is stopping already".to_owned())
            }
            // It may have homes open that have no locks.
            (Phase::Serving, Some(before), _) => Err(format!(
                "process {}, which was replaced, has not finished its sessions; try again then",
                before.number.as_raw_nonzero()
            )),
            (Phase::Serving, None, StartedAs::Demo | StartedAs::DetachedDemo) => {
                Err("a demo is not replaced; end it, and start it anew".to_owned())
            }
            (Phase::Serving, None, StartedAs::Server) => Ok(()),
        }
    }

    fn heritage(&self) -> io::Result<Vec<(Handed, OwnedFd)>> {
        let locks = self.succession.locks.as_ref();
        let locks = locks.ok_or_else(|| io::Error::other("nothing is locked"))?;
        let (state, homes) = locks.descriptors()?;
        let mut all = vec![(Handed::StateLock, state)];
        all.extend(homes.map(|homes| (Handed::HomesLock, homes)));
        for listener in &self.listeners {
            let address = listener.named;
            all.push((Handed::Listener { address }, listener.descriptor()?));
        }
        if let Some(metrics) = &self.metrics {
            let address = metrics.named.to_string();
            all.push((Handed::Metrics { address }, metrics.descriptor()?));
        }
        let control = self.control.as_ref().and_then(ControlSocket::descriptor);
        if let Some(control) = control {
            all.push((Handed::Control, control?));
        }
        let errors = io::stderr().as_fd().try_clone_to_owned()?;
        all.push((Handed::Errors, errors));
        if let Some(manager) = sd_notify::descriptor() {
            all.push((Handed::ServiceManager, manager?));
        }
        Ok(all)
    }

    /// Has homes closed that no session uses any more, so that the process after can open them.
    pub(super) fn leave_homes(&mut self, now: Instant) {
        if self.succession.leave_homes_at.is_some_and(|at| at <= now) {
            self.succession.leave_homes_at = Some(now + LEAVE_HOMES_EVERY);
            self.shared.close_idle(Duration::ZERO);
        }
    }

    /// The process before has closed all homes.
    pub(super) fn predecessor_ended(&mut self) {
        let Some(before) = self.succession.predecessor.take() else {
            return;
        };
        let fd = before.as_fd().as_raw_fd();
        let _ = self.poll.registry().deregister(&mut SourceFd(&fd));
        self.shared.services.homes.end_handover();
        if let Some(hooks) = &self.shared.services.hooks {
            hooks.predecessor_ended();
        }
        let number = before.number.as_raw_nonzero();
        log::info!("process {number}, which was replaced, has ended");
    }
}
