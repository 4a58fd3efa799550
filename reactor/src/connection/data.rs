//! Drives an FTP session's data connection: opened by PASV or PORT, secured by TLS, lent to
//! workers, and closed. Its socket is in the poll only while something waits for it.

use std::io::{self, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::net::{TcpListener, TcpStream};
use mio::unix::SourceFd;
use mio::{Interest, Registry};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with};
use skiff_sessions::server::{DataEvent, DataMode, Direction, Event, NoPort};
use skiff_sessions::transfer::End;
use skiff_sessions::wire::command::PassiveForm;

use super::candidates::{CANDIDATES_MAX, Habit};
use super::choosing::Choosing;
use super::{Connection, Ready};
use crate::endpoints::passive_ports::{NoPassivePort, PortWanted};
use crate::event_loop::shared::Shared;
use crate::tls::ftp::SessionResumption;
use crate::transport::channel::Channel;
use crate::transport::ids::{ConnectionId, Socket};

/// How long the peer's close_notify or end of stream is awaited after ours.
const CLOSE_NOTIFY_WAIT: Duration = Duration::from_secs(2);
/// How long the input of a refused upload is discarded, so that the client reads the reply.
const REFUSED_UPLOAD_WAIT: Duration = Duration::from_secs(5);
/// Discarding reads in one turn of the loop.
const DISCARDED_READS_MAX: usize = 16;
/// Connections from other addresses that are closed in one turn of the loop.
const FOREIGN_PEERS_MAX: usize = 64;
/// How long after PASV strangers at the port begin to be turned away. A client whose command comes
/// at once costs nothing more.
const WATCH_AFTER: Duration = Duration::from_millis(100);

#[derive(Default)]
pub(super) struct DataConnection {
    pub(super) state: State,
    pub(super) ready: Ready,
    registered: Registered,
    /// The direction of the transfer under way.
    pub(super) direction: Option<Direction>,
    /// What the data connections of this session resume, once its control connection has TLS.
    pub(super) resumption: Option<SessionResumption>,
    /// What the client has named by HOST, until TLS begins.
    pub(super) host: Option<Arc<str>>,
    /// How its data connections have begun so far.
    pub(super) habit: Habit,
    /// The port of a connection that has come and may turn out to be another's.
    pub(super) open_port: Option<OpenPort>,
    port: Lease,
    strangers: Strangers,
    /// The local address of the control connection, once asked for.
    local: Option<IpAddr>,
}

#[derive(Default)]
pub(super) enum State {
    #[default]
    None,
    /// No command has asked for the client's connection yet. From that time on strangers are turned
    /// away all the same: they would fill the backlog, and the client could not connect.
    Listening(TcpListener, Instant),
    /// These came from the client's address before its command.
    Watching(TcpListener, Vec<TcpStream>),
    /// The client's connection is awaited.
    Accepting(TcpListener),
    Connecting(TcpStream),
    /// Open, and not lent.
    Open(Channel),
    /// Between the handshakes of those that may be the client's.
    Choosing(Box<Choosing>),
    /// Lent to a worker.
    Lent(Arc<TcpStream>),
    /// Everything was sent; the peer's end is awaited until this time.
    Closing(Channel, Instant),
}

/// Whether the socket is registered with the poll.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Registered {
    #[default]
    No,
    Yes,
}

/// Whether connections from other addresses came to the port.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Strangers {
    #[default]
    None,
    Logged,
}

/// Whether the session holds a passive port.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Lease {
    #[default]
    None,
    Held,
}

/// A port at which others from the client's address may still come.
#[derive(Default)]
pub(super) struct OpenPort {
    pub(super) listener: Option<TcpListener>,
    pub(super) arrived: Vec<TcpStream>,
}

/// What accepting at a port came to.
pub(super) enum Arrival {
    Client(TcpStream),
    Nobody,
    /// So many strangers that the turn of the loop is over.
    More,
    Failed(io::Error),
}

