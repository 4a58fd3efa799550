//! The loop: readiness, completions, deadlines. One thread, and nothing in it
//! that blocks but the poll.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::event::Event as Readiness;
use mio::net::TcpStream;
use mio::unix::pipe::Receiver;
use mio::{Events, Poll, Token};
use skiff_sessions::server::Event;
use skiff_sessions::wire::reply::Farewell;
use slab::Slab;

use crate::connection::{Connection, Ready};
use crate::event_loop::listener::{Listener, Speech};
use crate::event_loop::shared::Hub;
use crate::event_loop::signals::{Signal, Signals};
use crate::event_loop::timer_fd::Alarm;
use crate::transport::ids::{ConnectionId, Generations, Socket};
use crate::workers::schedule::{Class, Ticket};
use crate::workers::work_item::{Errand, Outcome};

/// The pool has something.
pub(crate) const WAKE: Token = Token(0);
pub(crate) const SIGNALS: Token = Token(1);
const ALARM: Token = Token(2);
/// Listeners follow from here.
const LISTENERS: usize = 3;

/// Transfers may finish for this long after SIGTERM, then they are checkpointed.
const DRAIN: Duration = Duration::from_secs(10);
/// Between two calls to stop.
const STOP_AGAIN: Duration = Duration::from_millis(500);
/// And this long until what still runs is left behind.
const DRAIN_AT_MOST: Duration = Duration::from_secs(15);
const SWEEP_EVERY: Duration = Duration::from_secs(60 * 60);

pub(crate) struct Reactor {
    poll: Poll,
    alarm: Alarm,
    signals: Signals<Receiver>,
    listeners: Vec<Listener>,
    connections: Slab<Connection>,
    generations: Generations,
    hub: Hub,
    life: Life,
    next_sweep: Instant,
}

/// Whether new peers are let in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Life {
    Serving,
    /// Since then.
    Draining(Instant),
    /// Draining since then; what runs is told to stop again at that time, for
    /// a job may have begun something meanwhile.
    Stopping(Instant, Instant),
    Over,
}

impl Reactor {
    pub(crate) fn new(
        poll: Poll,
        signals: Signals<Receiver>,
        mut listeners: Vec<Listener>,
        hub: Hub,
    ) -> io::Result<Self> {
        for (index, listener) in listeners.iter_mut().enumerate() {
            listener.register(poll.registry(), Token(LISTENERS + index))?;
        }
        let alarm = Alarm::register(poll.registry(), ALARM)?;
        Ok(Self {
            poll,
            alarm,
            signals,
            listeners,
            connections: Slab::new(),
            generations: Generations::default(),
            hub,
            life: Life::Serving,
            next_sweep: Instant::now() + SWEEP_EVERY,
        })
    }

