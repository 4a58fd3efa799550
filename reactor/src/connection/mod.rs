//! One connection: a peer's channel, its conversation (codec and session), its open file and its
//! transfer.
//!
//! Here the effects that a session decides are performed: `control` drives the control connection,
//! `data` the FTP data connection, `choosing` its TLS and who it is with, `bulk` the jobs and transfers lent to workers, `operator` what
//! the operator sees and does. What connections share stands in `event_loop`; nothing here blocks.

mod access_log;
mod account_changes;
mod bulk;
mod candidates;
mod choosing;
mod control;
mod data;
mod data_tls;
mod login;
mod operator;
mod pace;
mod places;
mod rates;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::unix::SourceFd;
use mio::{Interest, Registry};
use rustix::net::sockopt::set_socket_oobinline;
use skiff_sessions::conversation::Conversation;
use skiff_sessions::server::job::KeptBecause;
use skiff_sessions::server::{TlsPolicy, Unread};
use skiff_sessions::transfer::{Route, Transfer};
use skiff_sessions::wire::reply::CloseReason;

use self::account_changes::Standing;
use self::data::DataConnection;
use self::pace::Pace;
use crate::accesslog::client::{Client, Dialect, TlsVersion};
use crate::event_loop::admission::Place;
use crate::event_loop::deadlines::Scheduled;
use crate::event_loop::listener::Protocol;
use crate::event_loop::rates::SessionRates;
use crate::event_loop::shared::Shared;
use crate::tls::clients::ClientCertificate;
use crate::transport::channel::{Channel, Handshake};
use crate::transport::ids::{ConnectionId, Socket};
use crate::workers::hooked::HookedFile;
use crate::workers::jobs::OpenHome;
use crate::workers::open_file::OpenFile;
use crate::workers::schedule::{AccountNumber, Class, Device, WorkKind};
use crate::workers::work_item::WorkItem;

/// Reads of one connection in one turn of the loop, so that a busy peer lets others in.
const READS_PER_TURN: usize = 8;

/// How long the handshake of a peer may take that is only told why it is refused.
const REFUSED_HANDSHAKE: Duration = Duration::from_secs(5);
/// How long the end of the daemon waits for a handshake, so that its peer can be told.
const LEAVING_HANDSHAKE: Duration = Duration::from_secs(2);

pub(crate) struct Connection {
    pub(crate) id: ConnectionId,
    pub(crate) peer: SocketAddr,
    /// Its number in the log.
    number: u64,
    protocol: Protocol,
    /// Boxed, so that a client of one's own does not pay for it.
    proxy: Option<Box<Proxy>>,
    policy: TlsPolicy,
    tls: TlsVersion,
    socket: Arc<TcpStream>,
    /// `None` while the channel is lent to a worker.
    channel: Option<Channel>,
    data: DataConnection,
    stage: Stage,
    start_tls: StartTls,
    peer_input: PeerInput,
    ready: Ready,
    bulk: Bulk,
    /// The channel that the transfer under way uses.
    route: Route,
    transfer: Option<Box<Transfer>>,
    /// That of the latest transfer.
    pace: Option<Box<Pace>>,
    /// What holds its transfers back; `None` where nothing does.
    rates: Option<Box<SessionRates>>,
    file: Option<OpenFile>,
    /// What hooks are to be told of it.
    hooked: Option<Arc<HookedFile>>,
    /// Why the upload under way ends with the session.
    interrupted: Option<KeptBecause>,
    stop: Arc<AtomicBool>,
    open_home: Option<OpenHome>,
    /// The user whose login is under way or done; empty before.
    user: String,
    standing: Standing,
    /// What the client has shown in the handshake of the control connection.
    certificate: Option<Arc<ClientCertificate>>,
    /// On whose account the session's work is done.
    account: AccountNumber,
    /// As what the session is counted.
    place: Place,
    ending: Ending,
    /// When the connection is closed whatever is still to be said; `None` where nobody wants it to go.
    leave_by: Option<Instant>,
    /// What a peer is told after the handshake that is under way.
    leaving: Option<CloseReason>,
    /// When the peer last sent or took something.
    active_at: Instant,
    scheduled: Scheduled,
}

enum Stage {
    /// The first TLS handshake: its deadline, and the readiness it waits for.
    Handshake(Instant, Handshake),
    Conversing(Box<Conversation>),
    /// The handshake of AUTH TLS; the conversation goes on behind it.
    StartingTls(Handshake, Box<Conversation>),
}

/// Whether the channel switches to TLS once the replies are out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum StartTls {
    No,
    Due,
}

/// Whether the peer can still send.
#[derive(Clone, Copy, PartialEq, Eq)]
enum PeerInput {
    Open,
    /// The peer's end was read; the session finishes what it has.
    Ended,
}

