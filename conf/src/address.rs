//! Addresses in settings: [`Network`], for clients that have rules of their own, and [`HostPort`],
//! for the server that a client connects to.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::units::{BadValue, from_text};

/// The default port of the native dialect.
pub const DEFAULT_PORT: u16 = 8001;

/// One address, or all that share their first `prefix` bits: `::1`, `10.0.0.0/8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    first: IpAddr,
    prefix: u8,
}

impl Network {
    pub(crate) const fn of(address: IpAddr) -> Self {
        let prefix = if address.is_ipv4() { 32 } else { 128 };
        Self {
            first: address,
            prefix,
        }
    }

    /// Whether `address` is in this network. An IPv4 peer of an IPv6 socket
    /// (`::ffff:10.1.2.3`) counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.first, address.to_canonical()) {
            (IpAddr::V4(first), IpAddr::V4(asked)) => share_prefix(
                first.to_bits().into(),
                asked.to_bits().into(),
                self.prefix + 96,
            ),
            (IpAddr::V6(first), IpAddr::V6(asked)) => {
                share_prefix(first.to_bits(), asked.to_bits(), self.prefix)
            }
            _ => false,
        }
    }

    /// The number of bits that its addresses share: of two networks of one family that hold an
    /// address, the one with more is the smaller.
    pub fn prefix(&self) -> u8 {
        self.prefix
    }
}

fn share_prefix(a: u128, b: u128, prefix: u8) -> bool {
    let differing = (a ^ b).leading_zeros();
    differing >= u32::from(prefix)
}

impl FromStr for Network {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        let wanted = "an address or a network; write one such as \"192.0.2.7\" or \"10.0.0.0/8\"";
        let bad = || BadValue::new(text, wanted);
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let whole = Self::of(address.parse().map_err(|_| bad())?);
        let prefix = prefix.map_or(Some(whole.prefix), |prefix| prefix.parse().ok());
        match prefix {
            Some(prefix) if prefix <= whole.prefix => Ok(Self { prefix, ..whole }),
            _ => Err(bad()),
        }
    }
}

/// Shows it as [`Network::from_str`] reads it.
impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.prefix == Self::of(self.first).prefix {
            true => write!(f, "{}", self.first),
            false => write!(f, "{}/{}", self.first, self.prefix),
        }
    }
}

impl Serialize for Network {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer)
    }
}

/// A server as people write it: `host`, `host:port`, `[::1]:8001`. The host is a name or an
/// address, not resolved yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPort {
    pub host: String,
    pub port: u16,
}

impl FromStr for HostPort {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        let parsed = match text.strip_prefix('[') {
            Some(rest) => bracketed(rest),
            None if text.parse::<Ipv6Addr>().is_ok() => Some((text, DEFAULT_PORT)),
            None => named(text),
        };
        let (host, port) = parsed.ok_or_else(|| {
            BadValue::new(
                text,
                "a server; write HOST or HOST:PORT such as \"127.0.0.1:8001\"",
            )
        })?;
        Ok(Self {
            host: host.to_owned(),
            port,
        })
    }
}

fn bracketed(rest: &str) -> Option<(&str, u16)> {
    let (host, port) = rest.split_once(']')?;
    host.parse::<Ipv6Addr>().ok()?;
    match port.strip_prefix(':') {
        Some(port) => Some((host, port_number(port)?)),
        None => port.is_empty().then_some((host, DEFAULT_PORT)),
    }
}

fn named(text: &str) -> Option<(&str, u16)> {
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => (host, port_number(port)?),
        None => (text, DEFAULT_PORT),
    };
    is_host(host).then_some((host, port))
}

fn port_number(text: &str) -> Option<u16> {
    let digits = text.bytes().all(|c| c.is_ascii_digit());
    text.parse().ok().filter(|&port| digits && port != 0)
}

/// Whether `host` can be the name of a host: RFC 1123 section 2.1, with underscores, and with
/// letters of other scripts, which the resolver judges.
pub(crate) fn is_host(host: &str) -> bool {
    let allowed = |c: char| c.is_alphanumeric() || ".-_".contains(c);
    (1..=253).contains(&host.len()) && host.chars().all(allowed) && !host.starts_with(['.', '-'])
}

/// Whether `text` is the name of a host. Where its last part is a number it is a mistyped address:
/// no domain ends like that (RFC 3696 section 2).
pub(crate) fn is_name(text: &str) -> bool {
    let last = text.trim_end_matches('.').rsplit('.').next();
    let number = last.is_some_and(|part| part.bytes().all(|c| c.is_ascii_digit()));
    is_host(text) && !number
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

impl<'de> Deserialize<'de> for HostPort {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn within(network: &str, address: &str) -> bool {
        network
            .parse::<Network>()
            .unwrap()
            .contains(address.parse().unwrap())
    }

    #[test]
    fn networks_hold_their_addresses() {
        assert!(within("10.0.0.0/8", "10.255.1.2"));
        assert!(!within("10.0.0.0/8", "11.0.0.1"));
        assert!(within("10.1.2.3", "::ffff:10.1.2.3"));
        assert!(!within("10.1.2.3", "10.1.2.4"));
        assert!(within("2001:db8::/32", "2001:db8:ffff::1"));
        assert!(!within("2001:db8::/32", "2001:db9::1"));
        assert!(within("0.0.0.0/0", "198.51.100.1"));
        assert!(!within("0.0.0.0/0", "::1"));
        assert!(within("::/0", "::1"));
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for bad in [
            "",
            "10.0.0.0/33",
            "::/129",
            "10.0.0/8",
            "10.0.0.0/",
            "host",
            "10.0.0.0/-1",
        ] {
            assert!(bad.parse::<Network>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn servers_are_named_with_and_without_a_port() {
        for (text, host, port) in [
            ("files.example", "files.example", 8001),
            ("files.example:99", "files.example", 99),
            ("127.0.0.1", "127.0.0.1", 8001),
            ("::1", "::1", 8001),
            ("[::1]", "::1", 8001),
            ("[::1]:7", "::1", 7),
        ] {
            let parsed = text.parse::<HostPort>().unwrap();
            assert_eq!(
                (parsed.host.as_str(), parsed.port),
                (host, port),
                "{text:?}"
            );
        }
        assert_eq!("::1".parse::<HostPort>().unwrap().to_string(), "[::1]:8001");
    }

    #[test]
    fn what_is_no_server_is_refused() {
        for bad in [
            "", ":1", "h:", "h:0", "h:65536", "h:+1", "a b", "[::1", "[h]:1", "-h", "h:1:2",
        ] {
            assert!(bad.parse::<HostPort>().is_err(), "{bad:?}");
        }
    }
}
