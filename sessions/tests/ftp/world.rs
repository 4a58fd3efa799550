//! Holds the initial state of a test: the server's settings and the files on its disk; and the
//! bytes that all tests send.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use skiff_sessions::host::{HostPattern, Hosts};
use skiff_sessions::rights::{Grant, Permissions};
use skiff_sessions::server::{DialectRules, Limits, Privacy, TlsPolicy};

use super::disk::Disk;

pub(super) const USER: &str = "tom";
/// Whose certificate stands for the password.
pub(super) const RECOGNIZED: &str = "robot";
pub(super) const PASSWORD: &str = "123";

pub(super) const NEW: &[u8] = b"the quick brown fox jumps over the lazy dog";
pub(super) const OLD: &[u8] = b"what was there before";

const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 9));

pub(super) struct World {
    pub(super) disk: Disk,
    tls: TlsPolicy,
    channel: Privacy,
    peer: IpAddr,
    local: IpAddr,
    hosts: Hosts,
    pub(super) entry: Entry,
}

/// How far the client has come.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Entry {
    Greeted,
    LoggedIn,
}

fn limits() -> Limits {
    Limits {
        login: Duration::from_secs(30),
        idle: Duration::from_secs(900),
        stall: Duration::from_secs(60),
        progress: Duration::from_secs(4),
        data: Duration::from_secs(25),
        long_work: Duration::from_secs(20),
        penalty: Duration::from_millis(500),
        attempts: 3,
        malformed_lines: 3,
        hosts: Hosts::Any,
        server: "pair/0".to_owned(),
        banner: None,
        platform: "pair".to_owned(),
    }
}

impl World {
    /// Logged in, in clear, where TLS is optional.
    pub(super) fn with(disk: Disk) -> Self {
        Self {
            disk,
            tls: TlsPolicy::Optional,
            channel: Privacy::Clear,
            peer: CLIENT,
            local: SERVER,
            hosts: Hosts::Any,
            entry: Entry::LoggedIn,
        }
    }

    /// `/a` and `/d/b` are there.
    pub(super) fn new() -> Self {
        Self::with(Disk::new().with("/a", NEW).with("/d/b", OLD))
    }

    pub(super) fn greeted(self) -> Self {
        let entry = Entry::Greeted;
        Self { entry, ..self }
    }

    /// A server that is known by these names alone.
    pub(super) fn named(mut self, names: &[&str]) -> Self {
        self.hosts = Hosts::Named(names.iter().map(|name| HostPattern::new(name)).collect());
        self
    }

    pub(super) fn asking(self, tls: TlsPolicy) -> Self {
        Self { tls, ..self }
    }

    /// Under TLS from the first byte.
    pub(super) fn private(self) -> Self {
        let channel = Privacy::Private;
        Self { channel, ..self }
    }

    pub(super) fn over_ipv6(self) -> Self {
        Self {
            peer: "2001:db8::1".parse().unwrap(),
            local: "2001:db8::9".parse().unwrap(),
            ..self
        }
    }

    pub(super) fn read_only(self) -> Self {
        self.permitting(Grant::READING.into())
    }

    pub(super) fn permitting(mut self, permissions: Permissions) -> Self {
        self.disk.terms.permissions = permissions;
        self
    }

    pub(super) fn limits(&self) -> Limits {
        Limits {
            hosts: self.hosts.clone(),
            ..limits()
        }
    }

    pub(super) fn dialect_rules(&self) -> DialectRules {
        DialectRules::ftp(self.tls, self.channel, self.peer)
    }

    pub(super) fn local(&self) -> IpAddr {
        self.local
    }
}
