//! Puts an FTP session's data connection under TLS, and chooses it among all that came to its port: a
//! stranger at the client's own address may be there first, and only the client resumes the TLS of
//! the session.

use std::io;
use std::net::Shutdown;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use mio::Registry;
use mio::net::{TcpListener, TcpStream};
use mio::unix::SourceFd;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use skiff_conf::Resumption;
use skiff_sessions::server::{self, DataEvent, Direction, Event};
use skiff_sessions::transfer::{Burst, End};

use super::candidates::{CANDIDATES_MAX, Candidates, Verdict, Wait};
use super::data::{Arrival, OpenPort, Registered, State, next_arrival, register_socket};
use super::{Bulk, Connection, Ready, Route};
use crate::event_loop::shared::Shared;
use crate::transport::channel::{Channel, Handshake, Proof};
use crate::transport::ids::{ConnectionId, Socket};
use crate::workers::work_item::WorkItem;

/// A choice among the connections that came to the port, until one of them has proven that it is
/// the client's.
pub(super) struct Choosing {
    /// `None` where the server connects, or nobody else is awaited.
    listener: Option<TcpListener>,
    listener_registered: Registered,
    candidates: Candidates<Candidate>,
    direction: Direction,
    /// Why the last candidate failed.
    failure: DataEvent,
}

struct Candidate {
    socket: Arc<TcpStream>,
    /// `None` while the channel is lent to a worker for its handshake.
    channel: Option<Channel>,
    registered: Registered,
    wants: Wants,
}

/// What a candidate waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wants {
    /// A worker, whatever has come.
    Worker,
    Read,
    Write,
    /// Its handshake is done.
    Nothing,
}

impl Connection {
    pub(super) fn secure_data(
        &mut self,
        direction: Direction,
        handshake: server::HandshakeTiming,
        shared: &mut Shared,
        now: Instant,
    ) {
        let State::Open(mut channel) = std::mem::take(&mut self.data.state) else {
            return self.data_failed(DataEvent::NotSecured, shared, now);
        };
        if let Err(error) = self.secure(&mut channel, direction, shared) {
            log::error!("{}: no tls for data: {error}", self.peer);
            return self.data_failed(DataEvent::NotSecured, shared, now);
        }
        match handshake {
            server::HandshakeTiming::BeforeTransfer => {
                let choosing = self.choosing(channel, Wants::Worker, direction, shared);
                self.go_on_choosing(choosing, shared);
            }
            server::HandshakeTiming::WithTransfer => {
                self.data.state = State::Open(channel);
                self.notify(Event::Data(DataEvent::Deferred), shared, now);
            }
        }
    }

    fn secure(
        &self,
        channel: &mut Channel,
        direction: Direction,
        shared: &Shared,
    ) -> Result<(), String> {
        let tls = self.data_tls(direction, shared)?;
        // After a ticket, the first record would wait for an acknowledgement. In clear nothing
        // waits: the end of the stream pushes its last byte.
        if let Err(error) = channel.socket().set_nodelay(true) {
            log::debug!("{}: {error}", self.peer);
        }
        channel.secure_data(tls.connection, tls.gate, tls.rule);
        Ok(())
    }

    fn choosing(
        &mut self,
        first: Channel,
        wants: Wants,
        direction: Direction,
        shared: &Shared,
    ) -> Box<Choosing> {
        let is_choice = shared.ftp.as_ref().map(|ftp| ftp.resumption) != Some(Resumption::Off);
        let port = self.data.open_port.take().filter(|_| is_choice);
        let OpenPort { listener, arrived } = port.unwrap_or_default();
        let wait = match listener {
            Some(_) => self.resuming_wait(shared),
            None => Wait::No,
        };
        let mut choosing = Box::new(Choosing {
            listener,
            listener_registered: Registered::No,
            candidates: Candidates::new(wait),
            direction,
            failure: DataEvent::NotSecured,
        });
        choosing.add(first, wants, &shared.registry);
        for socket in arrived {
            self.add_candidate(&mut choosing, socket, shared);
        }
        choosing
    }

