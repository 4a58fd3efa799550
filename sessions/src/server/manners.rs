//! How a dialect talks, as data: what differs between dialects is looked up
//! here, so that no state asks which one it serves.

use core::net::{IpAddr, SocketAddr};

use crate::path::Climbing;

/// Of one session.
#[derive(Clone, Copy, Debug)]
pub struct Manners {
    pub opening: Opening,
    /// What `..` above the home means.
    pub climbing: Climbing,
    /// Whether work that takes long is told of while it lasts.
    pub patience: Patience,
    pub tls: TlsPolicy,
    pub channel: Channel,
    pub ends: Ends,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Opening {
    ClientFirst,
    ServerFirst,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Patience {
    /// A line now and then says that work goes on.
    Told,
    /// Nobody is told; what takes too long is refused for now.
    Short,
}

/// What the operator asks of this listener's connections.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TlsPolicy {
    /// There is none to be had, or it is there from the first byte.
    NotOffered,
    Optional,
    /// Of logins and of data.
    Required,
}

/// The control connection as it is now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Channel {
    Clear,
    Private,
}

/// Both ends of the control connection: data connections stay between them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ends {
    pub local: SocketAddr,
    pub peer: IpAddr,
}

impl Ends {
    /// For sessions that never open a connection.
    pub const NONE: Self = Self {
        local: SocketAddr::new(IpAddr::V4(core::net::Ipv4Addr::UNSPECIFIED), 0),
        peer: IpAddr::V4(core::net::Ipv4Addr::UNSPECIFIED),
    };
}

impl Manners {
    /// One connection for everything.
    pub const NATIVE: Self = Self {
        opening: Opening::ClientFirst,
        climbing: Climbing::Refused,
        patience: Patience::Told,
        tls: TlsPolicy::NotOffered,
        channel: Channel::Private,
        ends: Ends::NONE,
    };

    /// A control connection, and one for each transfer (RFC 959 section 2.3).
    pub fn ftp(tls: TlsPolicy, channel: Channel, ends: Ends) -> Self {
        Self {
            opening: Opening::ServerFirst,
            climbing: Climbing::StaysAtHome,
            patience: Patience::Short,
            tls,
            channel,
            ends,
        }
    }
}
