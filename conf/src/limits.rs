//! [`Limits`]: the `limits` section of `server.ron`: numbers of sessions, timeouts and bans.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use serde::Deserialize;

use crate::address::Network;
use crate::units;

/// The `limits` section of `server.ron`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Sessions of all clients together.
    #[serde(deserialize_with = "units::at_least_one")]
    pub sessions: u32,
    /// Sessions from one IPv4 address or one IPv6 /64.
    #[serde(deserialize_with = "units::at_least_one")]
    pub sessions_per_address: u32,
    /// Sessions of one user.
    #[serde(deserialize_with = "units::at_least_one")]
    pub sessions_per_user: u32,
    /// Sessions of all clients together that have not logged in yet.
    #[serde(deserialize_with = "units::at_least_one")]
    pub before_login: u32,
    /// The longest time from the connection to the end of the login.
    #[serde(deserialize_with = "units::duration")]
    pub login: Duration,
    /// The longest time without a command or a transfer.
    #[serde(deserialize_with = "units::duration")]
    pub idle: Duration,
    /// The longest time without a byte in a transfer.
    #[serde(deserialize_with = "units::duration")]
    pub stall: Duration,
    /// The longest time that transfers may go on after SIGTERM.
    #[serde(deserialize_with = "units::duration")]
    pub drain: Duration,
    /// Failed logins in one session before it is closed.
    #[serde(deserialize_with = "units::at_least_one")]
    pub attempts: u32,
    /// How long nobody who is banned can log in.
    #[serde(deserialize_with = "units::duration")]
    pub ban: Duration,
    /// Failed logins of one user from one address, without a success, that ban the user there.
    #[serde(deserialize_with = "units::at_least_one")]
    pub ban_after: u32,
    /// Users whose logins from one address have failed, without a success since, that ban the
    /// address.
    #[serde(deserialize_with = "units::at_least_one")]
    pub ban_address_after: u32,
    /// Clients that are never banned, nor counted by `sessions_per_address`.
    pub exempt: Vec<Network>,
}

impl Limits {
    /// Whether `address` is in `exempt`.
    pub fn exempts(&self, address: IpAddr) -> bool {
        self.exempt.iter().any(|network| network.contains(address))
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            sessions: 10_000,
            sessions_per_address: 100,
            sessions_per_user: 50,
            before_login: 500,
            login: Duration::from_secs(30),
            idle: Duration::from_secs(15 * 60),
            stall: Duration::from_secs(60),
            drain: Duration::from_secs(30),
            attempts: 3,
            ban: Duration::from_secs(10 * 60),
            ban_after: 10,
            ban_address_after: 400,
            exempt: vec![
                Network::of(IpAddr::V4(Ipv4Addr::LOCALHOST)),
                Network::of(IpAddr::V6(Ipv6Addr::LOCALHOST)),
            ],
        }
    }
}
