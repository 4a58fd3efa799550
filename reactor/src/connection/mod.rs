//! One peer: its channel at home or lent, its conversation, its open file. What
//! the conversation decides is performed here; nothing here blocks.

mod bulk;
mod control;
mod data;

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use mio::net::TcpStream;
use mio::unix::SourceFd;
use mio::{Interest, Registry};
use rustix::net::sockopt::set_socket_oobinline;
use skiff_sessions::conversation::Conversation;
use skiff_sessions::transfer::{Route, Transfer};

use self::data::DataSide;
use crate::event_loop::deadlines::Asked;
use crate::event_loop::listener::Speech;
use crate::event_loop::shared::Hub;
use crate::transport::channel::{Channel, Handshake};
use crate::transport::ids::{ConnectionId, Socket};
use crate::workers::jobs::Lodged;
use crate::workers::open_file::OpenFile;
use crate::workers::schedule::{Class, Ticket};
use crate::workers::work_item::Errand;

/// Reads of one connection per wake-up, so that a busy peer lets others in.
const READS_PER_TURN: usize = 8;

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
