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

use self::data::DataConnection;
use crate::event_loop::deadlines::Scheduled;
use crate::event_loop::listener::Protocol;
use crate::event_loop::shared::Shared;
use crate::transport::channel::{Channel, Handshake};
use crate::transport::ids::{ConnectionId, Socket};
use crate::workers::jobs::OpenHome;
use crate::workers::open_file::OpenFile;
use crate::workers::schedule::{Class, WorkKind};
use crate::workers::work_item::WorkItem;

/// Reads of one connection per wake-up, so that a busy peer lets others in.
const READS_PER_TURN: usize = 8;

pub(crate) struct Connection {
    pub(crate) id: ConnectionId,
    pub(crate) peer: SocketAddr,
    protocol: Protocol,
    socket: Arc<TcpStream>,
    /// `None` while it is lent.
    channel: Option<Channel>,
    data: DataConnection,
    stage: Stage,
    start_tls: StartTls,
    peer_input: PeerInput,
    ready: Ready,
    bulk: Bulk,
    /// Of the transfer under way.
    route: Route,
    transfer: Option<Box<Transfer>>,
    /// The transfer's bytes that the session has heard of.
    reported: u64,
    file: Option<OpenFile>,
    stop: Arc<AtomicBool>,
    open_home: Option<OpenHome>,
    /// Whose login is under way, or done.
    user: String,
    /// He counts as one of his sessions.
    admitted: Admitted,
    ending: Ending,
    scheduled: Scheduled,
}

enum Stage {
    /// Until then; what it waits for.
    Handshake(Instant, Handshake),
    Conversing(Box<Conversation>),
    /// A handshake in the middle of a conversation, which goes on behind it.
    StartingTls(Handshake, Box<Conversation>),
}

/// Whether the channel goes under TLS once the replies are out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum StartTls {
    No,
    Due,
}

/// Whether the peer may still say something.
#[derive(Clone, Copy, PartialEq, Eq)]
enum PeerInput {
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
    LentRegistered,
    /// At a worker, with the channel, out of the poll: a reading lane would
    /// wake the reactor for every packet.
    LentDeregistered,
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
    AfterReplies(Instant),
    /// Once nothing is lent.
    Now,
}

impl Connection {
    /// Registers the socket; the first event finds the rest.
    pub(crate) fn new(
        id: ConnectionId,
        peer: SocketAddr,
        socket: TcpStream,
        protocol: Protocol,
        shared: &mut Shared,
        now: Instant,
    ) -> io::Result<Self> {
        // Small replies must not wait for the peer's acknowledgement (RFC 896).
        socket.set_nodelay(true)?;
        let socket = Arc::new(socket);
        let mut data = DataConnection::default();
        let tls = match protocol {
            Protocol::Native => shared.secure()?,
            Protocol::Ftp => None,
            Protocol::FtpOverTls => Some(shared.secure_ftp(&mut data.tag)?),
        };
        if protocol != Protocol::Native {
            // ABOR may come as urgent data, whose last byte would not be in the
            // stream (RFC 1123 section 4.1.3.2).
            set_socket_oobinline(&socket, true)?;
        }
        let channel = Channel::new(Arc::clone(&socket), tls);
        register(&shared.registry, &socket, id)?;
        let mut connection = Self {
            id,
            peer,
            socket,
            channel: Some(channel),
            protocol,
            data,
            start_tls: StartTls::No,
            peer_input: PeerInput::Open,
            stage: Stage::Handshake(now + shared.limits.login, Handshake::WantsRead),
            ready: Ready::default(),
            bulk: Bulk::None,
            route: Route::Nowhere,
            transfer: None,
            reported: 0,
            file: None,
            stop: Arc::default(),
            open_home: None,
            user: String::new(),
            admitted: Admitted::No,
            ending: Ending::No,
            scheduled: Scheduled::default(),
        };
        if protocol == Protocol::Ftp {
            connection.begin_conversation(shared, now);
            connection.ready.writable = true;
            connection.drive(shared, now);
        }
        connection.arm_deadline(shared);
        Ok(connection)
    }

    /// It may be forgotten.
    pub(crate) fn is_over(&self) -> bool {
        let lent = matches!(
            self.bulk,
            Bulk::LentRegistered | Bulk::LentDeregistered | Bulk::Hashing
        );
        self.ending == Ending::Now && self.channel.is_some() && !lent
    }

    /// Gives back what was counted, and puts the file away.
    pub(crate) fn leave(mut self, shared: &mut Shared) {
        self.close_data(shared);
        let user = (self.admitted == Admitted::Yes).then_some(self.user.as_str());
        shared.admission.leave(self.peer.ip(), user);
        if let Some(file) = self.file.take() {
            let kind = self.kind(Class::Short);
            shared.pool.submit(kind, WorkItem::CloseFile(file));
        }
    }

    fn device(&self) -> Option<u64> {
        self.open_home.as_ref().map(|open_home| open_home.device)
    }

    fn kind(&self, class: Class) -> WorkKind {
        WorkKind {
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
