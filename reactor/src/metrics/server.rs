//! [`MetricsServer`]: the connections of metrics, a few at a time, each of one request. All of it is
//! non-blocking; the reactor calls it when sockets are ready and when time is up.

use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use mio::{Registry, Token};
use skiff_conf::MetricsAddress;

use super::Timings;
use super::http::{self, Parsed, REQUEST_MAX, Request, Status};
use super::last_hour::LastHour;
use super::listener::{Listener, Stream};
use crate::workers::observation::Asker;

/// Connections at a time.
pub(crate) const CLIENTS_MAX: usize = 8;
/// How long a client may take for its request, and how long for the response.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long an observation is waited for; a worker may be held by a disk that hangs.
const OBSERVED_WITHIN: Duration = Duration::from_secs(2);
/// After EMFILE an edge-triggered listener gets no new edge.
const RETRY: Duration = Duration::from_millis(100);
/// Connections that are accepted in one turn of the loop.
const ACCEPT_BATCH: usize = 64;
/// Bytes that are read, or dropped, of one client in one turn of the loop.
const READ_BATCH: usize = 1 << 16;

pub(crate) struct MetricsServer {
    listener: Listener,
    /// As the settings name it.
    pub(crate) named: MetricsAddress,
    accepting: Accepting,
    clients: [Option<Client>; CLIENTS_MAX],
    /// The token of the first client; the others follow.
    first_token: usize,
    numbered: u64,
    pub(crate) timings: Timings,
    pub(crate) last_hour: LastHour,
}

#[derive(Clone, Copy)]
enum Accepting {
    /// An edge will report the next connection.
    Drained,
    /// More connections may wait, at this time.
    Due(Instant),
}

struct Client {
    number: u64,
    stream: Stream,
    state: State,
    /// When the state has lasted too long.
    until: Instant,
}

enum State {
    Reading(Vec<u8>),
    /// A worker looks at what is told.
    Observed(Request),
    Writing {
        response: Vec<u8>,
        sent: usize,
    },
    /// What it sends is dropped until it has read all: closing before would reset the connection.
    Draining,
}

/// What a client's readiness has come to.
enum Step {
    Wait,
    Ask(Request),
    Respond(Vec<u8>),
    Drain,
    Close,
}

impl MetricsServer {
    pub(crate) fn new(listener: Listener, named: MetricsAddress) -> Self {
        Self {
            listener,
            named,
            accepting: Accepting::Drained,
            clients: Default::default(),
            first_token: 0,
            numbered: 0,
            timings: Timings::default(),
            last_hour: LastHour::default(),
        }
    }

    /// Registers the listener, and keeps the [`CLIENTS_MAX`] tokens from `first_token` on.
    pub(crate) fn register(
        &mut self,
        registry: &Registry,
        token: Token,
        first_token: usize,
    ) -> io::Result<()> {
        self.first_token = first_token;
        self.listener.register(registry, token)
    }

    /// Another descriptor of the listener.
    pub(crate) fn descriptor(&self) -> io::Result<OwnedFd> {
        self.listener.descriptor()
    }

    /// Closes the listener; where another process has a descriptor of it too, that is served there.
    pub(crate) fn close(mut self, registry: &Registry) {
        // What is closed stays registered while another descriptor is open (epoll(7)).
        let _ = self.listener.deregister(registry);
    }

    /// When [`Self::turn`] has something to do though nothing is ready.
    pub(crate) fn due(&self) -> Option<Instant> {
        let retry = match self.accepting {
            Accepting::Drained => None,
            Accepting::Due(at) => Some(at),
        };
        let clients = self.clients.iter().flatten().map(|client| client.until);
        clients.chain(retry).min()
    }

    pub(crate) fn mark_ready(&mut self, now: Instant) {
        self.accepting = Accepting::Due(now);
    }

    /// Accepts clients that wait, and ends those whose time is up. Returns the requests of those that
    /// have waited long enough for an observation.
    pub(crate) fn turn(&mut self, registry: &Registry, now: Instant) -> Vec<(Asker, Request)> {
        if matches!(self.accepting, Accepting::Due(at) if at <= now) {
            self.accept(registry, now);
        }
        let mut unobserved = Vec::new();
        for slot in 0..CLIENTS_MAX {
            let Some(client) = self.clients[slot].as_mut().filter(|it| it.until <= now) else {
                continue;
            };
            match &client.state {
                State::Observed(request) => {
                    let number = client.number;
                    unobserved.push((Asker { slot, number }, *request));
                }
                State::Reading(read) if !read.is_empty() => {
                    self.respond(slot, http::refusal(Status::RequestTimeout), now);
                }
                State::Reading(_) | State::Writing { .. } | State::Draining => {
                    self.clients[slot] = None;
                }
            }
        }
        unobserved
    }

    /// Goes on with the client of a slot; returns what it asks for.
    pub(crate) fn on_ready(&mut self, slot: usize, now: Instant) -> Option<(Asker, Request)> {
        let reached = self.listener.reached();
        let client = self.clients.get_mut(slot)?.as_mut()?;
        let number = client.number;
        match client.step(reached) {
            Step::Wait => {}
            Step::Close => self.clients[slot] = None,
            Step::Drain => self.drain(slot, now),
            Step::Respond(response) => self.respond(slot, response, now),
            Step::Ask(request) => {
                client.state = State::Observed(request);
                client.until = now + OBSERVED_WITHIN;
                return Some((Asker { slot, number }, request));
            }
        }
        None
    }

