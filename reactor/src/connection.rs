//! One peer: its channel at home or lent, its conversation, its open file. What
//! the conversation decides is performed here; nothing here blocks.

use std::io;
use std::net::{Shutdown, SocketAddr};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::unix::SourceFd;
use mio::{Interest, Registry};
use skiff_sessions::conversation::Conversation;
use skiff_sessions::scram::Binding;
use skiff_sessions::server::{Completion, Effect, Event, Job, JobId};
use skiff_sessions::transfer::{Burst, Task, Transfer};
use skiff_sessions::wire::reply::Refusal;

use crate::channel::{Channel, Handshake};
use crate::deadlines::Asked;
use crate::errand::{Errand, Lent};
use crate::files::OpenFile;
use crate::hub::Hub;
use crate::ids::ConnectionId;
use crate::logging;
use crate::work::{Lodged, Order, Performed, takes_file};
use crate::workers::{Class, Ticket};

/// Reads of one connection per wake-up, so that a busy peer lets others in.
const READS_PER_TURN: usize = 8;
/// How long a job waits for a home to be counted, or for a silent writer to go.
const PATIENCE: Duration = Duration::from_secs(10);
/// For a peer that does not take its last reply.
const LAST_WORDS: Duration = Duration::from_secs(5);

pub(crate) struct Connection {
    pub(crate) id: ConnectionId,
    pub(crate) peer: SocketAddr,
    socket: Arc<TcpStream>,
    /// `None` while it is lent.
    channel: Option<Channel>,
    stage: Stage,
    ready: Ready,
    bulk: Bulk,
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
}