    /// Serves until a signal ends it; the hub comes back for the last steps.
    pub(crate) fn run(mut self) -> io::Result<Hub> {
        let mut events = Events::with_capacity(1024);
        while self.life != Life::Over {
            let timeout = self.timeout(Instant::now());
            match self.poll.poll(&mut events, timeout) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            }
            self.turn(&events, Instant::now());
        }
        Ok(self.hub)
    }

    fn turn(&mut self, events: &Events, now: Instant) {
        self.hub.hand.begin_turn();
        for event in events {
            self.on_readiness(event, now);
        }
        // Not before all others are heard: an ABOR that is here counts.
        if events.iter().any(|event| event.token() == WAKE) {
            self.take_home(now);
        }
        for id in std::mem::take(&mut self.hub.again) {
            self.with(id, |connection, hub| {
                connection.on_ready(Ready::default(), hub, now);
            });
        }
        for id in std::mem::take(&mut self.hub.evicted) {
            self.with(id, |connection, hub| {
                connection.on_event(Event::Evicted, hub, now);
            });
        }
        while let Some((due, id)) = self.hub.deadlines.pop(now) {
            self.with(id, |connection, hub| connection.on_due(due, hub, now));
        }
        self.hub.retry_due(now);
        self.accept(now);
        self.age(now);
    }

    fn take_home(&mut self, now: Instant) {
        self.hub.pool.attend();
        while let Some(outcome) = self.hub.pool.take() {
            self.on_outcome(outcome, now);
        }
    }

    fn timeout(&mut self, now: Instant) -> Option<Duration> {
        if !self.hub.again.is_empty() || !self.hub.evicted.is_empty() {
            return Some(Duration::ZERO);
        }
        let listeners = self
            .listeners
            .iter()
            .filter_map(|listener| listener.due(now));
        let life = match self.life {
            Life::Serving => None,
            Life::Draining(since) => Some(since + DRAIN),
            Life::Stopping(since, again) => Some(again.min(since + DRAIN_AT_MOST)),
            Life::Over => Some(now),
        };
        let others = [
            self.hub.deadlines.next(),
            self.hub.next_retry(),
            life,
            Some(self.next_sweep),
        ];
        let next = listeners.chain(others.into_iter().flatten()).min()?;
        self.alarm.ring_by(next, now)
    }

    fn on_readiness(&mut self, event: &Readiness, now: Instant) {
        match event.token() {
            WAKE | ALARM => {}
            SIGNALS => self.on_signals(now),
            token => match ConnectionId::from_token(token) {
                Some((id, socket)) => {
                    let readable =
                        event.is_readable() || event.is_read_closed() || event.is_error();
                    let ready = Ready {
                        readable,
                        writable: event.is_writable(),
                        ended: event.is_read_closed() || event.is_error(),
                    };
                    self.with(id, |connection, hub| match socket {
                        Socket::Control => connection.on_ready(ready, hub, now),
                        Socket::Data => connection.on_data_ready(ready, hub, now),
                    });
                }
                None => {
                    if let Some(listener) = self.listeners.get_mut(token.0 - LISTENERS) {
                        listener.knock();
                    }
                }
            },
        }
    }

    fn on_outcome(&mut self, outcome: Outcome, now: Instant) {
        match outcome {
            Outcome::Quiet => {}
            Outcome::Reloaded(fresh) => self.hub.take_up(fresh),
            Outcome::Handshake {
                connection,
                socket,
                channel,
                result,
            } => {
                self.with(connection, |connection, hub| match socket {
                    Socket::Control => connection.handshake_home(channel, result, hub, now),
                    Socket::Data => connection.data_handshake_home(channel, result, hub, now),
                });
            }
            Outcome::Burst {
                connection,
                lent,
                burst,
            } => {
                self.with(connection, |connection, hub| {
                    connection.lent_home(*lent, burst, hub, now);
                });
            }
            Outcome::Job {
                connection,
                id,
                performed,
            } => {
                if self.find(connection).is_some() {
                    self.with(connection, |connection, hub| {
                        connection.performed(id, *performed, hub, now);
                    });
                } else {
                    self.nobody_waits(*performed);
                }
            }
        }
    }

    /// The session is gone; the file it opened is closed where that may block.
    fn nobody_waits(&mut self, performed: crate::workers::jobs::Performed) {
        let file = match performed {
            crate::workers::jobs::Performed::Done { file, .. } => file,
            crate::workers::jobs::Performed::Later { order, .. } => order.file,
        };
        if let Some(file) = file {
            let ticket = Ticket {
                class: Class::Short,
                device: None,
            };
            self.hub.pool.submit(ticket, Errand::PutAway(file));
        }
    }

    fn find(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        let connection = self.connections.get_mut(id.index as usize)?;
        (connection.id == id).then_some(connection)
    }

    /// Stale ids find nobody. A connection that is over afterwards is forgotten.
    fn with(&mut self, id: ConnectionId, act: impl FnOnce(&mut Connection, &mut Hub)) {
        let index = id.index as usize;
        let Some(connection) = self
            .connections
            .get_mut(index)
            .filter(|found| found.id == id)
        else {
            return;
        };
        act(connection, &mut self.hub);
        if connection.is_over() {
            self.connections.remove(index).leave(&mut self.hub);
            self.listeners.iter_mut().for_each(Listener::unstick);
        }
    }

    fn accept(&mut self, now: Instant) {
        for index in 0..self.listeners.len() {
            let speech = self.listeners[index].speech;
            for (socket, peer) in self.listeners[index].accept(now) {
                self.let_in(socket, peer, speech, now);
            }
        }
    }

    fn let_in(&mut self, socket: TcpStream, peer: SocketAddr, speech: Speech, now: Instant) {
        if let Err(why) = self.hub.guard.enter(peer.ip(), now) {
            log::info!("{peer} is not let in: {why:?}");
            return;
        }
        let entry = self.connections.vacant_entry();
        let id = ConnectionId {
            index: entry.key() as u32,
            generation: self.generations.next(),
        };
        match Connection::new(id, peer, socket, speech, &mut self.hub, now) {
            Ok(connection) => {
                entry.insert(connection);
            }
            Err(error) => {
                log::warn!("{peer} cannot be served: {error}");
                self.hub.guard.leave(peer.ip(), None);
            }
        }
    }

    fn on_signals(&mut self, now: Instant) {
        while let Some(signal) = self.signals.next() {
            match (signal, self.life) {
                (Signal::Reload, Life::Serving) => self.hub.reload(),
                (Signal::Terminate, Life::Serving) => self.drain(now),
                (Signal::Terminate, Life::Draining(since)) => self.stop_transfers(since, now),
                _ => {}
            }
        }
    }

    /// Nobody new; sessions leave once their dialogue is over.
    fn drain(&mut self, now: Instant) {
        log::info!(
            "stopping: {} sessions are asked to leave",
            self.connections.len()
        );
        crate::event_loop::sd_notify::stopping();
        self.listeners.clear();
        self.life = Life::Draining(now);
        self.tell_all(&|| Event::Leave(Farewell::ShuttingDown), now);
    }

    fn stop_transfers(&mut self, since: Instant, now: Instant) {
        self.life = Life::Stopping(since, now + STOP_AGAIN);
        self.tell_all(&|| Event::Stop, now);
    }

    fn tell_all(&mut self, event: &dyn Fn() -> Event, now: Instant) {
        let ids: Vec<_> = self
            .connections
            .iter()
            .map(|(_, connection)| connection.id)
            .collect();
        for id in ids {
            self.with(id, |connection, hub| connection.on_event(event(), hub, now));
        }
    }

    fn age(&mut self, now: Instant) {
        if now >= self.next_sweep {
            self.next_sweep = now + SWEEP_EVERY;
            self.hub.sweep();
        }
        match self.life {
            Life::Serving | Life::Over => return,
            Life::Draining(since) if now >= since + DRAIN => self.stop_transfers(since, now),
            Life::Stopping(since, _) if now >= since + DRAIN_AT_MOST => {
                log::warn!("{} sessions are left behind", self.connections.len());
                self.life = Life::Over;
                return;
            }
            Life::Stopping(since, again) if now >= again => self.stop_transfers(since, now),
            Life::Draining(_) | Life::Stopping(..) => {}
        }
        if self.connections.is_empty() && self.hub.pool.is_idle() {
            self.life = Life::Over;
        }
    }
}

/// Keeps the pool's waker where the poll is made.
pub(crate) fn waker(poll: &Poll) -> io::Result<Arc<mio::Waker>> {
    mio::Waker::new(poll.registry(), WAKE).map(Arc::new)
}
