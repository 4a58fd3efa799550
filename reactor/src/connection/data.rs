//! A session's data connection: a port or a call, then TLS, then a lane that is
//! lent like any other. It is in the poll only while somebody waits for it.

use std::io::{self, Read};
use std::net::{IpAddr, Shutdown, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::net::{TcpListener, TcpStream};
use mio::unix::SourceFd;
use mio::{Interest, Registry};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with};
use rustls::Connection as TlsConnection;
use skiff_conf::Resumption;
use skiff_sessions::server::{self, DataEvent, Direction, Event, Making};
use skiff_sessions::transfer::End;
use skiff_sessions::wire::command::PassiveForm;

use super::{Connection, Ready};
use crate::event_loop::shared::Hub;
use crate::tls::ftp::{Tag, Tickets};
use crate::transport::channel::{Channel, Handshake};
use crate::transport::ids::{ConnectionId, Socket};
use crate::workers::schedule::{Class, Ticket};
use crate::workers::work_item::Errand;

/// For a peer to say goodbye at the TLS layer after we did.
const LINGER: Duration = Duration::from_secs(2);
/// For a peer to notice that its upload was refused.
const UNDO: Duration = Duration::from_secs(5);
/// Reads of what nobody wants any more, per wake-up.
const WASTED_READS: usize = 16;
/// Strangers that are turned away at a port at a time.
const STRANGERS_MAX: usize = 16;

#[derive(Default)]
pub(super) struct DataSide {
    state: State,
    pub(super) ready: Ready,
    watched: Watched,
    /// Of the transfer under way.
    pub(super) direction: Option<Direction>,
    /// What this session's TLS tickets carry.
    pub(super) tag: Option<Tag>,
    port: Lease,
    /// The address that the client came to, once somebody asked.
    local: Option<IpAddr>,
}

#[derive(Default)]
enum State {
    #[default]
    None,
    Listening(TcpListener),
    /// The client is awaited at the port.
    Awaited(TcpListener),
    Calling(TcpStream),
    /// At home.
    Open(Channel),
    /// At home, in the middle of its handshake.
    Shaking(Channel),
    /// At a worker.
    Away(Arc<TcpStream>),
    /// All was sent; the peer's goodbye is awaited until then.
    Closing(Channel, Instant),
}

/// Whether the poll knows the socket.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Watched {
    #[default]
    No,
    Yes,
}

/// Whether the session counts as holding a port of the range.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Lease {
    #[default]
    None,
    Held,
}

impl Connection {
    /// PASV, EPSV: a port of its own for the next data connection.
    pub(super) fn listen(&mut self, form: PassiveForm, hub: &mut Hub, now: Instant) {
        self.close_data(hub);
        let local = self.local_ip();
        let opened = match &mut hub.ftp {
            Some(ftp) => ftp.passive.open(local, &self.user),
            None => Err(io::ErrorKind::Unsupported.into()),
        };
        let address = match opened {
            Ok((listener, address)) => {
                self.data.state = State::Listening(listener);
                self.data.port = Lease::Held;
                Some(address)
            }
            Err(error) => {
                log::warn!("{}: no port for a data connection: {error}", self.peer);
                None
            }
        };
        self.tell(Event::Listening(form, address), hub, now);
    }

    pub(super) fn open_data(&mut self, making: Making, hub: &mut Hub, now: Instant) {
        match (making, std::mem::take(&mut self.data.state)) {
            (Making::Accept, State::Listening(listener)) => {
                self.data.state = State::Awaited(listener);
                self.accept_data(hub, now);
            }
            (Making::Connect(address), _) => self.call(address, hub, now),
            (Making::Accept, _) => self.tell(Event::Data(DataEvent::NotOpened), hub, now),
        }
    }