impl Connection {
    /// Opens a passive port for the next data connection (PASV, EPSV).
    pub(super) fn open_passive_port(
        &mut self,
        form: PassiveForm,
        shared: &mut Shared,
        now: Instant,
    ) {
        self.close_data(shared);
        let local = self.local_ip();
        let called = self.proxy.as_ref().map_or(local, |proxy| proxy.called);
        let opened = match &mut shared.ftp {
            Some(ftp) => ftp.passive.open(PortWanted {
                user: &self.user,
                local,
                called,
                client: self.peer.ip(),
            }),
            None => Err(io::Error::from(io::ErrorKind::Unsupported).into()),
        };
        let address = match opened {
            Ok((listener, address)) => {
                self.data.state = State::Listening(listener, now + WATCH_AFTER);
                self.data.port = Lease::Held;
                self.data.strangers = Strangers::None;
                Ok(address)
            }
            Err(error) => {
                let (peer, user) = (self.peer, &self.user);
                log::warn!("{peer}: no port for a data connection of {user}: {error}");
                Err(match error {
                    NoPassivePort::ShareTaken { most, .. } => NoPort::ShareTaken { most },
                    NoPassivePort::Io(_) => NoPort::NoneFree,
                })
            }
        };
        self.notify(Event::Listening(form, address), shared, now);
    }

    pub(super) fn open_data(&mut self, mode: DataMode, shared: &mut Shared, now: Instant) {
        match (mode, std::mem::take(&mut self.data.state)) {
            (DataMode::Accept, State::Listening(listener, _)) => {
                self.data.state = State::Accepting(listener);
                self.accept_data(shared, now);
            }
            (DataMode::Accept, State::Watching(listener, arrived)) if arrived.is_empty() => {
                self.data.state = State::Accepting(listener);
                self.accept_data(shared, now);
            }
            (DataMode::Accept, State::Watching(listener, mut arrived)) => {
                let first = arrived.remove(0);
                self.data.state = State::Watching(listener, arrived);
                self.data_accepted(first, shared, now);
            }
            (DataMode::Connect(address), _) => self.connect_to_client(address, shared, now),
            (DataMode::Accept, _) => self.notify(Event::Data(DataEvent::NotOpened), shared, now),
        }
    }

    /// Accepts a connection from the client's own address and closes all others (RFC 2577 section
    /// 4).
    fn accept_data(&mut self, shared: &mut Shared, now: Instant) {
        self.data.ready.readable = false;
        let (State::Accepting(listener) | State::Watching(listener, _)) = &self.data.state else {
            return;
        };
        let (strangers, arrival) = next_arrival(listener, &self.data_peers());
        self.turn_away(strangers);
        match (arrival, &mut self.data.state) {
            (Arrival::Client(socket), State::Watching(_, arrived)) => {
                if arrived.len() >= CANDIDATES_MAX {
                    // Whoever comes first, the client finds room.
                    arrived.remove(1);
                }
                arrived.push(socket);
                self.data.ready.readable = true;
                shared.unfinished.push(self.id);
            }
            (Arrival::Client(socket), _) => self.data_accepted(socket, shared, now),
            (Arrival::Nobody, _) => self.register_data(shared),
            (Arrival::Failed(error), _) => {
                log::info!("{}: no data connection: {error}", self.peer);
                self.data_failed(DataEvent::NotOpened, shared, now);
            }
            (Arrival::More, _) => {
                // An edge-triggered poll would not report them again.
                self.data.ready.readable = true;
                shared.unfinished.push(self.id);
            }
        }
    }

    /// Opens the data connection; the port stays open for those that may be the client all the same.
    fn data_accepted(&mut self, socket: TcpStream, shared: &mut Shared, now: Instant) {
        let (listener, arrived) = match self.deregister_data(shared) {
            State::Accepting(listener) => (Some(listener), Vec::new()),
            State::Watching(listener, arrived) => (Some(listener), arrived),
            _ => (None, Vec::new()),
        };
        self.data.open_port = Some(OpenPort { listener, arrived });
        self.data_opened(socket, shared, now);
    }

    /// Logs the first stranger at a port; there may be many.
    pub(super) fn turn_away(&mut self, stranger: Option<SocketAddr>) {
        let Some(stranger) = stranger else { return };
        if self.data.strangers == Strangers::None {
            let client = self.peer.ip();
            log::warn!("{stranger} came to a port that waits for {client}, and perhaps others");
            self.data.strangers = Strangers::Logged;
        }
    }