    fn add_candidate(&self, choosing: &mut Choosing, socket: TcpStream, shared: &Shared) {
        let mut channel = Channel::new(Arc::new(socket), None);
        match self.secure(&mut channel, choosing.direction, shared) {
            Ok(()) => choosing.add(channel, Wants::Read, &shared.registry),
            Err(error) => log::error!("{}: no tls for data: {error}", self.peer),
        }
    }

    /// Goes on after a burst whose channel has not proven to be the session's: its handshake is under
    /// way, or has failed, or did not resume.
    pub(super) fn choose_after_burst(
        &mut self,
        mut channel: Channel,
        burst: &Burst,
        shared: &mut Shared,
        now: Instant,
    ) {
        self.bulk = Bulk::Due;
        let direction = self.data.direction.unwrap_or(Direction::FromPeer);
        let socket = Arc::clone(channel.socket());
        let is_this = |candidate: &Candidate| Arc::ptr_eq(&candidate.socket, &socket);
        let wants = match burst {
            Burst::Finished(_) => Wants::Nothing,
            Burst::WantsWrite => Wants::Write,
            Burst::WantsRead => Wants::Read,
            Burst::BudgetSpent => Wants::Worker,
        };
        let proof = match burst {
            Burst::Finished(End::NotResumed) => Some(channel.judge()),
            _ => None,
        };
        let mut choosing = self.choosing(channel, wants, direction, shared);
        match (burst, proof) {
            (_, Some(Proof::Doubtful)) => choosing.candidates.unproven(is_this, now),
            (_, Some(Proof::Foreign)) => choosing.fail(is_this, DataEvent::NotResumed, now),
            (Burst::Finished(_), _) => choosing.fail(is_this, DataEvent::NotSecured, now),
            _ => {}
        }
        self.data.state = State::Choosing(choosing);
        self.choose(shared, now);
    }

    /// Lets in who has come, goes on with the handshakes, and decides once that is due.
    pub(super) fn choose(&mut self, shared: &mut Shared, now: Instant) {
        let mut choosing = match std::mem::take(&mut self.data.state) {
            State::Choosing(choosing) => choosing,
            other => {
                self.data.state = other;
                return;
            }
        };
        self.let_in(&mut choosing, shared);
        match choosing.candidates.verdict(now) {
            Verdict::Wait => self.go_on_choosing(choosing, shared),
            Verdict::Take(chosen) => {
                choosing.unwatch(&shared.registry);
                if let Some(mut channel) = chosen.channel {
                    channel.take_as_own();
                    self.data_chosen(channel, choosing.direction, shared, now);
                }
            }
            Verdict::GiveUp => {
                choosing.unwatch(&shared.registry);
                self.choice_failed(choosing.failure, shared, now);
            }
        }
    }

    fn go_on_choosing(&mut self, mut choosing: Box<Choosing>, shared: &mut Shared) {
        let kind = self.handshake_kind();
        for channel in choosing.take_ready(&shared.registry) {
            let item = WorkItem::Handshake {
                connection: self.id,
                socket: Socket::Data,
                channel,
            };
            shared.pool.submit(kind, item);
        }
        let is_watched = choosing.watch(&shared.registry, self.id);
        self.data.state = State::Choosing(choosing);
        if let Err(error) = is_watched {
            log::error!("{}: data cannot be watched: {error}", self.peer);
            self.end_now();
        }
    }

    fn let_in(&mut self, choosing: &mut Choosing, shared: &mut Shared) {
        self.data.ready.readable = false;
        for _ in 0..=CANDIDATES_MAX {
            let Some(listener) = &choosing.listener else {
                return;
            };
            let (stranger, arrival) = next_arrival(listener, &self.data_peers());
            self.turn_away(stranger);
            match arrival {
                Arrival::Client(socket) => self.add_candidate(choosing, socket, shared),
                Arrival::Nobody => return,
                Arrival::More => break,
                Arrival::Failed(error) => {
                    log::info!("{}: no other data connection: {error}", self.peer);
                    choosing.unwatch_listener(&shared.registry);
                    return;
                }
            }
        }
        // More wait, and an edge-triggered poll would not report them again.
        self.data.ready.readable = true;
        shared.unfinished.push(self.id);
    }

