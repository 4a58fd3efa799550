//! One peer: its channel at home or lent, its conversation, its open file. What
//! the conversation decides is performed here; nothing here blocks.

mod bulk;
mod data;

use std::io;
use std::net::{Shutdown, SocketAddr};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::unix::SourceFd;
use mio::{Interest, Registry};
use rustix::net::sockopt::set_socket_oobinline;
use skiff_sessions::conversation::Conversation;
use skiff_sessions::digest::Algorithm;
use skiff_sessions::scram::Binding;
use skiff_sessions::server::{Channel as Privacy, Effect, Event, Manners};
use skiff_sessions::transfer::{Route, Transfer};
use skiff_sessions::wire::codec;

use crate::channel::{Channel, Handshake};
use crate::deadlines::Asked;
use crate::errand::Errand;
use crate::files::OpenFile;
use crate::hub::Hub;
use crate::ids::{ConnectionId, Socket};
use crate::listener::Speech;
use crate::schedule::{Class, Ticket};
use crate::work::Lodged;
use data::DataSide;

/// Reads of one connection per wake-up, so that a busy peer lets others in.
const READS_PER_TURN: usize = 8;
/// Fillings of the outbox per wake-up, likewise.
const FLUSHES_PER_TURN: usize = 8;
/// For a peer that does not take its last reply.
const LAST_WORDS: Duration = Duration::from_secs(5);

pub(crate) struct Connection {
    pub(crate) id: ConnectionId,
    pub(crate) peer: SocketAddr,
    speech: Speech,
    socket: Arc<TcpStream>,
    /// `None` while it is lent.
    channel: Option<Channel>,
    data: DataSide,
    stage: Stage,
    upgrade: Upgrade,
    hearing: Hearing,
    ready: Ready,
    bulk: Bulk,
    /// Of the transfer under way.
    route: Route,
    transfer: Option<Box<Transfer>>,
    /// The transfer's bytes that the session has heard of.
    heard: u64,
    file: Option<OpenFile>,
    stop: Arc<AtomicBool>,
    lodged: Option<Lodged>,
    /// Whose login is under way, or done.
    user: String,
    /// He counts as one of his sessions.
    admitted: Admitted,
    ending: Ending,
    asked: Asked,
}

enum Stage {
    /// Until then; what it waits for.
    Handshake(Instant, Handshake),
    Talk(Box<Conversation>),
    /// A handshake in the middle of a conversation, which goes on behind it.
    Shaking(Handshake, Box<Conversation>),
}

/// Whether the channel goes under TLS once the replies are out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Upgrade {
    No,
    Due,
}

/// Whether the peer may still say something.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Hearing {
    Open,
    /// Its end came, and the session goes on with what it has.
    Ended,
}

