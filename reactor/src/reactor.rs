//! The event loop: dispatches readiness, outcomes of workers, deadlines and signals to the
//! connections. It is one thread, and only the poll in it blocks.

mod arrivals;
mod metrics;
mod operator;
#[cfg(feature = "simulation")]
mod stepped;
pub(crate) mod succession;

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::event::Event as Readiness;
use mio::unix::SourceFd;
use mio::unix::pipe::Receiver;
use mio::{Events, Interest, Poll, Token};
use skiff_sessions::server::Event;
use skiff_sessions::wire::reply::{CloseReason, Refusal};
use slab::Slab;

use crate::accounts::verdict::AccountsNow;
use crate::accounts::watch::StoreWatch;
use crate::connection::{Connection, Ready};
use crate::control::server::ControlSocket;
use crate::endpoints::StartedAs;
use crate::event_loop::listener::Listener;
use crate::event_loop::proxied::{Proxied, WAITING_MAX};
use crate::event_loop::shared::Shared;
use crate::event_loop::signals::{Signal, Signals};
use crate::event_loop::timer_fd::TimerFd;
use crate::metrics::server::{CLIENTS_MAX, MetricsServer};
use crate::reactor::succession::Succession;
use crate::transport::ids::{ConnectionId, Generations, Socket};
use crate::workers::schedule::{Class, WorkKind};
use crate::workers::work_item::{Outcome, WorkItem};

/// Outcomes of workers can be taken.
pub(crate) const WAKE: Token = Token(0);
pub(crate) const SIGNALS: Token = Token(1);
const TIMER: Token = Token(2);
const CONTROL: Token = Token(3);
/// The folder of the user store has changed.
const ACCOUNTS: Token = Token(4);
const METRICS: Token = Token(5);
/// The process before has ended.
const PREDECESSOR: Token = Token(6);
/// The token of the first client of metrics; the others follow.
const METRICS_CLIENTS: usize = 7;
/// The token of the first connection of a proxy; the others follow.
const PROXIED: usize = METRICS_CLIENTS + CLIENTS_MAX;
/// The token of the first listener; the others follow.
const LISTENERS: usize = PROXIED + WAITING_MAX;

/// Time between two requests to stop what still runs.
const STOP_AGAIN: Duration = Duration::from_millis(500);
/// How long after transfers are stopped the daemon leaves what still runs behind.
const STOP_AT_MOST: Duration = Duration::from_secs(5);
const SWEEP_EVERY: Duration = Duration::from_secs(60 * 60);
const LOOK_AT_CERTIFICATE_EVERY: Duration = Duration::from_secs(24 * 60 * 60);

pub(crate) struct Reactor {
    poll: Poll,
    timer: TimerFd,
    signals: Signals<Receiver>,
    /// `None` where the system gives no control socket.
    control: Option<ControlSocket>,
    /// `None` where the settings name no address for it.
    metrics: Option<Box<MetricsServer>>,
    listeners: Vec<Listener>,
    proxied: Proxied,
    connections: Slab<Connection>,
    generations: Generations,
    shared: Shared,
    succession: Succession,
    phase: Phase,
    started: Instant,
    next_sweep: Instant,
    next_certificate_look: Instant,
}

/// The daemon's phase between start and end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Serving,
    /// Until that time transfers go on; no new connections.
    Draining(Instant),
    /// Until the first time; whatever runs is told to stop again at the second, because a job may
    /// have begun something meanwhile.
    Stopping(Instant, Instant),
    Stopped,
}

impl Reactor {
    pub(crate) fn new(
        poll: Poll,
        signals: Signals<Receiver>,
        control: Option<ControlSocket>,
        mut metrics: Option<Box<MetricsServer>>,
        mut listeners: Vec<Listener>,
        mut shared: Shared,
        succession: Succession,
    ) -> io::Result<Self> {
        shared.addresses = listeners.iter().map(|listener| listener.address).collect();
        for (index, listener) in listeners.iter_mut().enumerate() {
            listener.register(poll.registry(), Token(LISTENERS + index))?;
        }
        if let Some(control) = &control {
            control.register(poll.registry(), CONTROL)?;
        }
        if let Some(metrics) = &mut metrics {
            metrics.register(poll.registry(), METRICS, METRICS_CLIENTS)?;
        }
        if let Some(watch) = &shared.services.watch {
            let fd = watch.as_fd().as_raw_fd();
            poll.registry()
                .register(&mut SourceFd(&fd), ACCOUNTS, Interest::READABLE)?;
        }
        succession.register(poll.registry(), PREDECESSOR)?;
        let timer = TimerFd::register(poll.registry(), TIMER)?;
        Ok(Self {
            poll,
            timer,
            signals,
            control,
            metrics,
            listeners,
            proxied: Proxied::default(),
            connections: Slab::new(),
            generations: Generations::default(),
            shared,
            succession,
            phase: Phase::Serving,
            started: Instant::now(),
            next_sweep: Instant::now() + SWEEP_EVERY,
            // The first one is at the start.
            next_certificate_look: Instant::now(),
        })
    }

