//! Lets connections in: what listeners have accepted becomes sessions, or is told why not.

use std::io::Write;
use std::net::{Shutdown, SocketAddr};
use std::time::Instant;

use mio::net::TcpStream;
use skiff_sessions::wire::codec;
use skiff_sessions::wire::reply::{CloseReason, Reply};

use super::Reactor;
use crate::accesslog::notice::Notice;
use crate::connection::{Connection, Origin};
use crate::event_loop::admission::Place;
use crate::event_loop::listener::{Listener, Protocol, RanOut};
use crate::transport::ids::ConnectionId;

/// Whence a connection has come, and where to.
#[derive(Clone, Copy)]
struct Arrival {
    peer: SocketAddr,
    protocol: Protocol,
    /// The listener's address as the settings have it.
    listener: SocketAddr,
}

impl Reactor {
    pub(super) fn accept(&mut self, now: Instant) {
        for index in 0..self.listeners.len() {
            let Listener {
                protocol,
                configured,
                ..
            } = self.listeners[index];
            let accepted = self.listeners[index].accept(now);
            if accepted.ran_out == RanOut::Newly {
                self.shared.free_descriptors(now);
            }
            for (socket, peer) in accepted.connections {
                let arrival = Arrival {
                    peer,
                    protocol,
                    listener: configured,
                };
                self.accept_connection(socket, arrival, now);
            }
        }
    }

    fn accept_connection(&mut self, socket: TcpStream, arrival: Arrival, now: Instant) {
        let Arrival { peer, protocol, .. } = arrival;
        let origin = Origin {
            peer,
            protocol,
            tls: self
                .shared
                .tls_policy(protocol, arrival.listener, peer.ip()),
            number: self.shared.next_number(),
        };
        let room = self.shared.admission.make_room(peer.ip(), now);
        if let Ok(Some(oldest)) = room {
            self.expel_one(oldest, CloseReason::MadeRoom, now);
        }
        let entry = self.connections.vacant_entry();
        let id = ConnectionId {
            index: entry.key() as u32,
            generation: self.generations.next(),
        };
        let place = match room {
            Ok(_) => {
                let log = &self.shared.log;
                log.notice(&Notice::Connected(origin.client()));
                self.shared.admission.enter(peer.ip(), id)
            }
            Err(why) => {
                self.shared.counters.refused(why);
                let (refusals, log) = (&mut self.shared.refusals, &self.shared.log);
                refusals.add(why, origin.client(), now, log);
                match self.shared.is_under_tls(protocol) {
                    false => return tell_refused(socket, protocol, why),
                    true if self.shared.admission.enter_refused() => Place::Refused(why),
                    true => return,
                }
            }
        };
        match Connection::new(id, origin, socket, place, &mut self.shared, now) {
            Ok(connection) => {
                self.shared.counters.session_began(connection.dialect());
                entry.insert(connection);
            }
            Err(error) => {
                log::warn!("{peer} cannot be served: {error}");
                self.shared.admission.leave(peer.ip(), "", place);
            }
        }
    }
}

/// Tells a peer in clear why it is not let in, as far as that is possible at once.
fn tell_refused(mut socket: TcpStream, protocol: Protocol, why: CloseReason) {
    let codec = match protocol {
        Protocol::Native => &codec::NATIVE,
        Protocol::Ftp | Protocol::FtpOverTls => &codec::FTP,
    };
    let mut line = Vec::new();
    (codec.encode)(&Reply::Closing(why), &mut line);
    if socket.write(&line).is_ok() {
        let _ = socket.shutdown(Shutdown::Write);
    }
}
