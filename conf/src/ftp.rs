//! [`Ftp`]: the `ftp` section of `server.ron`, that is addresses, TLS, passive ports and timeouts.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};

use crate::banner::Banner;
use crate::rules::{PassiveRule, TlsRule};
use crate::units::{BadValue, from_text};
use crate::{address, listen, units};

/// The default port of FTP. 21 is customary, but needs root.
pub(crate) const PORT: u16 = 2121;

/// The customary port of FTP with implicit TLS.
pub(crate) const IMPLICIT_PORT: u16 = 990;

/// The settings of the FTP dialect.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Ftp {
    /// Addresses for connections that begin without TLS; the client may send AUTH (RFC 4217).
    /// Where this and `implicit` are empty there is no FTP.
    #[serde(deserialize_with = "listen::addresses::<PORT, _>")]
    pub listen: Vec<SocketAddr>,
    /// Addresses for connections that begin with a TLS handshake.
    #[serde(deserialize_with = "listen::addresses::<IMPLICIT_PORT, _>")]
    pub implicit: Vec<SocketAddr>,
    pub tls: FtpTls,
    /// For some clients instead of `tls`; see [`Ftp::tls_of`].
    pub tls_for: Vec<TlsRule>,
    /// The ports that PASV and EPSV listen on; `None`: any that the system gives.
    pub passive_ports: Option<PortRange>,
    /// Per cent of `passive_ports` that one user may hold, and at least one port.
    #[serde(deserialize_with = "units::percent")]
    pub passive_share: u8,
    pub passive_address: PassiveAddress,
    /// For some clients instead of `passive_address`.
    pub passive_address_for: Vec<PassiveRule>,
    /// Whether data connections must resume the TLS session of the control connection.
    pub data_tls_resumption: Resumption,
    /// For users whose account does not say otherwise.
    pub data_close_notify: CloseNotify,
    /// For users whose account does not say otherwise.
    pub publish_on_lost_control: LostControl,
    /// What clients are greeted with; `None`: the server's name and version.
    pub banner: Option<Banner>,
    /// The longest wait for a client to open a data connection.
    #[serde(deserialize_with = "units::duration")]
    pub data_timeout: Duration,
}

/// Whether FTP clients must use TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub enum FtpTls {
    /// No login and no data without TLS.
    #[default]
    Require,
    /// The client chooses.
    Optional,
    /// No TLS is offered.
    Off,
}

/// The ports that passive data connections take where `passive_ports` is not given: the dynamic ones
/// (RFC 6335 section 6).
pub const DYNAMIC_PORTS: std::ops::RangeInclusive<u16> = 49_152..=65_535;

/// Whether the TLS session of a data connection must be a resumption of its control connection's,
/// which proves that both are from one client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub enum Resumption {
    Require,
    /// Resumption is offered, and a full handshake is accepted where nobody resumes.
    #[default]
    Prefer,
    /// Resumption is not offered.
    Off,
}

/// What becomes of an upload over TLS that ends without close_notify and so may be truncated
/// (RFC 8446 section 6.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum CloseNotify {
    /// The upload is not published.
    Require,
    /// The upload is published if its control connection is still open a moment later, which is
    /// logged.
    #[default]
    Prefer,
    /// The upload is published, with a warning in the log.
    Warn,
}

/// What becomes of an upload by FTP whose control connection has ended without QUIT;
/// `publish_on_lost_control: true` or `false`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "bool", into = "bool")]
pub enum LostControl {
    /// The upload is not published; its stage stays.
    #[default]
    Discard,
    /// The upload is published: for cameras that hang up once they have sent all bytes.
    Publish,
}

impl From<bool> for LostControl {
    fn from(publish: bool) -> Self {
        match publish {
            true => Self::Publish,
            false => Self::Discard,
        }
    }
}

impl From<LostControl> for bool {
    fn from(lost: LostControl) -> Self {
        lost == LostControl::Publish
    }
}

/// The ports from `first` to `last`, both included and at least 1024; written `61000-61099`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortRange {
    first: u16,
    last: u16,
}

impl PortRange {
    /// Lower ports need root.
    const LOWEST: u16 = 1024;

    pub const fn first(self) -> u16 {
        self.first
    }

    pub const fn last(self) -> u16 {
        self.last
    }

    /// The number of ports, at least 1.
    #[expect(clippy::len_without_is_empty, reason = "no range is empty")]
    pub const fn len(self) -> u16 {
        self.last - self.first + 1
    }

