//! How a dialect talks, as data: what differs between dialects is looked up
//! here, so that no state asks which one it serves.

use core::net::{IpAddr, Ipv4Addr};

use crate::digest::Algorithm;
use crate::path::ParentOfRoot;

/// Of one session.
#[derive(Clone, Copy, Debug)]
pub struct Manners {
    pub first_speaker: FirstSpeaker,
    /// What `..` above the home means.
    pub parent_of_root: ParentOfRoot,
    /// Whether work that takes long is told of while it lasts.
    pub long_work: LongWork,
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
pub enum FirstSpeaker {
    Client,
    Server,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LongWork {
    /// A line now and then says that work goes on.
    ReportProgress,
    /// Nobody is told; what takes too long is refused for now.
    AskToRetry,
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
            first_speaker: FirstSpeaker::Client,
            parent_of_root: ParentOfRoot::Refused,
            long_work: LongWork::ReportProgress,
            tls: TlsPolicy::NotOffered,
            channel: Channel::Private,
            peer: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            digest,
        }
    }

    /// A control connection, and one for each transfer (RFC 959 section 2.3).
    pub fn ftp(tls: TlsPolicy, channel: Channel, peer: IpAddr) -> Self {
        Self {
            first_speaker: FirstSpeaker::Server,
            parent_of_root: ParentOfRoot::IsRoot,
            long_work: LongWork::AskToRetry,
            tls,
            channel,
            peer,
            digest: Algorithm::default(),
        }
    }
}