    pub(crate) fn data_handshake_returned(
        &mut self,
        mut channel: Channel,
        result: io::Result<Handshake>,
        shared: &mut Shared,
        now: Instant,
    ) {
        let State::Choosing(choosing) = &mut self.data.state else {
            return self.drive(shared, now);
        };
        let socket = Arc::clone(channel.socket());
        let is_this = |candidate: &Candidate| Arc::ptr_eq(&candidate.socket, &socket);
        if !choosing.candidates.iter().any(is_this) {
            // It had to make room meanwhile.
            return self.drive(shared, now);
        }
        match result {
            Ok(Handshake::Done) => match channel.judge() {
                Proof::Own => {
                    let direction = choosing.direction;
                    choosing.unwatch(&shared.registry);
                    self.data.state = State::None;
                    self.data_chosen(channel, direction, shared, now);
                }
                Proof::Doubtful => {
                    choosing.hold(channel, Wants::Nothing);
                    choosing.candidates.unproven(is_this, now);
                }
                Proof::Foreign => choosing.fail(is_this, DataEvent::NotResumed, now),
            },
            Ok(Handshake::WantsWrite) => choosing.hold(channel, Wants::Write),
            Ok(Handshake::WantsRead) => choosing.hold(channel, Wants::Read),
            Err(error) => {
                log::info!("{}: no tls on a data connection: {error}", self.peer);
                choosing.fail(is_this, DataEvent::NotSecured, now);
            }
        }
        self.choose(shared, now);
        self.drive(shared, now);
    }

    fn data_chosen(
        &mut self,
        mut channel: Channel,
        direction: Direction,
        shared: &mut Shared,
        now: Instant,
    ) {
        self.note_data_handshake(&channel, direction, shared);
        channel.take_newly_proven();
        self.data.ready = Ready::default();
        self.data.state = State::Open(channel);
        self.notify(Event::Data(DataEvent::Secured), shared, now);
    }

    fn choice_failed(&mut self, why: DataEvent, shared: &mut Shared, now: Instant) {
        if !self.has_deferred_handshake() {
            return self.data_failed(why, shared, now);
        }
        let end = match why {
            DataEvent::NotResumed => End::NotResumed,
            _ => End::NotSecured,
        };
        self.end_without_data(end, shared, now);
    }

    /// Whether a transfer has begun that waits for the choice.
    fn has_deferred_handshake(&self) -> bool {
        self.bulk == Bulk::Due && self.route == Route::Data
    }

    /// Ends the transfer that waits for the choice, if it is to stop.
    pub(super) fn stop_choosing(&mut self, shared: &mut Shared, now: Instant) {
        let is_choosing = matches!(self.data.state, State::Choosing(_));
        if is_choosing && self.has_deferred_handshake() && self.stop.load(Ordering::Relaxed) {
            self.end_without_data(End::Stopped, shared, now);
        }
    }

    fn end_without_data(&mut self, end: End, shared: &mut Shared, now: Instant) {
        self.close_data(shared);
        self.data.direction = None;
        self.bulk = Bulk::None;
        self.route = Route::None;
        self.with_conversation(shared, now, |conversation, effects| {
            conversation.transfer_ended(now, end, 0, &[], effects);
        });
    }
}

impl Choosing {
    pub(super) fn due(&self) -> Option<Instant> {
        self.candidates.due()
    }

    fn add(&mut self, channel: Channel, wants: Wants, registry: &Registry) {
        let gone = self.candidates.add(Candidate {
            socket: Arc::clone(channel.socket()),
            channel: Some(channel),
            registered: Registered::No,
            wants,
        });
        if let Some(mut gone) = gone {
            gone.unwatch(registry);
            gone.shut_down();
        }
    }

