//! Chooses the ports of passive data connections (PASV, EPSV): which are free, how many each user
//! holds, and which address clients are told.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};

use mio::net::TcpListener;
use skiff_conf::{DYNAMIC_PORTS, Ftp, Network, PortRange};

pub(crate) struct PassivePorts {
    /// The configured range; `None` for any port that the system gives.
    range: Option<PortRange>,
    /// Per cent of the range that one user may hold.
    share: u8,
    advertised: Advertised,
    held: HashMap<String, u16>,
}

/// Whom a port is for.
pub(crate) struct PortWanted<'a> {
    pub(crate) user: &'a str,
    /// The address to listen on.
    pub(crate) local: IpAddr,
    /// The address that the client has connected to, which is a proxy's where there is one.
    pub(crate) called: IpAddr,
    pub(crate) client: IpAddr,
}

/// The addresses that clients are told; `None` for the one that they came to.
pub(crate) struct Advertised {
    usually: Option<IpAddr>,
    /// Those of clients of a network, the smallest first.
    rules: Vec<(Network, Option<IpAddr>)>,
}

impl Advertised {
    pub(crate) fn new(usually: Option<IpAddr>, mut rules: Vec<(Network, Option<IpAddr>)>) -> Self {
        rules.sort_by_key(|(network, _)| std::cmp::Reverse(network.prefix()));
        Self { usually, rules }
    }

    fn to(&self, client: IpAddr) -> Option<IpAddr> {
        let mut rules = self.rules.iter();
        let rule = rules.find(|(network, _)| network.contains(client));
        rule.map_or(self.usually, |&(_, address)| address)
    }
}

impl PassivePorts {
    pub(crate) fn new(config: &Ftp, advertised: Advertised) -> Self {
        Self {
            range: config.passive_ports,
            share: config.passive_share,
            advertised,
            held: HashMap::new(),
        }
    }

    /// Takes over a changed configuration; ports in use stay counted.
    pub(crate) fn reconfigure(&mut self, fresh: Self) {
        self.range = fresh.range;
        self.share = fresh.share;
        self.advertised = fresh.advertised;
    }

    /// Opens a port for a user, who holds at most a share of the range. Returns the listener and the
    /// address that the client is told.
    pub(crate) fn open(
        &mut self,
        wanted: PortWanted<'_>,
    ) -> Result<(TcpListener, SocketAddr), NoPassivePort> {
        let PortWanted {
            user,
            local,
            called,
            client,
        } = wanted;
        let (listener, port) = match self.range {
            None => bind_anywhere(local)?,
            Some(range) => {
                let most = share_of(range, self.share);
                if self.held.get(user).is_some_and(|&held| held >= most) {
                    return Err(NoPassivePort::ShareTaken {
                        most,
                        of: range.len(),
                        share: self.share,
                    });
                }
                self.bind_within(range, local)?
            }
        };
        *self.held.entry(user.to_owned()).or_default() += 1;
        let told = self
            .advertised
            .to(client)
            .filter(|address| address.is_ipv4() == called.is_ipv4() && !called.is_loopback());
        Ok((listener, SocketAddr::new(told.unwrap_or(called), port)))
    }

    /// Uncounts a port that [`Self::open`] gave to `user`.
    pub(crate) fn release(&mut self, user: &str) {
        if let Some(held) = self.held.get_mut(user) {
            *held -= 1;
            if *held == 0 {
                self.held.remove(user);
            }
        }
    }