    /// Handles the time that [`Self::data_deadline`] named.
    pub(super) fn on_data_due(&mut self, shared: &mut Shared, now: Instant) {
        match std::mem::take(&mut self.data.state) {
            State::Listening(listener, _) => {
                self.data.state = State::Watching(listener, Vec::new());
                self.accept_data(shared, now);
            }
            choosing @ State::Choosing(_) => {
                self.data.state = choosing;
                self.choose(shared, now);
                self.drive(shared, now);
            }
            other => {
                self.data.state = other;
                self.close_data(shared);
            }
        }
    }

    fn connect_to_client(&mut self, address: SocketAddr, shared: &mut Shared, now: Instant) {
        // Which of our addresses reaches the client, and not the proxy, the system knows.
        let from = match (&self.proxy, address.is_ipv4()) {
            (None, _) => self.local_ip(),
            (Some(_), true) => Ipv4Addr::UNSPECIFIED.into(),
            (Some(_), false) => Ipv6Addr::UNSPECIFIED.into(),
        };
        match connect_from(from, address) {
            Ok(socket) => {
                self.data.state = State::Connecting(socket);
                self.register_data(shared);
            }
            Err(error) => {
                log::info!("{}: {address} cannot be called: {error}", self.peer);
                self.data_failed(DataEvent::NotOpened, shared, now);
            }
        }
    }

    fn data_opened(&mut self, socket: TcpStream, shared: &mut Shared, now: Instant) {
        self.data.ready = Ready::default();
        self.data.state = State::Open(Channel::new(Arc::new(socket), None));
        self.notify(Event::Data(DataEvent::Open), shared, now);
    }

    pub(super) fn data_failed(&mut self, why: DataEvent, shared: &mut Shared, now: Instant) {
        self.close_data(shared);
        self.notify(Event::Data(why), shared, now);
    }

    /// Handles readiness of the data socket, or of the listener it is accepted from.
    pub(crate) fn on_data_ready(&mut self, ready: Ready, shared: &mut Shared, now: Instant) {
        self.data.ready.readable |= ready.readable;
        self.data.ready.writable |= ready.writable;
        match std::mem::take(&mut self.data.state) {
            state @ (State::Accepting(_) | State::Watching(..)) => {
                self.data.state = state;
                self.accept_data(shared, now);
            }
            State::Connecting(socket) => self.data_connected(socket, shared, now),
            choosing @ State::Choosing(_) => {
                self.data.state = choosing;
                self.choose(shared, now);
            }
            State::Closing(channel, until) => self.await_close(channel, until, shared),
            other => self.data.state = other,
        }
        self.drive(shared, now);
    }

    /// Finishes connect(2), which has either a peer or an error by then (EINPROGRESS).
    fn data_connected(&mut self, socket: TcpStream, shared: &mut Shared, now: Instant) {
        match (socket.take_error(), socket.peer_addr()) {
            (Ok(None), Ok(_)) => {
                self.data.state = State::Connecting(socket);
                if let State::Connecting(socket) = self.deregister_data(shared) {
                    self.data_opened(socket, shared, now);
                }
            }
            (Ok(None), Err(error)) if error.kind() == io::ErrorKind::NotConnected => {
                self.data.state = State::Connecting(socket);
            }
            (Ok(Some(error)), _) | (_, Err(error)) | (Err(error), _) => {
                log::info!("{}: no data connection: {error}", self.peer);
                self.data_failed(DataEvent::NotOpened, shared, now);
            }
        }
    }

    /// Takes the channel for a burst.
    pub(super) fn lend_data(&mut self, shared: &mut Shared) -> Option<Channel> {
        match self.deregister_data(shared) {
            State::Open(channel) => {
                if !channel.is_proof_pending() {
                    self.data.open_port = None;
                }
                self.data.ready = Ready::default();
                self.data.state = State::Lent(Arc::clone(channel.socket()));
                Some(channel)
            }
            other => {
                self.data.state = other;
                None
            }
        }
    }

