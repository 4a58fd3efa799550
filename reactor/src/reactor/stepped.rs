//! The reactor without its loop, for the simulation: one turn at a time, at a time that its owner
//! says.

use std::io;
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token};

use super::{Phase, Reactor, Succession};
use crate::event_loop::listener::Listener;
use crate::event_loop::shared::Shared;
use crate::event_loop::signals::Signals;

impl Reactor {
    /// A reactor that no signal reaches.
    pub(crate) fn stepped(
        poll: Poll,
        signals: Token,
        listeners: Vec<Listener>,
        shared: Shared,
    ) -> io::Result<Self> {
        let signals = Signals::unreachable(poll.registry(), signals)?;
        let alone = Succession::default();
        Self::new(poll, signals, None, None, listeners, shared, alone)
    }

    /// Handles what is ready and due at `now`; gives whether anything was ready.
    pub(crate) fn turn_once(&mut self, events: &mut Events, now: Instant) -> io::Result<bool> {
        self.poll.poll(events, Some(Duration::ZERO))?;
        self.turn(events, now);
        Ok(!events.is_empty())
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.len()
    }

    pub(crate) fn begin_drain(&mut self, now: Instant) {
        self.drain(self.shared.admission.drain(), now);
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.phase == Phase::Stopped
    }
}