    /// Only the client itself is let in.
    fn accept_data(&mut self, hub: &mut Hub, now: Instant) {
        let client = self.peer.ip().to_canonical();
        self.data.ready.readable = false;
        for _ in 0..STRANGERS_MAX {
            let State::Awaited(listener) = &self.data.state else {
                return;
            };
            match listener.accept() {
                Ok((socket, peer)) if peer.ip().to_canonical() == client => {
                    return self.data_open(socket, hub, now);
                }
                Ok((_, peer)) => log::warn!("{peer} came to a port that waits for {client}"),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return self.watch_data(hub);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    log::info!("{}: no data connection: {error}", self.peer);
                    return self.no_data(DataEvent::NotOpened, hub, now);
                }
            }
        }
        // More wait, and the poll would not say so again.
        self.data.ready.readable = true;
        hub.again.push(self.id);
    }

    fn call(&mut self, address: SocketAddr, hub: &mut Hub, now: Instant) {
        match call(self.local_ip(), address) {
            Ok(socket) => {
                self.data.state = State::Calling(socket);
                self.watch_data(hub);
            }
            Err(error) => {
                log::info!("{}: {address} cannot be called: {error}", self.peer);
                self.no_data(DataEvent::NotOpened, hub, now);
            }
        }
    }

    fn data_open(&mut self, socket: TcpStream, hub: &mut Hub, now: Instant) {
        self.forget_data(hub);
        self.data.state = State::Open(Channel::new(Arc::new(socket), None));
        self.tell(Event::Data(DataEvent::Open), hub, now);
    }

    fn no_data(&mut self, why: DataEvent, hub: &mut Hub, now: Instant) {
        self.close_data(hub);
        self.tell(Event::Data(why), hub, now);
    }

    /// The data connection can be read or written, or somebody came to its port.
    pub(crate) fn on_data_ready(&mut self, ready: Ready, hub: &mut Hub, now: Instant) {
        self.data.ready.readable |= ready.readable;
        self.data.ready.writable |= ready.writable;
        match std::mem::take(&mut self.data.state) {
            State::Awaited(listener) => {
                self.data.state = State::Awaited(listener);
                self.accept_data(hub, now);
            }
            State::Calling(socket) => self.answered(socket, hub, now),
            State::Shaking(channel) => self.shake_data(channel, hub),
            State::Closing(channel, until) => self.hear_goodbye(channel, until, hub),
            other => self.data.state = other,
        }
        self.drive(hub, now);
    }

    /// A call that is over either has a peer or an error (connect(2), EINPROGRESS).
    fn answered(&mut self, socket: TcpStream, hub: &mut Hub, now: Instant) {
        match (socket.take_error(), socket.peer_addr()) {
            (Ok(None), Ok(_)) => {
                self.data.state = State::Calling(socket);
                if let State::Calling(socket) = self.unwatch_data(hub) {
                    self.data_open(socket, hub, now);
                }
            }
            (Ok(None), Err(error)) if error.kind() == io::ErrorKind::NotConnected => {
                self.data.state = State::Calling(socket);
            }
            (Ok(Some(error)), _) | (_, Err(error)) | (Err(error), _) => {
                log::info!("{}: no data connection: {error}", self.peer);
                self.no_data(DataEvent::NotOpened, hub, now);
            }
        }
    }

    pub(super) fn secure_data(
        &mut self,
        direction: Direction,
        handshake: server::Handshake,
        hub: &mut Hub,
        now: Instant,
    ) {
        let secured = self.data_tls(direction, hub);
        match (secured, std::mem::take(&mut self.data.state)) {
            (Ok((tls, rule)), State::Open(mut channel)) => {
                // Behind a ticket, the first record would wait for an acknowledgement.
                // In clear nothing does: the end of the stream pushes its last byte.
                if let Err(error) = channel.socket().set_nodelay(true) {
                    log::debug!("{}: {error}", self.peer);
                }
                channel.secure_data(tls, rule);
                match handshake {
                    server::Handshake::First => self.shake_data(channel, hub),
                    server::Handshake::WithTheTransfer => {
                        self.data.state = State::Open(channel);
                        self.tell(Event::Data(DataEvent::Deferred), hub, now);
                    }
                }
            }
            (secured, _) => {
                if let Err(error) = secured {
                    log::error!("{}: no tls for data: {error}", self.peer);
                }
                self.no_data(DataEvent::NotSecured, hub, now);
            }
        }
    }

    /// With the rule for resuming that it is under.
    fn data_tls(
        &self,
        direction: Direction,
        hub: &Hub,
    ) -> Result<(TlsConnection, Resumption), String> {
        let ftp = hub.ftp.as_ref();
        let tls = ftp.and_then(|ftp| Some((ftp.tls.as_ref()?, ftp.resumption)));
        let (Some((tls, resumption)), Some(own)) = (tls, self.data.tag) else {
            return Err("there is no tls".to_owned());
        };
        let (tag, tickets) = match (resumption, direction) {
            // No ticket carries a tag that was never used.
            (Resumption::Off, _) => {
                let unused = Tag::random().map_err(|error| error.to_string())?;
                (unused, Tickets::None)
            }
            (_, Direction::ToPeer) => (own, Tickets::One),
            (_, Direction::FromPeer) => (own, Tickets::None),
        };
        let tls = tls.data(tag, tickets).map_err(|error| error.to_string())?;
        Ok((tls, resumption))
    }

    fn shake_data(&mut self, channel: Channel, hub: &mut Hub) {
        self.data.state = State::Shaking(channel);
        let State::Shaking(channel) = self.unwatch_data(hub) else {
            return;
        };
        self.data.state = State::Away(Arc::clone(channel.socket()));
        let errand = Errand::Handshake {
            connection: self.id,
            socket: Socket::Data,
            channel,
        };
        let ticket = Ticket {
            class: Class::Crypt,
            device: None,
        };
        hub.pool.submit(ticket, errand);
    }

    pub(crate) fn data_handshake_home(
        &mut self,
        mut channel: Channel,
        result: io::Result<Handshake>,
        hub: &mut Hub,
        now: Instant,
    ) {
        if !self.data_expects(&channel) {
            return self.drive(hub, now);
        }
        match result {
            Ok(Handshake::Done) => {
                channel.prove();
                let is_own = channel.is_newly_proven();
                self.data.state = State::Open(channel);
                match is_own {
                    true => self.tell(Event::Data(DataEvent::Secured), hub, now),
                    false => self.no_data(DataEvent::NotResumed, hub, now),
                }
            }
            Ok(_) => {
                self.data.state = State::Shaking(channel);
                self.watch_data(hub);
            }
            Err(error) => {
                log::info!("{}: no tls on a data connection: {error}", self.peer);
                self.no_data(DataEvent::NotSecured, hub, now);
            }
        }
        self.drive(hub, now);
    }

    /// Takes the lane for a burst.
    pub(super) fn lend_data(&mut self, hub: &mut Hub) -> Option<Channel> {
        match self.unwatch_data(hub) {
            State::Open(channel) => {
                self.data.ready = Ready::default();
                self.data.state = State::Away(Arc::clone(channel.socket()));
                Some(channel)
            }
            other => {
                self.data.state = other;
                None
            }
        }
    }

    /// Whether this is what is away; it may have been given up meanwhile.
    pub(super) fn data_expects(&self, channel: &Channel) -> bool {
        matches!(&self.data.state, State::Away(socket) if Arc::ptr_eq(socket, channel.socket()))
    }

    pub(super) fn data_is_home(&self) -> bool {
        matches!(self.data.state, State::Open(_))
    }

    /// A burst is over, and the transfer is not.
    pub(super) fn park_data(&mut self, channel: Channel, hub: &mut Hub) {
        self.data.state = State::Open(channel);
        self.watch_data(hub);
    }

    /// A burst is over that wants to be lent again at once.
    pub(super) fn keep_data(&mut self, channel: Channel) {
        self.data.state = State::Open(channel);
    }

    /// The transfer is over. Input that nobody reads would become a reset: of a
    /// download under TLS, it eats what the peer has not read yet; of an upload
    /// that is refused, it hides the reply from clients that look no further.
    pub(super) fn end_data(
        &mut self,
        mut channel: Channel,
        end: &End,
        hub: &mut Hub,
        now: Instant,
    ) {
        self.data.state = State::None;
        match (end, self.data.direction.take()) {
            (End::Complete { .. } | End::Stored { .. }, _) if channel.tls().is_some() => {
                let _ = channel.socket().shutdown(Shutdown::Write);
                self.hear_goodbye(channel, now + LINGER, hub);
            }
            (End::Refused(_), Some(Direction::FromPeer)) => {
                self.hear_goodbye(channel, now + UNDO, hub);
            }
            _ => {}
        }
        self.release_port(hub);
    }

    fn hear_goodbye(&mut self, channel: Channel, until: Instant, hub: &mut Hub) {
        for _ in 0..WASTED_READS {
            match (&**channel.socket()).read(&mut hub.line_buffer) {
                Ok(0) => return self.forget_data(hub),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.data.ready.readable = false;
                    self.data.state = State::Closing(channel, until);
                    return self.watch_data(hub);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return self.forget_data(hub),
            }
        }
        self.data.ready.readable = true;
        self.data.state = State::Closing(channel, until);
        hub.again.push(self.id);
    }

    /// Goes on where a turn was too short.
    pub(super) fn go_on_with_data(&mut self, hub: &mut Hub, now: Instant) {
        if !self.data.ready.readable {
            return;
        }
        match std::mem::take(&mut self.data.state) {
            State::Closing(channel, until) => self.hear_goodbye(channel, until, hub),
            State::Awaited(listener) => {
                self.data.state = State::Awaited(listener);
                self.accept_data(hub, now);
            }
            other => self.data.state = other,
        }
    }

    /// When a goodbye is no longer waited for.
    pub(super) fn goodbye_due(&self) -> Option<Instant> {
        match self.data.state {
            State::Closing(_, until) => Some(until),
            _ => None,
        }
    }

    /// Whatever there is of a data connection ends.
    pub(super) fn close_data(&mut self, hub: &mut Hub) {
        self.shut_data();
        self.forget_data(hub);
        self.release_port(hub);
    }

    /// What is away comes home dead.
    pub(super) fn shut_data(&self) {
        if let State::Away(socket) = &self.data.state {
            let _ = socket.shutdown(Shutdown::Both);
        }
    }

    fn forget_data(&mut self, hub: &mut Hub) {
        drop(self.unwatch_data(hub));
        self.data.ready = Ready::default();
    }

    fn release_port(&mut self, hub: &mut Hub) {
        if std::mem::take(&mut self.data.port) == Lease::Held
            && let Some(ftp) = &mut hub.ftp
        {
            ftp.passive.release(&self.user);
        }
    }

    fn watch_data(&mut self, hub: &mut Hub) {
        if self.data.watched == Watched::Yes {
            return;
        }
        let Some(descriptor) = self.data.state.descriptor() else {
            return;
        };
        match watch(&hub.registry, descriptor, self.id) {
            Ok(()) => self.data.watched = Watched::Yes,
            Err(error) => {
                log::error!("{}: data cannot be watched: {error}", self.peer);
                self.end_now();
            }
        }
    }

    /// Takes the state out, its socket out of the poll.
    fn unwatch_data(&mut self, hub: &mut Hub) -> State {
        let state = std::mem::take(&mut self.data.state);
        if std::mem::take(&mut self.data.watched) == Watched::Yes
            && let Some(descriptor) = state.descriptor()
            && let Err(error) = hub.registry.deregister(&mut SourceFd(&descriptor))
        {
            log::error!("a socket cannot be taken out of the poll: {error}");
        }
        state
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
            Self::Listening(listener) | Self::Awaited(listener) => Some(listener.as_raw_fd()),
            Self::Calling(socket) => Some(socket.as_raw_fd()),
            Self::Open(channel) | Self::Shaking(channel) | Self::Closing(channel, _) => {
                Some(channel.socket().as_raw_fd())
            }
            Self::None | Self::Away(_) => None,
        }
    }
}

fn watch(registry: &Registry, descriptor: i32, id: ConnectionId) -> io::Result<()> {
    let both = Interest::READABLE | Interest::WRITABLE;
    registry.register(&mut SourceFd(&descriptor), id.token(Socket::Data), both)
}

/// Begins a connection from the address that the client knows us by.
fn call(from: IpAddr, to: SocketAddr) -> io::Result<TcpStream> {
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