    fn bind_within(&self, range: PortRange, local: IpAddr) -> io::Result<(TcpListener, u16)> {
        let mut failure = io::ErrorKind::AddrInUse.into();
        let begin = random_below(range.len());
        for step in 0..range.len() {
            let offset = (u32::from(begin) + u32::from(step)) % u32::from(range.len());
            let port = range.first() + offset as u16;
            match TcpListener::bind(SocketAddr::new(local, port)) {
                Ok(listener) => return Ok((listener, port)),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }
}

/// Why no port is opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoPassivePort {
    #[error("its user holds {most} of {of} ports, all that one may (ftp.passive_share: {share})")]
    ShareTaken { most: u16, of: u16, share: u8 },
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// That many per cent of a range, rounded down; one port always.
fn share_of(range: PortRange, share: u8) -> u16 {
    let ports = u32::from(range.len()) * u32::from(share) / 100;
    u16::try_from(ports).unwrap_or(u16::MAX).max(1)
}

/// A number below `end` that strangers cannot tell beforehand; 0 where the system has no random
/// bytes.
fn random_below(end: u16) -> u16 {
    let mut random = [0; 4];
    match getrandom::fill(&mut random) {
        Ok(()) => (u32::from_le_bytes(random) % u32::from(end.max(1))) as u16,
        Err(_) => 0,
    }
}

/// Random ports that are tried before the system is asked for one.
const GUESSES: usize = 8;

/// Binds a random port. Asked for any port, the system searches all that are in use or in
/// TIME_WAIT, which costs more than the transfer of a small file where they are many.
fn bind_anywhere(local: IpAddr) -> io::Result<(TcpListener, u16)> {
    for _ in 0..GUESSES {
        let mut random = [0; 2];
        if getrandom::fill(&mut random).is_err() {
            break;
        }
        let port = DYNAMIC_PORTS.start() | u16::from_le_bytes(random);
        if let Ok(listener) = TcpListener::bind(SocketAddr::new(local, port)) {
            return Ok((listener, port));
        }
    }
    let listener = TcpListener::bind(SocketAddr::new(local, 0))?;
    let port = listener.local_addr()?.port();
    Ok((listener, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn of(range: Option<PortRange>, share: u8, advertised: Option<IpAddr>) -> PassivePorts {
        let config = Ftp {
            passive_ports: range,
            passive_share: share,
            ..Ftp::default()
        };
        PassivePorts::new(&config, Advertised::new(advertised, Vec::new()))
    }

    /// Four ports that were free a moment ago.
    fn range() -> PortRange {
        (0..1000)
            .find_map(|_| {
                let first = std::net::TcpListener::bind((HERE, 0)).unwrap();
                let port = first.local_addr().unwrap().port();
                let others: Vec<_> = (1..4)
                    .map_while(|step| std::net::TcpListener::bind((HERE, port + step)).ok())
                    .collect();
                (others.len() == 3).then(|| format!("{port}-{}", port + 3).parse().unwrap())
            })
            .unwrap()
    }

    fn wanted(local: IpAddr, user: &str) -> PortWanted<'_> {
        PortWanted {
            user,
            local,
            called: local,
            client: local,
        }
    }

    #[test]
    fn a_user_holds_a_share_of_the_range_and_gets_it_back() {
        let mut passive = of(Some(range()), 50, None);
        let first = passive.open(wanted(HERE, "tom")).unwrap();
        let second = passive.open(wanted(HERE, "tom")).unwrap();
        assert_ne!(first.1.port(), second.1.port());
        let refused = passive.open(wanted(HERE, "tom")).unwrap_err().to_string();
        assert_eq!(
            refused,
            "its user holds 2 of 4 ports, all that one may (ftp.passive_share: 50)"
        );
        let _others = (
            passive.open(wanted(HERE, "jerry")),
            passive.open(wanted(HERE, "jerry")),
        );
        assert!(passive.open(wanted(HERE, "sam")).is_err(), "none is left");
        drop(first);
        passive.release("tom");
        assert!(passive.open(wanted(HERE, "tom")).is_ok());
    }

    #[test]
    fn the_smallest_network_says_what_a_client_is_told() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let rule = |network: &str, told: Option<&str>| (network.parse().unwrap(), told.map(ip));
        let advertised = Advertised::new(
            Some(ip("203.0.113.7")),
            vec![
                rule("10.0.0.0/8", None),
                rule("10.0.5.0/24", Some("10.0.5.1")),
            ],
        );
        for (client, told) in [
            ("192.0.2.1", Some("203.0.113.7")),
            ("10.1.1.1", None),
            ("10.0.5.9", Some("10.0.5.1")),
            ("::ffff:10.0.5.9", Some("10.0.5.1")),
        ] {
            assert_eq!(advertised.to(ip(client)), told.map(ip), "{client}");
        }
    }

    #[test]
    fn the_share_is_the_operators() {
        let four = range();
        for (share, most) in [(1, 1), (49, 1), (75, 3), (100, 4)] {
            assert_eq!(share_of(four, share), most, "{share}");
        }
        let mut passive = of(Some(four), 100, None);
        let held: Vec<_> = (0..4)
            .map(|_| passive.open(wanted(HERE, "tom")).unwrap())
            .collect();
        assert_eq!(held.len(), 4);
        passive.reconfigure(of(Some(four), 50, None));
        assert!(passive.open(wanted(HERE, "tom")).is_err());
    }

    #[test]
    fn the_advertised_address_is_for_those_outside() {
        let outside: IpAddr = "203.0.113.7".parse().unwrap();
        let mut passive = of(None, 50, Some(outside));
        let (listener, told) = passive.open(wanted(HERE, "tom")).unwrap();
        assert_eq!(told.ip(), HERE, "who came by loopback stays on it");
        assert_eq!(told.port(), listener.local_addr().unwrap().port());
        let six: IpAddr = std::net::Ipv6Addr::LOCALHOST.into();
        assert_eq!(
            passive
                .open(wanted(six, "tom"))
                .map(|(_, told)| told.ip())
                .ok(),
            Some(six)
        );
    }
}
