//! How a dialect talks, as data: what differs between dialects is looked up
//! here, so that no state asks which one it serves.

use core::net::{IpAddr, Ipv4Addr};

use crate::digest::Algorithm;
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
    /// Whose data connections alone are let in. Without a meaning where there
    /// are none.
    pub peer: IpAddr,
    /// What transfers are verified by at the least cost here. Without a meaning
    /// where they are not verified.
    pub digest: Algorithm,
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

impl Manners {
    /// One connection for everything.
    pub fn native(digest: Algorithm) -> Self {
        Self {
            opening: Opening::ClientFirst,
            climbing: Climbing::Refused,
            patience: Patience::Told,
            tls: TlsPolicy::NotOffered,
            channel: Channel::Private,
            peer: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            digest,
        }
    }

    /// A control connection, and one for each transfer (RFC 959 section 2.3).
    pub fn ftp(tls: TlsPolicy, channel: Channel, peer: IpAddr) -> Self {
        Self {
            opening: Opening::ServerFirst,
            climbing: Climbing::StaysAtHome,
            patience: Patience::Short,
            tls,
            channel,
            peer,
            digest: Algorithm::default(),
        }
    }
}