    pub const fn contains(self, port: u16) -> bool {
        self.first <= port && port <= self.last
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

impl FromStr for PortRange {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        let parsed = text
            .split_once('-')
            .and_then(|(first, last)| Some((port(first)?, port(last)?)));
        match parsed {
            Some((first, last)) if Self::LOWEST <= first && first <= last => {
                Ok(Self { first, last })
            }
            _ => Err(BadValue::new(
                text,
                "a range of ports; write FIRST-LAST such as \"61000-61099\", \
                 from 1024 to 65535, the lower one first",
            )),
        }
    }
}

fn port(text: &str) -> Option<u16> {
    let digits = text.bytes().all(|c| c.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

impl<'de> Deserialize<'de> for PortRange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer)
    }
}

/// The address in the reply to PASV; written `auto`, `203.0.113.7` or `ftp.example.org`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum PassiveAddress {
    /// The address that the client has connected to.
    #[default]
    Auto,
    /// This address, which is neither unspecified nor multicast nor broadcast.
    Address(IpAddr),
    /// The address of this host, not resolved yet.
    Host(String),
}

impl FromStr for PassiveAddress {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        match text.parse::<IpAddr>() {
            _ if text.eq_ignore_ascii_case("auto") => Ok(Self::Auto),
            Ok(ip) if can_be_called(ip) => Ok(Self::Address(ip)),
            Err(_) if address::is_name(text) => Ok(Self::Host(text.to_owned())),
            _ => Err(BadValue::new(
                text,
                "an address that clients can call; \
                 write \"auto\", or one such as \"203.0.113.7\" or \"ftp.example.org\"",
            )),
        }
    }
}

fn can_be_called(ip: IpAddr) -> bool {
    let broadcast = matches!(ip, IpAddr::V4(v4) if v4.is_broadcast());
    !ip.is_unspecified() && !ip.is_multicast() && !broadcast
}

impl<'de> Deserialize<'de> for PassiveAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer)
    }
}

impl Ftp {
    /// Whether there is any address for FTP.
    pub fn is_on(&self) -> bool {
        !self.listen.is_empty() || !self.implicit.is_empty()
    }
}

impl Default for Ftp {
    fn default() -> Self {
        Self {
            listen: listen::everywhere(PORT),
            implicit: Vec::new(),
            tls: FtpTls::default(),
            tls_for: Vec::new(),
            passive_ports: None,
            passive_share: 50,
            passive_address: PassiveAddress::default(),
            passive_address_for: Vec::new(),
            data_tls_resumption: Resumption::default(),
            data_close_notify: CloseNotify::default(),
            publish_on_lost_control: LostControl::default(),
            banner: None,
            data_timeout: Duration::from_secs(20),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_ports() {
        let range: PortRange = "61000-61099".parse().unwrap();
        assert_eq!(
            (range.first(), range.last(), range.len()),
            (61_000, 61_099, 100)
        );
        assert_eq!(range.to_string(), "61000-61099");
        assert!(range.contains(61_000) && range.contains(61_099));
        assert!(!range.contains(60_999) && !range.contains(61_100));
        let one: PortRange = "1024-1024".parse().unwrap();
        assert_eq!(one.len(), 1);
        let all: PortRange = "1024-65535".parse().unwrap();
        assert_eq!(all.len(), 64_512);
        for bad in [
            "",
            "-",
            "50000",
            "50001-50000",
            "1023-1030",
            "0-0",
            "60000-65536",
            "50000-",
            "-50000",
            "50000-50001-50002",
            "+50000-50001",
            "50000 - 50001",
            "a-b",
        ] {
            assert!(bad.parse::<PortRange>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn passive_addresses() {
        let parsed = |text: &str| text.parse::<PassiveAddress>();
        assert_eq!(parsed("auto"), Ok(PassiveAddress::Auto));
        assert_eq!(parsed("Auto"), Ok(PassiveAddress::Auto));
        for ip in ["203.0.113.7", "10.0.0.1", "2001:db8::7"] {
            let expected = PassiveAddress::Address(ip.parse().unwrap());
            assert_eq!(parsed(ip), Ok(expected));
        }
        for host in [
            "ftp.example.org",
            "ftp.example.org.",
            "nas",
            "7seas",
            "4.ex",
        ] {
            assert_eq!(parsed(host), Ok(PassiveAddress::Host(host.to_owned())));
        }
        for bad in [
            "",
            "0.0.0.0",
            "::",
            "255.255.255.255",
            "224.0.0.1",
            "ff02::1",
            "203.0.113",
            "1.2.3.400",
            "203.0.113.7:21",
            "[::1]",
            "ftp example",
            "7",
            "x.1.",
        ] {
            assert!(parsed(bad).is_err(), "{bad:?}");
        }
    }
}
