//! Says why a connection could not be made, or cannot be used any more.

use std::io;
use std::time::Duration;

use skiff_conf::DEFAULT_PORT;
use skiff_sessions::scram::ScramError;
use skiff_sessions::wire::native::replies::NotAReply;
use thiserror::Error;

use super::known_hosts::Fingerprint;
use super::service::Service;
use crate::terminal::format::{IoCause, ServerText};

/// Why the connection could not be made, or cannot be used any more.
#[derive(Debug, Error)]
pub(crate) enum LinkError {
    #[error("no such host: {}", IoCause(.0))]
    Resolve(io::Error),
    /// The same, and a host of a name like it was met before.
    #[error("no such host: {}; did you mean {meant}?", IoCause(.cause))]
    ResolveNear { cause: io::Error, meant: String },
    #[error("no connection: {}", IoCause(.0))]
    Connect(io::Error),
    #[error("TLS failed: {0}; is it the port of skiffd, {DEFAULT_PORT} by default?")]
    Tls(rustls::Error),
    #[error("{0}")]
    OtherService(Service),
    #[error("the server closed: {0}")]
    Closing(ServerText),
    #[error("the connection was lost")]
    Lost,
    #[error("nobody there talks without TLS; leave --tls off away, and tls: Off in the settings")]
    PlaintextRefused,
    #[error("the connection broke: {}", IoCause(.0))]
    Broken(io::Error),
    #[error("no answer for {} s", .0.as_secs_f32())]
    TimedOut(Duration),
    #[error("the server did not stop within {} s", .0.as_secs_f32())]
    NotStopped(Duration),
    #[error("the server says that it works and gets no further")]
    EndlessWork,
    #[error(transparent)]
    NotAReply(#[from] NotAReply),
    #[error("the server said {0} {1}, which makes no sense here")]
    OutOfOrder(u16, ServerText),
    #[error("closed by a second Ctrl-C")]
    Interrupted,
    #[error("{first}; and it was not connected again: {last}")]
    NotRestored { first: String, last: Box<Self> },
    #[error(
        "the certificate has changed!\n  it was {was}\n  it is  {is}\nsomeone may stand in \
         between. nothing was sent; open asks whether to trust it"
    )]
    CertificateChanged { was: Fingerprint, is: Fingerprint },
    /// Names that are relative to it would mean others now.
    #[error("the directory is not there any more ({0})")]
    DirectoryGone(String),
    #[error("{0}")]
    LoginRefused(String),
    #[error("the login ended: {0}")]
    Login(ScramError),
    #[error("no random numbers: {0}")]
    Randomness(io::Error),
    /// The link went with an earlier command; nothing was sent.
    #[error("not connected any more ({0})")]
    NotConnected(String),
    /// The same, and it is not made again unasked.
    #[error("not connected ({0}); reconnect and open connect")]
    Shut(String),
}

impl LinkError {
    /// True where the same server may be there again in a moment.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Resolve(_)
            | Self::ResolveNear { .. }
            | Self::Connect(_)
            | Self::Closing(_)
            | Self::Lost
            | Self::Broken(_)
            | Self::TimedOut(_)
            | Self::NotStopped(_)
            | Self::NotConnected(_) => true,
            Self::Tls(_)
            | Self::OtherService(_)
            | Self::PlaintextRefused
            | Self::EndlessWork
            | Self::NotAReply(_)
            | Self::OutOfOrder(..)
            | Self::Interrupted
            | Self::NotRestored { .. }
            | Self::CertificateChanged { .. }
            | Self::DirectoryGone(_)
            | Self::LoginRefused(_)
            | Self::Login(_)
            | Self::Randomness(_)
            | Self::Shut(_) => false,
        }
    }
}