    /// True if `channel` is the one that is lent; it may have been given up meanwhile.
    pub(super) fn is_lent_data(&self, channel: &Channel) -> bool {
        matches!(&self.data.state, State::Lent(socket) if Arc::ptr_eq(socket, channel.socket()))
    }

    pub(super) fn is_data_open(&self) -> bool {
        matches!(self.data.state, State::Open(_))
    }

    /// Parks the channel after a burst until its socket is ready.
    pub(super) fn park_data(&mut self, channel: Channel, shared: &mut Shared) {
        self.data.state = State::Open(channel);
        self.register_data(shared);
    }

    /// Keeps the channel after a burst that is to be followed by another at once.
    pub(super) fn hold_data(&mut self, channel: Channel) {
        self.data.state = State::Open(channel);
    }

    /// Closes the channel after a transfer. Unread input would cause a reset, which discards what
    /// the peer has not read yet of a download under TLS, and hides the reply to a refused upload
    /// from some clients.
    pub(super) fn end_data(
        &mut self,
        mut channel: Channel,
        end: &End,
        shared: &mut Shared,
        now: Instant,
    ) {
        self.data.state = State::None;
        match (end, self.data.direction.take()) {
            (End::Complete { .. } | End::Stored { .. } | End::Ready { .. }, _)
                if channel.tls().is_some() =>
            {
                let _ = channel.socket().shutdown(Shutdown::Write);
                self.await_close(channel, now + CLOSE_NOTIFY_WAIT, shared);
            }
            (End::Truncated { .. }, _) => channel.end_tls(),
            (End::Refused(_), Some(Direction::FromPeer)) => {
                // Under TLS the client waits for this before it ends its side.
                channel.end_tls();
                self.await_close(channel, now + REFUSED_UPLOAD_WAIT, shared);
            }
            _ => {}
        }
        self.release_port(shared);
    }

    fn await_close(&mut self, channel: Channel, until: Instant, shared: &mut Shared) {
        for _ in 0..DISCARDED_READS_MAX {
            match (&**channel.socket()).read(&mut shared.line_buffer) {
                Ok(0) => return self.drop_data(shared),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.data.ready.readable = false;
                    self.data.state = State::Closing(channel, until);
                    return self.register_data(shared);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return self.drop_data(shared),
            }
        }
        self.data.ready.readable = true;
        self.data.state = State::Closing(channel, until);
        shared.unfinished.push(self.id);
    }

    /// Continues what one turn of the loop was too short for.
    pub(super) fn continue_data(&mut self, shared: &mut Shared, now: Instant) {
        if !self.data.ready.readable {
            return;
        }
        match std::mem::take(&mut self.data.state) {
            State::Closing(channel, until) => self.await_close(channel, until, shared),
            state @ (State::Accepting(_) | State::Watching(..)) => {
                self.data.state = state;
                self.accept_data(shared, now);
            }
            choosing @ State::Choosing(_) => {
                self.data.state = choosing;
                self.choose(shared, now);
            }
            other => self.data.state = other,
        }
    }

    /// When the peer's end is no longer awaited, or strangers are to be turned away, or nobody better
    /// is expected.
    pub(super) fn data_deadline(&self) -> Option<Instant> {
        match &self.data.state {
            State::Closing(_, until) | State::Listening(_, until) => Some(*until),
            State::Choosing(choosing) => choosing.due(),
            _ => None,
        }
    }

    /// Closes the data connection, in whatever state it is.
    pub(super) fn close_data(&mut self, shared: &mut Shared) {
        self.shut_down_data();
        self.drop_data(shared);
        self.release_port(shared);
    }

    /// Shuts down a lent socket, so that its burst ends.
    pub(super) fn shut_down_data(&self) {
        match &self.data.state {
            State::Lent(socket) => {
                let _ = socket.shutdown(Shutdown::Both);
            }
            State::Choosing(choosing) => choosing.shut_down(),
            _ => {}
        }
    }

    fn drop_data(&mut self, shared: &mut Shared) {
        drop(self.deregister_data(shared));
        self.data.ready = Ready::default();
    }

