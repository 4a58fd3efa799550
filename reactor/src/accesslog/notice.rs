//! [`Notice`]: what becomes of connections before and besides commands: who comes, who is not let
//! in, and why.

use super::client::Client;

/// One event that is no command. What a peer has sent is bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notice<'a> {
    Connected(Client),
    /// A wrong user or password; the user may not exist.
    LoginFailed(Client, &'a [u8]),
    /// A login in clear where TLS is required.
    LoginNeedsTls(Client, &'a [u8]),
    /// The TLS handshake of a control connection.
    HandshakeFailed(Client, &'a str),
    /// A peer that was refused or put out before its login.
    NotLetIn {
        client: Client,
        cause: &'a str,
        /// Others who were refused for the same reason and have no line of their own.
        more: u64,
    },
    Banned {
        /// An address, or an IPv6 network.
        address: &'a str,
        /// `None`: everybody there.
        user: Option<&'a [u8]>,
        seconds: u64,
        cause: &'a str,
    },
}

/// A field of a notice.
pub(super) enum Value<'a> {
    Number(u64),
    /// One word, whatever a peer has sent.
    Word(&'a [u8]),
    /// Words of our own; the last field.
    Text(&'a str),
}

impl<'a> Notice<'a> {
    /// The kind, as JSON names it.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Connected(_) => "connected",
            Self::LoginFailed(..) => "login-failed",
            Self::LoginNeedsTls(..) => "login-needs-tls",
            Self::HandshakeFailed(..) => "handshake-failed",
            Self::NotLetIn { .. } => "not-let-in",
            Self::Banned { .. } => "banned",
        }
    }

    /// The kind, as a line begins.
    pub(super) fn title(&self) -> &'static str {
        match self {
            Self::Connected(_) => "connected",
            Self::LoginFailed(..) => "login failed",
            Self::LoginNeedsTls(..) => "login needs tls",
            Self::HandshakeFailed(..) => "handshake failed",
            Self::NotLetIn { .. } => "not let in",
            Self::Banned { .. } => "banned",
        }
    }

    /// How important it is; `None` where it is logged at every level.
    pub(super) fn level(&self) -> Option<log::Level> {
        match self {
            Self::LoginFailed(..) => None,
            Self::Connected(_) | Self::HandshakeFailed(..) | Self::NotLetIn { .. } => {
                Some(log::Level::Info)
            }
            Self::LoginNeedsTls(..) | Self::Banned { .. } => Some(log::Level::Warn),
        }
    }

    pub(super) fn client(&self) -> Option<&Client> {
        match self {
            Self::Connected(client)
            | Self::LoginFailed(client, _)
            | Self::LoginNeedsTls(client, _)
            | Self::HandshakeFailed(client, _)
            | Self::NotLetIn { client, .. } => Some(client),
            Self::Banned { .. } => None,
        }
    }

    /// What it says besides its client.
    pub(super) fn fields(&self) -> Vec<(&'static str, Value<'a>)> {
        match *self {
            Self::Connected(_) => Vec::new(),
            Self::LoginFailed(_, user) | Self::LoginNeedsTls(_, user) => {
                vec![("user", Value::Word(user))]
            }
            Self::HandshakeFailed(_, cause) => vec![("cause", Value::Text(cause))],
            Self::NotLetIn { cause, more, .. } => {
                vec![("more", Value::Number(more)), ("cause", Value::Text(cause))]
            }
            Self::Banned {
                address,
                user,
                seconds,
                cause,
            } => {
                let mut fields = vec![("address", Value::Word(address.as_bytes()))];
                fields.extend(user.map(|user| ("user", Value::Word(user))));
                fields.push(("seconds", Value::Number(seconds)));
                fields.push(("cause", Value::Text(cause)));
                fields
            }
        }
    }
}