/// Readiness of a socket. Sticky: set by events, also while the channel is lent; cleared when the
/// channel is lent or returns `WouldBlock`, never when it comes back.
#[derive(Clone, Copy, Default)]
pub(crate) struct Ready {
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    /// The end of the stream, or an error, follows what can be read.
    pub(crate) ended: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Bulk {
    None,
    /// The transfer has begun and is lent once the replies are out.
    Due,
    /// Parked until the socket is readable.
    WantsRead,
    WantsWrite,
    /// Lent with the channel; the socket stays registered and its readiness is noted.
    LentRegistered,
    /// Lent with the channel, which is out of the poll: a receiving channel would wake the reactor
    /// for every packet.
    LentDeregistered,
    /// Lent without a channel, to hash a file.
    Hashing,
}

/// What a client has connected through.
#[derive(Clone, Copy)]
pub(crate) struct Proxy {
    pub(crate) address: IpAddr,
    /// The address of the proxy's that the client has connected to.
    pub(crate) called: IpAddr,
}

/// Where a connection comes from.
#[derive(Clone, Copy)]
pub(crate) struct Origin {
    pub(crate) peer: SocketAddr,
    pub(crate) protocol: Protocol,
    /// `None` where it has connected by itself.
    pub(crate) proxy: Option<Proxy>,
    /// What the operator demands of it, if it speaks FTP.
    pub(crate) tls: TlsPolicy,
    /// Its number in the log.
    pub(crate) number: u64,
}

impl Origin {
    /// As the log names it before any TLS.
    pub(crate) fn client(self) -> Client {
        Client {
            session: self.number,
            peer: self.peer,
            dialect: match self.protocol {
                Protocol::Native => Dialect::Native,
                Protocol::Ftp | Protocol::FtpOverTls => Dialect::Ftp,
            },
            tls: TlsVersion::Clear,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    No,
    /// Closes once the replies are out, or at this time.
    AfterReplies(Instant, Unread),
    /// Everything is sent and the sending side is shut down. Input is dropped until the peer's end,
    /// or this time.
    Draining(Instant),
    /// Closes once nothing is lent.
    Now,
}

impl Connection {
    /// Registers the socket with the poll. An FTP session begins at once, because the server speaks
    /// first (RFC 959 section 5.4); the others wait for the first event.
    pub(crate) fn new(
        id: ConnectionId,
        origin: Origin,
        socket: TcpStream,
        place: Place,
        shared: &mut Shared,
        now: Instant,
    ) -> io::Result<Self> {
        let (peer, protocol) = (origin.peer, origin.protocol);
        // Small replies must not wait for the acknowledgement of the one before (RFC 896).
        socket.set_nodelay(true)?;
        let (socket, mut data) = (Arc::new(socket), DataConnection::default());
        let tls = match protocol {
            Protocol::Native => shared.secure()?,
            Protocol::Ftp | Protocol::FtpOverTls => None,
        };
        let mut channel = Channel::new(Arc::clone(&socket), tls);
        if protocol == Protocol::FtpOverTls {
            shared.secure_ftp(&mut channel, None, &mut data.resumption)?;
        }
        if protocol != Protocol::Native {
            // ABOR may arrive as urgent data, whose last byte would not be in the stream (RFC 1123
            // section 4.1.3.2).
            set_socket_oobinline(&socket, true)?;
        }
        register(&shared.registry, &socket, id)?;
        let mut connection = Self {
            id,
            peer,
            number: origin.number,
            proxy: origin.proxy.map(Box::new),
            policy: origin.tls,
            tls: TlsVersion::Clear,
            socket,
            channel: Some(channel),
            protocol,
            data,
            start_tls: StartTls::No,
            peer_input: PeerInput::Open,
            stage: Stage::Handshake(now + patience(place, shared), Handshake::WantsRead),
            ready: Ready::default(),
            bulk: Bulk::None,
            route: Route::None,
            transfer: None,
            pace: None,
            rates: None,
            file: None,
            hooked: None,
            interrupted: None,
            stop: Arc::default(),
            open_home: None,
            user: String::new(),
            standing: Standing::default(),
            certificate: None,
            account: shared.account_numbers.of_network(peer.ip()),
            place,
            ending: Ending::No,
            leave_by: None,
            leaving: None,
            active_at: now,
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

    /// True once the channel is home and nothing is lent: the slab may drop the connection.
    pub(crate) fn is_over(&self) -> bool {
        let lent = matches!(
            self.bulk,
            Bulk::LentRegistered | Bulk::LentDeregistered | Bulk::Hashing
        );
        self.ending == Ending::Now && self.channel.is_some() && !lent
    }

    /// Uncounts the session, closes the data connection, and has a worker close the open file.
    pub(crate) fn leave(mut self, shared: &mut Shared) {
        self.close_data(shared);
        shared.counters.session_ended(self.dialect());
        shared.deadlines.forget(self.id, &mut self.scheduled);
        shared
            .admission
            .leave(self.peer.ip(), &self.user, self.place);
        self.log_last_line(shared);
        if let Some(file) = self.file.take() {
            let kind = self.kind(Class::Short);
            shared
                .pool
                .submit(kind, WorkItem::CloseFile(file, self.interrupted));
        }
    }

    pub(crate) fn dialect(&self) -> Dialect {
        self.logged_as().dialect
    }

    fn device(&self) -> Option<Device> {
        let open_home = self.open_home.as_ref()?;
        let of_home = Device::Number(open_home.device);
        Some(open_home.file_device.unwrap_or(of_home))
    }

    fn kind(&self, class: Class) -> WorkKind {
        WorkKind {
            class,
            device: self.device(),
            account: self.account,
        }
    }

    /// That of a handshake, which touches no home.
    fn handshake_kind(&self) -> WorkKind {
        WorkKind {
            class: Class::Crypt,
            device: None,
            account: self.account,
        }
    }
}

/// How long the first handshake may take.
fn patience(place: Place, shared: &Shared) -> Duration {
    match place {
        Place::Refused(_) => REFUSED_HANDSHAKE,
        _ => shared.limits.login,
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