    fn release_port(&mut self, shared: &mut Shared) {
        self.data.open_port = None;
        if std::mem::take(&mut self.data.port) == Lease::Held
            && let Some(ftp) = &mut shared.ftp
        {
            ftp.passive.release(&self.user);
        }
    }

    fn register_data(&mut self, shared: &mut Shared) {
        if self.data.registered == Registered::Yes {
            return;
        }
        let Some(descriptor) = self.data.state.descriptor() else {
            return;
        };
        match register_socket(&shared.registry, descriptor, self.id) {
            Ok(()) => self.data.registered = Registered::Yes,
            Err(error) => {
                log::error!("{}: data cannot be watched: {error}", self.peer);
                self.end_now();
            }
        }
    }

    /// Takes the state, with its socket out of the poll.
    fn deregister_data(&mut self, shared: &mut Shared) -> State {
        let mut state = std::mem::take(&mut self.data.state);
        if let State::Choosing(choosing) = &mut state {
            choosing.unwatch(&shared.registry);
        }
        if std::mem::take(&mut self.data.registered) == Registered::Yes
            && let Some(descriptor) = state.descriptor()
            && let Err(error) = shared.registry.deregister(&mut SourceFd(&descriptor))
        {
            log::error!("a socket cannot be taken out of the poll: {error}");
        }
        state
    }

    /// Whence data connections may come.
    pub(super) fn data_peers(&self) -> DataPeers {
        DataPeers {
            client: self.peer.ip().to_canonical(),
            proxy: self.proxy.as_ref().map(|proxy| proxy.address),
        }
    }

    fn local_ip(&mut self) -> IpAddr {
        *self.data.local.get_or_insert_with(|| {
            let local = self.socket.local_addr();
            local
                .map_or_else(|_| self.peer.ip(), |local| local.ip())
                .to_canonical()
        })
    }
}

impl State {
    fn descriptor(&self) -> Option<i32> {
        match self {
            Self::Watching(listener, _) | Self::Accepting(listener) => Some(listener.as_raw_fd()),
            Self::Connecting(socket) => Some(socket.as_raw_fd()),
            Self::Open(channel) | Self::Closing(channel, _) => Some(channel.socket().as_raw_fd()),
            Self::None | Self::Listening(..) | Self::Choosing(_) | Self::Lent(_) => None,
        }
    }
}

/// The addresses of a session's client: its own, and the one of the proxy that it may come through.
pub(super) struct DataPeers {
    client: IpAddr,
    proxy: Option<IpAddr>,
}

impl DataPeers {
    fn include(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address == self.client || Some(address) == self.proxy
    }
}

/// Accepts until somebody comes from the client's address; also returns a stranger who was turned
/// away.
pub(super) fn next_arrival(
    listener: &TcpListener,
    clients: &DataPeers,
) -> (Option<SocketAddr>, Arrival) {
    let mut stranger = None;
    for _ in 0..FOREIGN_PEERS_MAX {
        match listener.accept() {
            Ok((socket, peer)) if clients.include(peer.ip()) => {
                return (stranger, Arrival::Client(socket));
            }
            Ok((_, peer)) => stranger = stranger.or(Some(peer)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return (stranger, Arrival::Nobody);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (stranger, Arrival::Failed(error)),
        }
    }
    (stranger, Arrival::More)
}

pub(super) fn register_socket(
    registry: &Registry,
    descriptor: i32,
    id: ConnectionId,
) -> io::Result<()> {
    let both = Interest::READABLE | Interest::WRITABLE;
    registry.register(&mut SourceFd(&descriptor), id.token(Socket::Data), both)
}

/// Begins a connection from the address that the client knows us by (RFC 959 section 3.2).
fn connect_from(from: IpAddr, to: SocketAddr) -> io::Result<TcpStream> {
    let family = if to.is_ipv4() {
        AddressFamily::INET
    } else {
        AddressFamily::INET6
    };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket: OwnedFd = socket_with(family, SocketType::STREAM, flags, None)?;
    bind(&socket, &SocketAddr::new(from, 0))?;
    match connect(&socket, &to) {
        Ok(()) | Err(Errno::INPROGRESS) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(TcpStream::from_std(socket.into()))
}