/// Sticky: set by events, also while the channel is lent; cleared when it is
/// lent or has answered `WouldBlock`, never when it comes home.
#[derive(Clone, Copy, Default)]
pub(crate) struct Ready {
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    /// Behind what can be read there is an end to be read.
    pub(crate) ended: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Bulk {
    None,
    /// Begun; the replies go out first.
    Due,
    /// At home, until the socket is ready.
    WantsRead,
    WantsWrite,
    /// At a worker, with the channel; readiness is noted meanwhile.
    LentWatched,
    /// At a worker, with the channel, out of the poll: a reading lane would
    /// wake the reactor for every packet.
    LentUnwatched,
    /// At a worker, without it.
    Hashing,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Admitted {
    No,
    Yes,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    No,
    /// Once the replies are out, or at this time.
    AfterWords(Instant),
    /// Once nothing is lent.
    Now,
}

impl Connection {
    /// Registers the socket; the first event finds the rest.
    pub(crate) fn new(
        id: ConnectionId,
        peer: SocketAddr,
        socket: TcpStream,
        speech: Speech,
        hub: &mut Hub,
        now: Instant,
    ) -> io::Result<Self> {
        // Small replies must not wait for the peer's acknowledgement (RFC 896).
        socket.set_nodelay(true)?;
        let socket = Arc::new(socket);
        let mut data = DataSide::default();
        let tls = match speech {
            Speech::Native => hub.secure()?,
            Speech::Ftp => None,
            Speech::FtpOverTls => Some(hub.secure_ftp(&mut data.tag)?),
        };
        if speech != Speech::Native {
            // ABOR may come as urgent data, whose last byte would not be in the
            // stream (RFC 1123 section 4.1.3.2).
            set_socket_oobinline(&socket, true)?;
        }
        let channel = Channel::new(Arc::clone(&socket), tls);
        register(&hub.registry, &socket, id)?;
        let mut connection = Self {
            id,
            peer,
            socket,
            channel: Some(channel),
            speech,
            data,
            upgrade: Upgrade::No,
            hearing: Hearing::Open,
            stage: Stage::Handshake(now + hub.limits.login, Handshake::WantsRead),
            ready: Ready::default(),
            bulk: Bulk::None,
            route: Route::Nowhere,
            transfer: None,
            heard: 0,
            file: None,
            stop: Arc::default(),
            lodged: None,
            user: String::new(),
            admitted: Admitted::No,
            ending: Ending::No,
            asked: Asked::default(),
        };
        if speech == Speech::Ftp {
            connection.begin_talk(hub, now);
            connection.ready.writable = true;
            connection.drive(hub, now);
        }
        connection.arm(hub);
        Ok(connection)
    }

    /// It may be forgotten.
    pub(crate) fn is_over(&self) -> bool {
        let lent = matches!(
            self.bulk,
            Bulk::LentWatched | Bulk::LentUnwatched | Bulk::Hashing
        );
        self.ending == Ending::Now && self.channel.is_some() && !lent
    }

    /// Gives back what was counted, and puts the file away.
    pub(crate) fn leave(mut self, hub: &mut Hub) {
        self.close_data(hub);
        let user = (self.admitted == Admitted::Yes).then_some(self.user.as_str());
        hub.guard.leave(self.peer.ip(), user);
        if let Some(file) = self.file.take() {
            let ticket = self.ticket(Class::Short);
            hub.pool.submit(ticket, Errand::PutAway(file));
        }
    }

    /// The socket can be read or written.
    pub(crate) fn on_ready(&mut self, ready: Ready, hub: &mut Hub, now: Instant) {
        self.ready.readable |= ready.readable;
        self.ready.writable |= ready.writable;
        self.ready.ended |= ready.ended;
        self.drive(hub, now);
    }

    /// Something outside happened to the session.
    pub(crate) fn on_event(&mut self, event: Event, hub: &mut Hub, now: Instant) {
        match self.stage {
            Stage::Handshake(..) | Stage::Shaking(..) => {
                if !matches!(event, Event::Evicted) {
                    self.end_now();
                }
            }
            Stage::Talk(_) => {
                self.talk(hub, now, |conversation, effects| {
                    conversation.handle(now, event, effects);
                });
                self.drive(hub, now);
            }
        }
    }

    /// The deadline that stands in `Deadlines` came up.
    pub(crate) fn on_due(&mut self, due: Instant, hub: &mut Hub, now: Instant) {
        if !self.asked.heard(due) {
            return;
        }
        if self.goodbye_due().is_some_and(|until| until <= now) {
            self.close_data(hub);
        }
        match (&self.stage, self.ending) {
            (_, Ending::AfterWords(until)) if until <= now => self.end_now(),
            (Stage::Shaking(_, conversation), _) if conversation.is_due(now) => self.end_now(),
            (Stage::Handshake(until, _), _) if *until <= now => self.end_now(),
            (Stage::Talk(conversation), _) if conversation.is_due(now) => {
                self.on_event(Event::Timeout, hub, now);
            }
            _ => {}
        }
        self.arm(hub);
    }

    pub(crate) fn handshake_home(
        &mut self,
        channel: Channel,
        result: io::Result<Handshake>,
        hub: &mut Hub,
        now: Instant,
    ) {
        self.channel = Some(channel);
        match (result, &mut self.stage) {
            (Ok(Handshake::Done), _) => self.begin_talk(hub, now),
            (Ok(wanted), Stage::Handshake(_, wants) | Stage::Shaking(wants, _)) => *wants = wanted,
            (Ok(_), Stage::Talk(_)) => {}
            (Err(error), _) => {
                log::debug!("{}: no handshake: {error}", self.peer);
                self.end_now();
            }
        }
        self.drive(hub, now);
    }

    fn begin_talk(&mut self, hub: &mut Hub, now: Instant) {
        self.ready.readable = true;
        if let Some(conversation) = self.shaken(now) {
            self.stage = Stage::Talk(conversation);
            self.tell(Event::Secured, hub, now);
        } else if let Some(conversation) = self.converse(hub, now) {
            self.stage = Stage::Talk(Box::new(conversation));
        } else {
            self.end_now();
        }
        self.arm(hub);
    }

    /// The conversation that a handshake interrupted.
    fn shaken(&mut self, now: Instant) -> Option<Box<Conversation>> {
        let nothing = Stage::Handshake(now, Handshake::Done);
        match std::mem::replace(&mut self.stage, nothing) {
            Stage::Shaking(_, conversation) => Some(conversation),
            other => {
                self.stage = other;
                None
            }
        }
    }

    fn converse(&mut self, hub: &mut Hub, now: Instant) -> Option<Conversation> {
        let tls = self.channel.as_mut()?.tls();
        if self.speech == Speech::Native {
            let binding = match tls {
                None => Binding::None,
                Some(tls) => Binding::TlsExporter(crate::tls::binding(tls)?),
            };
            let setup = hub.setup(binding, Manners::native(Algorithm::cheapest()))?;
            return Some(Conversation::new(now, &codec::NATIVE, setup));
        }
        let privacy = match tls {
            None => Privacy::Clear,
            Some(_) => Privacy::Private,
        };
        let peer = self.peer.ip().to_canonical();
        let manners = Manners::ftp(hub.ftp.as_ref()?.policy, privacy, peer);
        let setup = hub.setup(Binding::None, manners)?;
        Some(Conversation::new(now, &codec::FTP, setup))
    }

    /// Everything from here on is TLS (RFC 4217 section 4).
    fn begin_tls(&mut self, hub: &mut Hub, now: Instant) {
        self.upgrade = Upgrade::No;
        let secured = hub.secure_ftp(&mut self.data.tag);
        match (secured, &mut self.channel) {
            (Ok(tls), Some(channel)) => channel.secure(tls),
            (Err(error), _) => {
                log::error!("{}: no tls: {error}", self.peer);
                return self.end_now();
            }
            (Ok(_), None) => return self.end_now(),
        }
        let nothing = Stage::Handshake(now, Handshake::Done);
        if let Stage::Talk(conversation) = std::mem::replace(&mut self.stage, nothing) {
            self.stage = Stage::Shaking(Handshake::WantsRead, conversation);
        }
    }

    /// Does all that can be done now.
    fn drive(&mut self, hub: &mut Hub, now: Instant) {
        if let Stage::Handshake(_, wants) | Stage::Shaking(wants, _) = self.stage {
            self.drive_handshake(wants, hub, now);
            return;
        }
        self.hand_out(hub, now);
        self.flush(hub, now);
        if self.upgrade == Upgrade::Due && self.replies_are_out() {
            self.begin_tls(hub, now);
            return self.drive(hub, now);
        }
        self.go_on_with_data(hub, now);
        self.lend_when_due(hub, now);
        let mut reads = 0;
        while self.may_read() {
            if reads == READS_PER_TURN {
                hub.again.push(self.id);
                break;
            }
            reads += 1;
            self.read(hub, now);
            self.hand_out(hub, now);
            self.flush(hub, now);
            self.lend_when_due(hub, now);
        }
        self.arm(hub);
    }

    fn drive_handshake(&mut self, wants: Handshake, hub: &mut Hub, now: Instant) {
        let ready = match wants {
            Handshake::WantsWrite => self.ready.writable,
            _ => self.ready.readable,
        };
        if !ready || self.ending != Ending::No {
            return;
        }
        let Some(mut channel) = self.channel.take() else {
            return;
        };
        if channel.tls().is_none() {
            self.channel = Some(channel);
            self.begin_talk(hub, now);
            self.drive(hub, now);
            return;
        }
        self.ready = Ready::default();
        let ticket = Ticket {
            class: Class::Crypt,
            device: None,
        };
        hub.pool.submit(
            ticket,
            Errand::Handshake {
                connection: self.id,
                socket: Socket::Control,
                channel,
            },
        );
    }

    fn may_read(&self) -> bool {
        let Stage::Talk(conversation) = &self.stage else {
            return false;
        };
        self.ready.readable
            && self.ending == Ending::No
            && self.upgrade == Upgrade::No
            && self.hearing == Hearing::Open
            && self.channel.is_some()
            && (matches!(self.bulk, Bulk::None | Bulk::Hashing) || self.route == Route::Data)
            && conversation.wants_input()
    }

    fn read(&mut self, hub: &mut Hub, now: Instant) {
        let Some(channel) = &mut self.channel else {
            return;
        };
        let mut buf = std::mem::take(&mut hub.line_buffer);
        let result = channel.read(&mut buf);
        match result {
            Ok(0) => self.peer_closed(hub, now),
            Ok(count) => {
                // In clear, less than there was room for is all there is (epoll(7)),
                // unless it stops short of urgent data, which is inside of a line.
                let whole = buf[..count].ends_with(b"\n") && count < buf.len();
                if whole && !self.ready.ended && channel.tls().is_none() {
                    self.ready.readable = false;
                }
                self.talk(hub, now, |conversation, effects| {
                    conversation.receive(now, &buf[..count], effects);
                });
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.ready.readable = false,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => self.peer_closed(hub, now),
        }
        hub.line_buffer = buf;
    }

    fn peer_closed(&mut self, hub: &mut Hub, now: Instant) {
        self.tell(Event::PeerClosed, hub, now);
        self.hearing = Hearing::Ended;
        match &self.stage {
            // An upload may be worth ending well without anyone to tell.
            Stage::Talk(conversation) if !conversation.session().is_closed() => {
                self.ready.readable = false;
            }
            _ => self.end_now(),
        }
    }

    /// Something happened that is not from the peer's lines.
    fn tell(&mut self, event: Event, hub: &mut Hub, now: Instant) {
        self.talk(hub, now, |conversation, effects| {
            conversation.handle(now, event, effects);
        });
    }

    fn flush(&mut self, hub: &mut Hub, now: Instant) {
        for _ in 0..FLUSHES_PER_TURN {
            let (Some(channel), Stage::Talk(conversation)) = (&mut self.channel, &mut self.stage)
            else {
                return;
            };
            match channel.write_out(conversation.outbox()) {
                Ok(()) if matches!(self.ending, Ending::AfterWords(_)) => {
                    channel.close();
                    return self.end_now();
                }
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.ready.writable = false;
                    return;
                }
                Err(_) => return self.peer_closed(hub, now),
            }
            // Lines may have waited for room, and their answers fill it again.
            self.talk(hub, now, |conversation, effects| {
                conversation.resume(now, effects);
            });
            if self.replies_are_out() && self.ending == Ending::No {
                return;
            }
        }
        hub.again.push(self.id);
    }

    /// Lets the conversation decide, and performs what it decided.
    fn talk(
        &mut self,
        hub: &mut Hub,
        now: Instant,
        decide: impl FnOnce(&mut Conversation, &mut Vec<Effect>),
    ) {
        let Stage::Talk(conversation) = &mut self.stage else {
            return;
        };
        let mut effects = std::mem::take(&mut hub.effects);
        decide(conversation, &mut effects);
        loop {
            for effect in effects.drain(..) {
                self.perform(effect, hub, now);
            }
            let Some((id, (completion, file))) = hub.answered.take() else {
                break;
            };
            if file.is_some() {
                self.file = file;
            }
            if let Stage::Talk(conversation) = &mut self.stage {
                conversation.handle(now, Event::Completed(id, completion), &mut effects);
            }
        }
        hub.effects = effects;
    }

    fn end_after_words(&mut self, now: Instant) {
        if self.ending == Ending::No {
            self.ending = Ending::AfterWords(now + LAST_WORDS);
        }
        match self.bulk {
            Bulk::LentWatched | Bulk::LentUnwatched => self.end_now(),
            Bulk::Hashing => self.stop.store(true, Ordering::Relaxed),
            _ => {}
        }
    }

    /// What is lent comes home soon: its lane is dead.
    fn end_now(&mut self) {
        self.ending = Ending::Now;
        self.stop.store(true, Ordering::Relaxed);
        if self.channel.is_none() {
            let _ = self.socket.shutdown(Shutdown::Both);
        }
        self.shut_data();
    }

    fn arm(&mut self, hub: &mut Hub) {
        let due = match (&self.stage, self.ending) {
            (_, Ending::Now) => None,
            (_, Ending::AfterWords(until)) => Some(until),
            (Stage::Handshake(until, _), Ending::No) => Some(*until),
            (Stage::Talk(conversation) | Stage::Shaking(_, conversation), Ending::No) => {
                conversation.session().deadline()
            }
        };
        let due = [due, self.goodbye_due()].into_iter().flatten().min();
        hub.deadlines.want(self.id, due, &mut self.asked);
    }

    fn device(&self) -> Option<u64> {
        self.lodged.as_ref().map(|lodged| lodged.device)
    }

    fn ticket(&self, class: Class) -> Ticket {
        Ticket {
            class,
            device: self.device(),
        }
    }
}

fn register(registry: &Registry, socket: &TcpStream, id: ConnectionId) -> io::Result<()> {
    let both = Interest::READABLE | Interest::WRITABLE;
    let token = id.token(Socket::Control);
    registry.register(&mut SourceFd(&socket.as_raw_fd()), token, both)
}

fn deregister(registry: &Registry, socket: &TcpStream) {
    if let Err(error) = registry.deregister(&mut SourceFd(&socket.as_raw_fd())) {
        log::error!("a socket cannot be taken out of the poll: {error}");
    }
}