/// Sticky: set by events, also while the channel is lent; cleared when it is
/// lent or has answered `WouldBlock`, never when it comes home.
#[derive(Clone, Copy, Default)]
pub(crate) struct Ready {
    pub(crate) readable: bool,
    pub(crate) writable: bool,
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
        hub: &mut Hub,
        now: Instant,
    ) -> io::Result<Self> {
        // Small replies must not wait for the peer's acknowledgement (RFC 896).
        socket.set_nodelay(true)?;
        let socket = Arc::new(socket);
        let channel = Channel::new(Arc::clone(&socket), hub.secure()?);
        register(&hub.registry, &socket, id)?;
        let mut connection = Self {
            id,
            peer,
            socket,
            channel: Some(channel),
            stage: Stage::Handshake(now + hub.limits.login, Handshake::WantsRead),
            ready: Ready::default(),
            bulk: Bulk::None,
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
        connection.arm(hub);
        Ok(connection)
    }

    /// It may be forgotten.
    pub(crate) fn is_over(&self) -> bool {
        self.ending == Ending::Now && self.channel.is_some() && self.bulk != Bulk::Hashing
    }

    /// Gives back what was counted, and puts the file away.
    pub(crate) fn leave(mut self, hub: &mut Hub) {
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
        self.drive(hub, now);
    }

    /// Something outside happened to the session.
    pub(crate) fn on_event(&mut self, event: Event, hub: &mut Hub, now: Instant) {
        match self.stage {
            Stage::Handshake(..) => {
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
        match (&self.stage, self.ending) {
            (_, Ending::AfterWords(until)) if until <= now => self.end_now(),
            (Stage::Handshake(until, _), _) if *until <= now => self.end_now(),
            (Stage::Talk(conversation), _)
                if conversation
                    .session()
                    .deadline()
                    .is_some_and(|deadline| deadline <= now) =>
            {
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
            (Ok(wanted), Stage::Handshake(_, wants)) => *wants = wanted,
            (Ok(_), Stage::Talk(_)) => {}
            (Err(error), _) => {
                log::debug!("{}: no handshake: {error}", self.peer);
                self.end_now();
            }
        }
        self.drive(hub, now);
    }

    /// A lent transfer is back.
    pub(crate) fn lent_home(&mut self, lent: Lent, burst: Burst, hub: &mut Hub, now: Instant) {
        let Lent {
            channel,
            mut transfer,
            file,
            ..
        } = lent;
        let moved = transfer.moved();
        if let Some(channel) = channel {
            self.channel = Some(channel);
        }
        if self.bulk == Bulk::LentUnwatched {
            self.reregister(hub);
        }
        self.file = file;
        match burst {
            Burst::Finished(end) => {
                let ahead = transfer.take_ahead();
                self.transfer = Some(transfer);
                self.bulk = Bulk::None;
                // The burst may have left input behind without asking to the end.
                self.ready = Ready {
                    readable: true,
                    writable: true,
                };
                self.talk(hub, now, |conversation, effects| {
                    conversation.transfer_ended(now, end, moved, &ahead, effects);
                });
            }
            unfinished => {
                self.transfer = Some(transfer);
                self.bulk = match (unfinished, self.bulk) {
                    (_, Bulk::Hashing) | (Burst::BudgetSpent, _) => Bulk::Due,
                    (Burst::WantsRead, _) => Bulk::WantsRead,
                    _ => Bulk::WantsWrite,
                };
                self.tell_progress(moved, hub, now);
            }
        }
        self.drive(hub, now);
    }

    /// A job is back.
    pub(crate) fn performed(
        &mut self,
        id: JobId,
        performed: Performed,
        hub: &mut Hub,
        now: Instant,
    ) {
        match performed {
            Performed::Later { order, why, evict } => {
                if now.duration_since(order.since) < PATIENCE {
                    hub.retry_later(self.id, id, order, evict, now);
                    return;
                }
                let refused = Event::Completed(id, Completion::Refused(why));
                self.talk(hub, now, |conversation, effects| {
                    conversation.handle(now, refused, effects);
                });
            }
            Performed::Done {
                completion,
                file,
                lodged,
            } => {
                if file.is_some() {
                    self.file = file;
                }
                self.note_lodging(lodged, &completion, hub);
                self.talk(hub, now, |conversation, effects| {
                    conversation.handle(now, Event::Completed(id, completion), effects);
                });
            }
        }
        self.drive(hub, now);
    }

    fn note_lodging(&mut self, lodged: Option<Lodged>, completion: &Completion, hub: &mut Hub) {
        match (&self.stage, lodged) {
            (_, Some(lodged)) => {
                if lodged.home.needs_scan() {
                    let ticket = Ticket {
                        class: Class::Long,
                        device: Some(lodged.device),
                    };
                    hub.pool
                        .submit(ticket, Errand::Scan(Arc::clone(&lodged.home)));
                }
                hub.keep_swept(&lodged);
                self.lodged = Some(lodged);
            }
            (Stage::Talk(conversation), None)
                if self.admitted == Admitted::Yes
                    && conversation.session().account().is_none()
                    && matches!(completion, Completion::Refused(_)) =>
            {
                hub.guard.unadmit(&self.user);
                self.admitted = Admitted::No;
            }
            _ => {}
        }
    }

    fn begin_talk(&mut self, hub: &mut Hub, now: Instant) {
        let Some(channel) = &mut self.channel else {
            return;
        };
        let binding = match channel.tls() {
            None => Some(Binding::None),
            Some(tls) => crate::tls::binding(tls).map(Binding::TlsExporter),
        };
        let setup = binding.and_then(|binding| hub.setup(binding));
        match setup {
            Some(setup) => self.stage = Stage::Talk(Box::new(Conversation::new(now, setup))),
            None => self.end_now(),
        }
        self.ready.readable = true;
        self.arm(hub);
    }

    /// Does all that can be done now.
    fn drive(&mut self, hub: &mut Hub, now: Instant) {
        if let Stage::Handshake(_, wants) = self.stage {
            self.drive_handshake(wants, hub, now);
            return;
        }
        self.flush(hub, now);
        self.lend_when_due(hub);
        let mut reads = 0;
        while self.may_read() {
            if reads == READS_PER_TURN {
                hub.again.push(self.id);
                break;
            }
            reads += 1;
            self.read(hub, now);
            self.flush(hub, now);
            self.lend_when_due(hub);
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
            && self.channel.is_some()
            && matches!(self.bulk, Bulk::None | Bulk::Hashing)
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
            Ok(count) => self.talk(hub, now, |conversation, effects| {
                conversation.receive(now, &buf[..count], effects);
            }),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.ready.readable = false,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => self.peer_closed(hub, now),
        }
        hub.line_buffer = buf;
    }

    fn peer_closed(&mut self, hub: &mut Hub, now: Instant) {
        self.talk(hub, now, |conversation, effects| {
            conversation.handle(now, Event::PeerClosed, effects);
        });
        self.end_now();
    }

    fn flush(&mut self, hub: &mut Hub, now: Instant) {
        let (Some(channel), Stage::Talk(conversation)) = (&mut self.channel, &mut self.stage)
        else {
            return;
        };
        let was_full = !conversation.wants_input();
        match channel.write_out(conversation.outbox()) {
            Ok(()) => {
                if let Ending::AfterWords(_) = self.ending {
                    channel.close();
                    self.end_now();
                } else if was_full {
                    self.talk(hub, now, |conversation, effects| {
                        conversation.resume(now, effects)
                    });
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.ready.writable = false,
            Err(_) => self.peer_closed(hub, now),
        }
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
        for effect in effects.drain(..) {
            self.perform(effect, hub, now);
        }
        hub.effects = effects;
    }

    fn perform(&mut self, effect: Effect, hub: &mut Hub, now: Instant) {
        match effect {
            Effect::Work(id, job) => self.order(id, job, hub, now),
            Effect::Begin(task) => self.begin(task, hub),
            Effect::StopTransfer => {
                self.stop.store(true, Ordering::Relaxed);
                if matches!(self.bulk, Bulk::WantsRead | Bulk::WantsWrite) {
                    self.bulk = Bulk::Due;
                }
            }
            Effect::LoginFailed { user } => {
                hub.guard.strike(self.peer.ip(), now);
                hub.log.login_failed(self.peer.ip(), user.as_bytes());
            }
            Effect::ChangedOnDisk { path } => {
                log::warn!("changed on disk: {path} of {}", self.user);
            }
            Effect::Log(line) => hub
                .log
                .record(logging::record(self.peer, &self.user, *line, now)),
            Effect::Close => self.end_after_words(now),
            // The conversation wrote it to its outbox.
            Effect::Reply(_) => {}
        }
    }

    fn order(&mut self, id: JobId, job: Job, hub: &mut Hub, now: Instant) {
        match &job {
            Job::FindAccount { user } => self.user.clone_from(user),
            Job::OpenHome if !hub.guard.admit(&self.user) => {
                let completion = Completion::Refused(Refusal::TooManySessions);
                self.talk(hub, now, |conversation, effects| {
                    conversation.handle(now, Event::Completed(id, completion), effects);
                });
                return;
            }
            Job::OpenHome => self.admitted = Admitted::Yes,
            Job::OpenDownload { .. } | Job::OpenUpload { .. } | Job::OpenListing { .. } => {
                self.transfer = None;
            }
            _ => {}
        }
        let file = if takes_file(&job) {
            self.file.take()
        } else {
            None
        };
        let home = self.lodged.as_ref().map(|lodged| Arc::clone(&lodged.home));
        let owner = self.id.number();
        let order = Order {
            job,
            user: self.user.clone(),
            home,
            file,
            owner,
            since: now,
        };
        hub.submit_order(self.id, id, order, self.device());
    }

    fn begin(&mut self, task: Task, hub: &mut Hub) {
        let Stage::Talk(conversation) = &mut self.stage else {
            return;
        };
        let ahead = if task.needs_lane() {
            conversation.take_ahead()
        } else {
            Vec::new()
        };
        self.transfer.get_or_insert_default().begin(task, ahead);
        self.stop = Arc::default();
        self.heard = 0;
        self.bulk = Bulk::Due;
        if !task.needs_lane() {
            self.lend_digest(hub);
        }
    }

    fn lend_when_due(&mut self, hub: &mut Hub) {
        let due = match self.bulk {
            Bulk::Due => true,
            Bulk::WantsRead => self.ready.readable,
            // Input may be the line that stops it.
            Bulk::WantsWrite => self.ready.writable || self.ready.readable,
            Bulk::None | Bulk::LentWatched | Bulk::LentUnwatched | Bulk::Hashing => false,
        };
        if !due || self.ending == Ending::Now {
            return;
        }
        if self
            .transfer
            .as_ref()
            .is_some_and(|transfer| transfer.is_digesting())
        {
            self.lend_digest(hub);
        } else if self.replies_are_out() {
            self.lend(hub);
        }
    }

    fn replies_are_out(&mut self) -> bool {
        match &mut self.stage {
            Stage::Talk(conversation) => conversation.outbox().is_empty(),
            Stage::Handshake(..) => false,
        }
    }

    fn lend(&mut self, hub: &mut Hub) {
        let (Some(channel), Some(transfer)) = (self.channel.take(), self.transfer.take()) else {
            return;
        };
        self.ready = Ready::default();
        self.bulk = if transfer.is_reading() {
            deregister(&hub.registry, &self.socket);
            Bulk::LentUnwatched
        } else {
            Bulk::LentWatched
        };
        self.submit(Some(channel), transfer, hub);
    }

    fn lend_digest(&mut self, hub: &mut Hub) {
        if let Some(transfer) = self.transfer.take() {
            self.bulk = Bulk::Hashing;
            self.submit(None, transfer, hub);
        }
    }

    fn submit(&mut self, channel: Option<Channel>, transfer: Box<Transfer>, hub: &mut Hub) {
        let (file, stop) = (self.file.take(), Arc::clone(&self.stop));
        let lent = Box::new(Lent {
            channel,
            transfer,
            file,
            stop,
        });
        let ticket = self.ticket(Class::Burst);
        hub.pool.submit(
            ticket,
            Errand::Burst {
                connection: self.id,
                lent,
            },
        );
    }

    fn tell_progress(&mut self, moved: u64, hub: &mut Hub, now: Instant) {
        if moved == self.heard {
            return;
        }
        self.heard = moved;
        self.talk(hub, now, |conversation, effects| {
            conversation.handle(now, Event::Progress { done: moved }, effects);
        });
    }

    /// A socket that was taken out reports anew what it is when it is put in.
    fn reregister(&mut self, hub: &mut Hub) {
        if let Err(error) = register(&hub.registry, &self.socket, self.id) {
            log::error!("{}: cannot be watched: {error}", self.peer);
            self.end_now();
        }
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
    }

    fn arm(&mut self, hub: &mut Hub) {
        let due = match (&self.stage, self.ending) {
            (_, Ending::Now) => None,
            (_, Ending::AfterWords(until)) => Some(until),
            (Stage::Handshake(until, _), Ending::No) => Some(*until),
            (Stage::Talk(conversation), Ending::No) => conversation.session().deadline(),
        };
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
    registry.register(&mut SourceFd(&socket.as_raw_fd()), id.token(), both)
}

fn deregister(registry: &Registry, socket: &TcpStream) {
    if let Err(error) = registry.deregister(&mut SourceFd(&socket.as_raw_fd())) {
        log::error!("a socket cannot be taken out of the poll: {error}");
    }
}