    /// Serves until a signal ends it; returns what is shared, for the last steps.
    pub(crate) fn run(mut self) -> io::Result<Shared> {
        let mut events = Events::with_capacity(1024);
        while self.phase != Phase::Stopped {
            let timeout = self.timeout(Instant::now());
            match self.poll.poll(&mut events, timeout) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            }
            let began = Instant::now();
            self.turn(&events, began);
            if let Some(metrics) = &mut self.metrics {
                metrics.timings.turned(began.elapsed());
            }
        }
        Ok(self.shared)
    }

    fn turn(&mut self, events: &Events, now: Instant) {
        self.note_last_hour(now);
        self.shared.inline.begin_turn();
        for event in events {
            self.on_readiness(event, now);
        }
        // After all other events: an ABOR that has arrived counts before a finished upload.
        if events.iter().any(|event| event.token() == WAKE) {
            self.take_outcomes(now);
            self.take_commands(now);
        }
        for id in std::mem::take(&mut self.shared.unfinished) {
            self.with_connection(id, |connection, shared| {
                connection.on_ready(Ready::default(), shared, now);
            });
        }
        for id in std::mem::take(&mut self.shared.evicted) {
            self.with_connection(id, |connection, shared| {
                connection.on_event(Event::Evicted, shared, now);
            });
        }
        self.shared.submit_logins_due(now);
        while let Some(id) = self.shared.deadlines.pop(now) {
            self.with_connection(id, |connection, shared| connection.on_due(shared, now));
        }
        self.shared.retry_due(now);
        self.refuse_overdue(now);
        self.expel(now);
        self.accept(now);
        self.turn_metrics(now);
        self.shared.refusals.tell(now, &self.shared.log);
        self.advance_phase(now);
    }

    fn take_outcomes(&mut self, now: Instant) {
        self.shared.pool.clear_wake();
        while let Some(outcome) = self.shared.pool.take() {
            self.on_outcome(outcome, now);
        }
    }

    /// Answers those who have waited too long for a file system that hangs.
    fn refuse_overdue(&mut self, now: Instant) {
        for (kind, item) in self.shared.pool.take_overdue(now) {
            let (refused, left) = item.refuse(Refusal::Overloaded);
            if let Some(left) = left {
                self.shared.pool.submit(kind, left);
            }
            if let Some(refused) = refused {
                self.on_outcome(refused, now);
            }
        }
    }

    fn on_changed_accounts(&mut self) {
        let watch = self.shared.services.watch.as_ref();
        if watch.is_some_and(StoreWatch::take) {
            self.shared.refresh_accounts();
        }
    }

    /// Lets sessions under way obey what the operator has changed.
    fn apply_accounts(&mut self, accounts: &AccountsNow, now: Instant) {
        for id in self.ids() {
            self.with_connection(id, |connection, shared| {
                connection.accounts_changed(accounts, shared, now);
            });
        }
    }

    fn take_commands(&mut self, now: Instant) {
        while let Some(request) = self.control.as_ref().and_then(ControlSocket::next) {
            self.command(request, now);
        }
    }

    fn timeout(&mut self, now: Instant) -> Option<Duration> {
        let next = self.next_due(now)?;
        self.timer.wake_by(next, now)
    }

    /// When something is to be done although nothing becomes ready.
    fn next_due(&self, now: Instant) -> Option<Instant> {
        let shared = &self.shared;
        let lists = [shared.unfinished.is_empty(), shared.evicted.is_empty()];
        if lists.contains(&false) || !shared.expelled.is_empty() {
            return Some(now);
        }
        let listeners = self
            .listeners
            .iter()
            .filter_map(|listener| listener.due(now));
        let phase = match self.phase {
            Phase::Serving => None,
            Phase::Draining(until) => Some(until),
            Phase::Stopping(until, again) => Some(again.min(until)),
            Phase::Stopped => Some(now),
        };
        let others = [
            self.shared.deadlines.next(),
            self.shared.next_retry(),
            self.shared.waiting_logins.due(),
            self.shared.refusals.due(),
            self.shared.next_close_idle(),
            self.shared.next_accounts_look(),
            self.shared.pool.next_look(),
            self.proxied.due(),
            self.metrics.as_ref().and_then(|metrics| metrics.due()),
            self.succession.due(),
            phase,
            Some(self.next_sweep),
            Some(self.next_certificate_look),
        ];
        listeners.chain(others.into_iter().flatten()).min()
    }

    fn on_readiness(&mut self, event: &Readiness, now: Instant) {
        match event.token() {
            WAKE | TIMER => {}
            SIGNALS => self.on_signals(now),
            ACCOUNTS => self.on_changed_accounts(),
            CONTROL => self.control.iter().for_each(ControlSocket::accept),
            PREDECESSOR => self.predecessor_ended(),
            METRICS => self.metrics.iter_mut().for_each(|it| it.mark_ready(now)),
            Token(token @ METRICS_CLIENTS..PROXIED) => {
                self.on_metrics_ready(token - METRICS_CLIENTS, now);
            }
            Token(token @ PROXIED..LISTENERS) => self.proxied.mark_ready(token - PROXIED),
            token => match ConnectionId::from_token(token) {
                Some((id, socket)) => {
                    let readable =
                        event.is_readable() || event.is_read_closed() || event.is_error();
                    let ready = Ready {
                        readable,
                        writable: event.is_writable(),
                        ended: event.is_read_closed() || event.is_error(),
                    };
                    self.with_connection(id, |connection, shared| match socket {
                        Socket::Control => connection.on_ready(ready, shared, now),
                        Socket::Data => connection.on_data_ready(ready, shared, now),
                    });
                }
                None => {
                    if let Some(listener) = self.listeners.get_mut(token.0 - LISTENERS) {
                        listener.mark_ready();
                    }
                }
            },
        }
    }

    fn on_outcome(&mut self, outcome: Outcome, now: Instant) {
        match outcome {
            Outcome::Nothing => {}
            Outcome::HomesOpened => self.shared.watch_idle(now),
            Outcome::Recounted(drift) => self.shared.counters.recounted(drift),
            Outcome::Observed(asker, observed) => {
                self.answer_metrics(asker, Some(&observed), now);
            }
            Outcome::Accounts(accounts) => self.apply_accounts(&accounts, now),
            Outcome::Reloaded(reloaded, answer) => self.shared.apply(reloaded, answer),
            Outcome::Handshake {
                connection,
                socket,
                channel,
                result,
            } => {
                self.with_connection(connection, |connection, shared| match socket {
                    Socket::Control => connection.handshake_returned(channel, result, shared, now),
                    Socket::Data => {
                        connection.data_handshake_returned(channel, result, shared, now);
                    }
                });
            }
            Outcome::HomeLocated {
                connection,
                id,
                mut request,
                device,
            } => {
                // A session that is gone needs no home.
                if self.find(connection).is_some() {
                    request.device = Some(device);
                    self.shared.submit_job(connection, id, *request);
                }
            }
            Outcome::Burst {
                connection,
                lent,
                burst,
                took,
            } => {
                if let Some(metrics) = &mut self.metrics {
                    metrics.timings.burst(took);
                }
                self.with_connection(connection, |connection, shared| {
                    connection.burst_returned(*lent, burst, shared, now);
                });
            }
            Outcome::IsForAuthenticator(asked) if self.find(asked.connection).is_none() => {}
            Outcome::IsForAuthenticator(asked) => self.shared.submit_inquiry(*asked, now),
            Outcome::Job {
                connection,
                id,
                result,
                // Dropped once a failure is recorded.
                check: _check,
            } => {
                if self.find(connection).is_some() {
                    self.with_connection(connection, |connection, shared| {
                        connection.job_finished(id, *result, shared, now);
                    });
                } else {
                    self.close_unclaimed_file(*result);
                }
            }
        }
    }

    /// Has a worker close the file of a session that is gone.
    fn close_unclaimed_file(&mut self, result: crate::workers::jobs::JobResult) {
        let file = match result {
            crate::workers::jobs::JobResult::Done { file, .. } => file,
            crate::workers::jobs::JobResult::Retry { request, .. } => request.file,
        };
        if let Some(file) = file {
            let kind = WorkKind::of_daemon(Class::Short, None);
            self.shared
                .pool
                .submit(kind, WorkItem::CloseFile(file, None));
        }
    }

    fn find(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        let connection = self.connections.get_mut(id.index as usize)?;
        (connection.id == id).then_some(connection)
    }

    /// Calls `act` for the connection, unless the id is stale, and removes a connection that is
    /// over.
    fn with_connection(
        &mut self,
        id: ConnectionId,
        act: impl FnOnce(&mut Connection, &mut Shared),
    ) {
        let index = id.index as usize;
        let Some(connection) = self
            .connections
            .get_mut(index)
            .filter(|found| found.id == id)
        else {
            return;
        };
        act(connection, &mut self.shared);
        if connection.is_over() {
            self.connections.remove(index).leave(&mut self.shared);
            self.listeners.iter_mut().for_each(Listener::retry_accept);
        }
    }

    fn expel(&mut self, now: Instant) {
        while let Some((id, reason)) = self.shared.expelled.pop() {
            self.expel_one(id, reason, now);
        }
    }

    /// Ends a connection that has not logged in.
    fn expel_one(&mut self, id: ConnectionId, reason: CloseReason, now: Instant) {
        self.with_connection(id, |connection, shared| {
            let client = connection.logged_as();
            shared.counters.refused(reason);
            shared.refusals.add(reason, client, now, &shared.log);
            connection.expel(reason, shared, now);
        });
    }

    fn on_signals(&mut self, now: Instant) {
        while let Some(signal) = self.signals.next() {
            match (signal, self.phase) {
                (Signal::Hangup, Phase::Serving) => match self.shared.services.started_as {
                    StartedAs::Server => self.shared.reload(None),
                    StartedAs::Demo => self.drain(self.shared.admission.drain(), now),
                    StartedAs::DetachedDemo => {}
                },
                (Signal::Terminate, Phase::Serving) => {
                    self.drain(self.shared.admission.drain(), now);
                }
                (Signal::Terminate, Phase::Draining(_)) => {
                    self.stop_transfers(now + STOP_AT_MOST, now);
                }
                (Signal::ReopenLogs, _) => self.shared.reopen_logs(),
                (Signal::Hangup | Signal::Terminate | Signal::Meaningless, _) => {}
            }
        }
    }

    /// Stops listening and asks every session to leave once its dialogue is over, which transfers may
    /// take `at_most` for.
    fn drain(&mut self, at_most: Duration, now: Instant) {
        let sessions = self.connections.len();
        let status = format!("stopping: {sessions} sessions are asked to leave");
        log::info!("{status}");
        crate::event_loop::sd_notify::stopping(&status);
        self.shared.services.homes.stop_counts();
        for listener in self.listeners.drain(..) {
            listener.close(self.poll.registry());
        }
        self.proxied.clear();
        self.shared.addresses.clear();
        self.phase = Phase::Draining(now + at_most);
        self.notify_all(&|| Event::Leave(CloseReason::ShuttingDown), now);
    }

    fn stop_transfers(&mut self, until: Instant, now: Instant) {
        self.phase = Phase::Stopping(until, now + STOP_AGAIN);
        self.notify_all(&|| Event::Stop, now);
    }

    fn notify_all(&mut self, event: &dyn Fn() -> Event, now: Instant) {
        for id in self.ids() {
            self.with_connection(id, |connection, shared| {
                connection.on_event(event(), shared, now);
            });
        }
    }

    /// The connections of now: what is done with one may end another.
    fn ids(&self) -> Vec<ConnectionId> {
        let all = self.connections.iter();
        all.map(|(_, connection)| connection.id).collect()
    }

    fn advance_phase(&mut self, now: Instant) {
        if now >= self.next_sweep {
            self.next_sweep = now + SWEEP_EVERY;
            self.shared.sweep();
        }
        if now >= self.next_certificate_look {
            self.next_certificate_look = now + LOOK_AT_CERTIFICATE_EVERY;
            self.shared.warn_of_certificate();
        }
        self.shared.close_idle_due(now);
        self.shared.refresh_accounts_due(now);
        self.leave_homes(now);
        match self.phase {
            Phase::Serving | Phase::Stopped => return,
            Phase::Draining(until) if now >= until => {
                self.stop_transfers(now + STOP_AT_MOST, now);
            }
            Phase::Stopping(until, _) if now >= until => {
                log::warn!("{} sessions are left behind", self.connections.len());
                self.phase = Phase::Stopped;
                return;
            }
            Phase::Stopping(until, again) if now >= again => self.stop_transfers(until, now),
            Phase::Draining(_) | Phase::Stopping(..) => {}
        }
        if self.connections.is_empty() && self.shared.pool.is_idle() {
            self.phase = Phase::Stopped;
        }
    }
}

/// Makes the waker by which workers wake the poll.
pub(crate) fn waker(poll: &Poll) -> io::Result<Arc<mio::Waker>> {
    mio::Waker::new(poll.registry(), WAKE).map(Arc::new)
}