    fn hold(&mut self, channel: Channel, wants: Wants) {
        let mut all = self.candidates.iter_mut();
        if let Some(found) = all.find(|other| Arc::ptr_eq(&other.socket, channel.socket())) {
            found.channel = Some(channel);
            found.wants = wants;
        }
    }

    fn fail(&mut self, which: impl Fn(&Candidate) -> bool, why: DataEvent, now: Instant) {
        self.failure = why;
        drop(self.candidates.failed(which, now));
    }

    /// The channels whose handshakes can go on.
    fn take_ready(&mut self, registry: &Registry) -> Vec<Channel> {
        let is_ready: Vec<_> = self.candidates.iter().map(Candidate::is_ready).collect();
        let all = self.candidates.iter_mut().zip(is_ready);
        all.filter_map(|(candidate, is_ready)| {
            let channel = candidate.channel.take_if(|_| is_ready)?;
            candidate.unwatch(registry);
            Some(channel)
        })
        .collect()
    }

    /// Registers the candidates that wait for their peers, and the listener, unless a handshake is
    /// under way: then it is looked at when that returns, and mostly has proven all by then.
    fn watch(&mut self, registry: &Registry, id: ConnectionId) -> io::Result<()> {
        let is_any_lent = self.candidates.iter().any(|other| other.channel.is_none());
        if let (Some(listener), Registered::No, false) =
            (&self.listener, self.listener_registered, is_any_lent)
        {
            register_socket(registry, listener.as_raw_fd(), id)?;
            self.listener_registered = Registered::Yes;
        }
        self.candidates
            .iter_mut()
            .try_for_each(|candidate| candidate.watch(registry, id))
    }

    /// Takes everything out of the poll.
    pub(super) fn unwatch(&mut self, registry: &Registry) {
        self.unwatch_listener(registry);
        let all = self.candidates.iter_mut();
        all.for_each(|candidate| candidate.unwatch(registry));
    }

    fn unwatch_listener(&mut self, registry: &Registry) {
        if let Some(listener) = self.listener.take()
            && std::mem::take(&mut self.listener_registered) == Registered::Yes
        {
            deregister(registry, listener.as_raw_fd());
        }
    }

    /// Shuts down the sockets that are lent, so that their handshakes end.
    pub(super) fn shut_down(&self) {
        self.candidates.iter().for_each(Candidate::shut_down);
    }
}

impl Candidate {
    /// Without a wait, and whatever else has been ready: all candidates share one token.
    fn is_ready(&self) -> bool {
        let wanted = match self.wants {
            _ if self.channel.is_none() => return false,
            Wants::Nothing => return false,
            Wants::Worker => return true,
            Wants::Read => PollFlags::IN,
            Wants::Write => PollFlags::OUT,
        };
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let mut fds = [PollFd::new(&*self.socket, wanted)];
        poll(&mut fds, Some(&now)).is_ok_and(|ready| ready > 0)
    }

    fn watch(&mut self, registry: &Registry, id: ConnectionId) -> io::Result<()> {
        let waits = matches!(self.wants, Wants::Read | Wants::Write) && self.channel.is_some();
        if waits && self.registered == Registered::No {
            register_socket(registry, self.socket.as_raw_fd(), id)?;
            self.registered = Registered::Yes;
        }
        Ok(())
    }

    fn unwatch(&mut self, registry: &Registry) {
        if std::mem::take(&mut self.registered) == Registered::Yes {
            deregister(registry, self.socket.as_raw_fd());
        }
    }

    fn shut_down(&self) {
        if self.channel.is_none() {
            let _ = self.socket.shutdown(Shutdown::Both);
        }
    }
}

fn deregister(registry: &Registry, descriptor: i32) {
    if let Err(error) = registry.deregister(&mut SourceFd(&descriptor)) {
        log::error!("a socket cannot be taken out of the poll: {error}");
    }
}