    /// The request of a client that waits for its observation; `None` for one that is gone.
    pub(crate) fn waiting(&self, asker: Asker) -> Option<Request> {
        let client = self.clients.get(asker.slot)?.as_ref()?;
        match client.state {
            State::Observed(request) if client.number == asker.number => Some(request),
            _ => None,
        }
    }

    /// Sends `response` to the client of a slot, as far as it takes it.
    pub(crate) fn respond(&mut self, slot: usize, response: Vec<u8>, now: Instant) {
        let Some(client) = self.clients.get_mut(slot).and_then(Option::as_mut) else {
            return;
        };
        client.state = State::Writing { response, sent: 0 };
        client.until = now + PATIENCE;
        match client.write() {
            Step::Drain => self.drain(slot, now),
            Step::Close => self.clients[slot] = None,
            Step::Wait | Step::Ask(_) | Step::Respond(_) => {}
        }
    }

    fn drain(&mut self, slot: usize, now: Instant) {
        let Some(client) = self.clients[slot].as_mut() else {
            return;
        };
        client.state = State::Draining;
        client.until = now + PATIENCE;
        let is_ended = client.stream.end_writing().is_err();
        // What has come already gives no new edge.
        if is_ended || matches!(client.drop_bytes(), Step::Close) {
            self.clients[slot] = None;
        }
    }

    fn accept(&mut self, registry: &Registry, now: Instant) {
        for _ in 0..ACCEPT_BATCH {
            match self.listener.accept() {
                Ok(stream) => self.admit(stream, registry, now),
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => {
                        self.accepting = Accepting::Drained;
                        return;
                    }
                    io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted => {}
                    _ => {
                        log::debug!("a client of metrics is not let in yet: {error}");
                        self.accepting = Accepting::Due(now + RETRY);
                        return;
                    }
                },
            }
        }
        self.accepting = Accepting::Due(now);
    }

    fn admit(&mut self, mut stream: Stream, registry: &Registry, now: Instant) {
        let Some(slot) = self.make_room() else {
            // All wait for workers; what it is told fits into its socket's buffer.
            let _ = stream.write(&http::refusal(Status::ServiceUnavailable));
            return;
        };
        if let Err(error) = stream.register(registry, Token(self.first_token + slot)) {
            return log::warn!("a client of metrics cannot be served: {error}");
        }
        self.numbered += 1;
        self.clients[slot] = Some(Client {
            number: self.numbered,
            stream,
            state: State::Reading(Vec::new()),
            until: now + PATIENCE,
        });
    }

    /// A free slot, or that of the client whose time is up first: silent clients lock nobody out.
    fn make_room(&mut self) -> Option<usize> {
        if let Some(free) = self.clients.iter().position(Option::is_none) {
            return Some(free);
        }
        let clients = self.clients.iter().enumerate();
        let clients = clients.filter_map(|(slot, client)| Some((slot, client.as_ref()?)));
        let idle = clients.filter(|(_, client)| !matches!(client.state, State::Observed(_)));
        let (slot, _) = idle.min_by_key(|(_, client)| (client.until, client.number))?;
        self.clients[slot] = None;
        Some(slot)
    }
}

impl Client {
    fn step(&mut self, reached: http::Reached) -> Step {
        match &self.state {
            State::Reading(_) => self.read(reached),
            State::Observed(_) => Step::Wait,
            State::Writing { .. } => self.write(),
            State::Draining => self.drop_bytes(),
        }
    }

    fn read(&mut self, reached: http::Reached) -> Step {
        let State::Reading(read) = &mut self.state else {
            return Step::Wait;
        };
        let mut buffer = [0; 1024];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return Step::Close,
                Ok(count) => read.extend_from_slice(&buffer[..count]),
                Err(error) => return step_of(&error),
            }
            match http::parse(read, reached) {
                Parsed::NotYet => debug_assert!(read.len() < REQUEST_MAX),
                Parsed::Request(request) => return Step::Ask(request),
                Parsed::Refused(status) => return Step::Respond(http::refusal(status)),
            }
        }
    }

    fn write(&mut self) -> Step {
        let State::Writing { response, sent } = &mut self.state else {
            return Step::Wait;
        };
        while *sent < response.len() {
            match self.stream.write(&response[*sent..]) {
                Ok(0) => return Step::Close,
                Ok(count) => *sent += count,
                Err(error) => match step_of(&error) {
                    Step::Wait => return Step::Wait,
                    _ => return Step::Close,
                },
            }
        }
        Step::Drain
    }

    fn drop_bytes(&mut self) -> Step {
        let mut buffer = [0; 4096];
        for _ in 0..READ_BATCH / buffer.len() {
            match self.stream.read(&mut buffer) {
                Ok(0) => return Step::Close,
                Ok(_) => {}
                Err(error) => return step_of(&error),
            }
        }
        // Nobody has that much to say to a server that has answered.
        Step::Close
    }
}

fn step_of(error: &io::Error) -> Step {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Step::Wait,
        _ => Step::Close,
    }
}
