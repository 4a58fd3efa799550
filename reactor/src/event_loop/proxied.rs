//! Connections of proxies that have not said yet for whom they connect. No session begins before
//! that, and no limit counts them but the one here.

use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use skiff_sessions::wire::proxy_header::{HEADER_MAX, Header, Source};
use slab::Slab;

use super::listener::Arrival;

/// Most that are waited for; for another one, the one goes that has been waited for longest.
pub(crate) const WAITING_MAX: usize = 256;
/// How long a header may take: proxies send it at once, and retransmissions take seconds.
const PATIENCE: Duration = Duration::from_secs(5);

const LATE: &str = "its header of the proxy protocol does not come";

/// What has become of a connection.
pub(crate) enum Met {
    /// It begins, with what follows the header.
    Begins(TcpStream, Arrival, Source),
    /// It is closed; for the log.
    Refused(Arrival, &'static str),
}

/// The connections that are waited for.
#[derive(Default)]
pub(crate) struct Proxied {
    waiting: Slab<Waiting>,
}

struct Waiting {
    socket: TcpStream,
    arrival: Arrival,
    until: Instant,
    readiness: Readiness,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Readiness {
    Readable,
    Nothing,
}

impl Proxied {
    /// Waits for what a proxy says; `first_token` is that of the first of [`WAITING_MAX`].
    pub(crate) fn add(
        &mut self,
        socket: TcpStream,
        arrival: Arrival,
        (registry, first_token): (&Registry, usize),
        now: Instant,
    ) -> io::Result<Option<Met>> {
        let evicted = match self.waiting.len() < WAITING_MAX {
            true => None,
            false => self.remove_oldest(registry),
        };
        let entry = self.waiting.vacant_entry();
        let token = Token(first_token + entry.key());
        registry.register(
            &mut SourceFd(&socket.as_raw_fd()),
            token,
            Interest::READABLE,
        )?;
        entry.insert(Waiting {
            socket,
            arrival,
            until: now + PATIENCE,
            readiness: Readiness::Nothing,
        });
        Ok(evicted)
    }

    pub(crate) fn mark_ready(&mut self, slot: usize) {
        if let Some(waiting) = self.waiting.get_mut(slot) {
            waiting.readiness = Readiness::Readable;
        }
    }

    /// When [`Self::meet`] has something to do without a new event.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.waiting.iter().map(|(_, waiting)| waiting.until).min()
    }

    /// Those whose header has come, and those that are not waited for any longer.
    pub(crate) fn meet(&mut self, registry: &Registry, now: Instant) -> Vec<Met> {
        let mut decided = Vec::new();
        for (slot, waiting) in &mut self.waiting {
            let verdict = match waiting.readiness {
                Readiness::Readable => waiting.read(),
                Readiness::Nothing => Verdict::Wait,
            };
            match verdict {
                Verdict::Wait if waiting.until <= now => {
                    decided.push((slot, Verdict::Refuse(LATE)));
                }
                Verdict::Wait => waiting.readiness = Readiness::Nothing,
                other => decided.push((slot, other)),
            }
        }
        let take = |(slot, verdict)| {
            let waiting = self.remove(slot, registry);
            match verdict {
                Verdict::Begin(source) => {
                    Some(Met::Begins(waiting.socket, waiting.arrival, source))
                }
                Verdict::Refuse(why) => Some(Met::Refused(waiting.arrival, why)),
                Verdict::Wait | Verdict::Gone => None,
            }
        };
        decided.into_iter().filter_map(take).collect()
    }

    /// Closes all.
    pub(crate) fn clear(&mut self) {
        self.waiting.clear();
    }

    fn remove_oldest(&mut self, registry: &Registry) -> Option<Met> {
        let all = self.waiting.iter();
        let (slot, _) = all.min_by_key(|(_, waiting)| waiting.until)?;
        Some(Met::Refused(self.remove(slot, registry).arrival, LATE))
    }

    fn remove(&mut self, slot: usize, registry: &Registry) -> Waiting {
        let waiting = self.waiting.remove(slot);
        let descriptor = waiting.socket.as_raw_fd();
        if let Err(error) = registry.deregister(&mut SourceFd(&descriptor)) {
            log::error!("a socket cannot be taken out of the poll: {error}");
        }
        waiting
    }
}

enum Verdict {
    Wait,
    Begin(Source),
    Refuse(&'static str),
    /// The proxy has hung up: some look only whether the port is open.
    Gone,
}

impl Waiting {
    /// Takes the header off the stream, once all of it is there: what follows is the client's.
    fn read(&mut self) -> Verdict {
        let mut buffer = [0; HEADER_MAX];
        let count = match self.socket.peek(&mut buffer) {
            Ok(0) => return Verdict::Gone,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Verdict::Wait,
            Err(_) => return Verdict::Gone,
        };
        match Header::parse(&buffer[..count]) {
            Ok(Header::Incomplete) => Verdict::Wait,
            Ok(Header::Whole(source, length)) => {
                match self.socket.read_exact(&mut buffer[..length]) {
                    Ok(()) => Verdict::Begin(source),
                    Err(_) => Verdict::Gone,
                }
            }
            Err(bad) => Verdict::Refuse(bad.cause()),
        }
    }
}
