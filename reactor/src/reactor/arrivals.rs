//! Lets connections in: what listeners have accepted becomes sessions, or is told why not.

use std::io::Write;
use std::net::Shutdown;
use std::time::Instant;

use mio::net::TcpStream;
use skiff_sessions::wire::codec;
use skiff_sessions::wire::proxy_header::Source;
use skiff_sessions::wire::reply::{CloseReason, Reply};

use super::{PROXIED, Reactor};
use crate::accesslog::notice::Notice;
use crate::connection::{Connection, Origin, Proxy};
use crate::event_loop::admission::Place;
use crate::event_loop::listener::{Arrival, Listener, Protocol, RanOut};
use crate::event_loop::proxied::Met;
use crate::transport::ids::ConnectionId;

/// The word for those who may not say for whom they connect.
const NO_PROXY: &str = "it is no proxy that is believed (proxy_protocol.from)";

impl Reactor {
    pub(super) fn accept(&mut self, now: Instant) {
        for index in 0..self.listeners.len() {
            let Listener {
                protocol, named, ..
            } = self.listeners[index];
            let accepted = self.listeners[index].accept(now);
            if accepted.ran_out == RanOut::Newly {
                self.shared.free_descriptors(now);
            }
            for (socket, peer) in accepted.connections {
                let arrival = Arrival {
                    peer,
                    protocol,
                    listener: named,
                };
                match self.shared.proxies.is_spoken_to(named) {
                    true => self.accept_proxy(socket, arrival, now),
                    false => self.accept_connection(socket, arrival, None, now),
                }
            }
        }
        self.meet_proxied(now);
    }

    /// Waits for the header of a proxy; whoever else connects to its port is closed.
    fn accept_proxy(&mut self, socket: TcpStream, arrival: Arrival, now: Instant) {
        if !self.shared.proxies.trusts(arrival.peer.ip()) {
            return self.refuse_proxied(arrival, NO_PROXY, now);
        }
        let tokens = (self.poll.registry(), PROXIED);
        match self.proxied.add(socket, arrival, tokens, now) {
            Ok(Some(Met::Refused(evicted, why))) => self.refuse_proxied(evicted, why, now),
            Ok(_) => {}
            Err(error) => log::warn!("{} cannot be served: {error}", arrival.peer),
        }
    }

    fn meet_proxied(&mut self, now: Instant) {
        for met in self.proxied.meet(self.poll.registry(), now) {
            match met {
                Met::Refused(arrival, why) => self.refuse_proxied(arrival, why, now),
                Met::Begins(socket, arrival, Source::Proxy) => {
                    self.accept_connection(socket, arrival, None, now);
                }
                Met::Begins(socket, arrival, Source::Client { client, called }) => {
                    let through = Proxy {
                        address: arrival.peer.ip().to_canonical(),
                        called: called.ip(),
                    };
                    let arrival = Arrival {
                        peer: client,
                        ..arrival
                    };
                    self.accept_connection(socket, arrival, Some(through), now);
                }
            }
        }
    }

    fn refuse_proxied(&mut self, arrival: Arrival, cause: &'static str, now: Instant) {
        let origin = self.origin(arrival, None);
        let (refusals, log) = (&mut self.shared.refusals, &self.shared.log);
        refusals.add_cause(cause, origin.client(), now, log);
    }

    fn origin(&mut self, arrival: Arrival, proxy: Option<Proxy>) -> Origin {
        let Arrival {
            peer,
            protocol,
            listener,
        } = arrival;
        Origin {
            peer,
            protocol,
            proxy,
            tls: self.shared.tls_policy(protocol, listener, peer.ip()),
            number: self.shared.next_number(),
        }
    }

    fn accept_connection(
        &mut self,
        socket: TcpStream,
        arrival: Arrival,
        proxy: Option<Proxy>,
        now: Instant,
    ) {
        let origin = self.origin(arrival, proxy);
        let Arrival { peer, protocol, .. } = arrival;
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
