//! TLS of the FTP dialect (RFC 4217): a data connection that resumes the TLS session of its control
//! connection was made by the same client.

mod fallback;
#[cfg(test)]
mod tests;
mod tickets;

use std::sync::Arc;

use rustls::version::{TLS12, TLS13};
use rustls::{Connection, HandshakeKind, ServerConfig, ServerConnection, SupportedProtocolVersion};
use skiff_conf::Resumption;

pub(crate) use self::fallback::Tls13Fallback;
use self::tickets::TicketKeys;
pub(crate) use self::tickets::{Offered, SessionResumption, TicketGate};
use super::{ServerIdentity, TlsError};

const BOTH: &[&SupportedProtocolVersion] = &[&TLS12, &TLS13];

/// The ALPN id of FTP in IANA's registry.
const CONTROL_ALPN: &[&[u8]] = &[b"ftp"];
/// `ftp-data` is offered by clients that tell data connections apart.
const DATA_ALPN: &[&[u8]] = &[b"ftp-data", b"ftp"];

/// Tickets given on a control connection: a client should use a TLS 1.3 ticket once (RFC 8446
/// appendix C.4), uploads bring no new ones, and clients open a few data connections at once.
const CONTROL_TICKETS: usize = 4;
/// The same where a data connection without a ticket is refused, and the client has TLS 1.3 only.
/// All of them are about 20 KiB.
const CONTROL_TICKETS_REQUIRED: usize = 80;

/// Makes FTP's control and data connections; cheap to clone.
#[derive(Clone)]
pub(crate) struct FtpTls(Arc<Parts>);

struct Parts {
    keys: TicketKeys,
    resumption: Resumption,
    control: ServerConfig,
    control_tls12: ServerConfig,
    data: ServerConfig,
    data_without_tickets: ServerConfig,
    data_tls12: ServerConfig,
}

/// How many new tickets a TLS 1.3 data connection gives if it resumes. A client that closes with
/// one unread resets the connection, and the tail of an upload is lost with it. TLS
/// 1.2 gives tickets inside the handshake, where nothing stays unread.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Tickets {
    /// For downloads and listings.
    One,
    /// For uploads.
    None,
}

impl FtpTls {
    /// Tickets given by `before` stay valid, so that sessions outlive a change of the certificate.
    pub(crate) fn new(
        identity: &ServerIdentity,
        resumption: Resumption,
        before: Option<&Self>,
    ) -> Result<Self, TlsError> {
        let control_tickets = match resumption {
            Resumption::Require => CONTROL_TICKETS_REQUIRED,
            Resumption::Prefer | Resumption::Off => CONTROL_TICKETS,
        };
        let keys = match before {
            Some(before) => before.0.keys.clone(),
            None => TicketKeys::random()?,
        };
        Ok(Self(Arc::new(Parts {
            keys,
            resumption,
            control: config(identity, BOTH, CONTROL_ALPN, control_tickets)?,
            control_tls12: config(identity, &[&TLS12], CONTROL_ALPN, 0)?,
            data: config(identity, BOTH, DATA_ALPN, 1)?,
            data_without_tickets: config(identity, BOTH, DATA_ALPN, 0)?,
            data_tls12: config(identity, &[&TLS12], DATA_ALPN, 0)?,
        })))
    }

    /// TLS of a control connection, which `session` will remember, and what it goes on with if the
    /// client lacks the version.
    ///
    /// Where resumption is required, a client that has TLS 1.2 gets it: a ticket of TLS 1.3 is good
    /// for one data connection with clients such as curl, and an upload brings no new one.
    pub(crate) fn control(
        &self,
        session: &SessionResumption,
    ) -> Result<(Connection, Option<Tls13Fallback>), TlsError> {
        let config = self.of_session(&self.0.control, session);
        let (config, fallback) = match self.0.resumption {
            Resumption::Require => (
                self.of_session(&self.0.control_tls12, session),
                Some(Tls13Fallback::new(config, session.clone())),
            ),
            Resumption::Prefer | Resumption::Off => (config, None),
        };
        Ok((ServerConnection::new(config)?.into(), fallback))
    }

    /// TLS of a data connection of this session. The gate is to be told how its handshake goes.
    pub(crate) fn data(
        &self,
        session: &SessionResumption,
        tickets: Tickets,
    ) -> Result<(Connection, TicketGate), TlsError> {
        let base = match tickets {
            _ if self.is_kept_to_tls12(session) => &self.0.data_tls12,
            Tickets::One => &self.0.data,
            Tickets::None => &self.0.data_without_tickets,
        };
        let gate = TicketGate::default();
        let mut config = base.clone();
        config.ticketer = self.0.keys.of_data(session, &gate);
        config.session_storage = session.known_session_ids(&gate);
        Ok((ServerConnection::new(Arc::new(config))?.into(), gate))
    }

    /// How many tickets of TLS 1.3 a control connection gives.
    pub(crate) fn control_tickets(&self) -> usize {
        self.0.control.send_tls13_tickets
    }

    /// A data connection of TLS 1.3 would not resume its control connection's TLS 1.2.
    fn is_kept_to_tls12(&self, session: &SessionResumption) -> bool {
        self.0.resumption == Resumption::Require && !session.is_without_tls12()
    }

    /// rustls asks the ticketer and the storage of the configuration, hence one configuration for
    /// each connection; it is freed when the handshake is done.
    fn of_session(&self, base: &ServerConfig, session: &SessionResumption) -> Arc<ServerConfig> {
        let mut config = base.clone();
        config.ticketer = self.0.keys.of_session(session);
        config.session_storage = session.session_ids();
        Arc::new(config)
    }
}

/// True if a data connection resumed its session. Never during the handshake: a ticket can be
/// overheard, and only its owner can finish.
pub(crate) fn resumed(connection: &Connection) -> bool {
    !connection.is_handshaking() && connection.handshake_kind() == Some(HandshakeKind::Resumed)
}

fn config(
    identity: &ServerIdentity,
    versions: &[&'static SupportedProtocolVersion],
    alpn: &[&[u8]],
    tickets: usize,
) -> Result<ServerConfig, TlsError> {
    let mut config = identity.config(versions)?;
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    config.send_tls13_tickets = tickets;
    // Whatever number the client requests (RFC 9149).
    config.max_tls13_tickets = 0;
    Ok(config)
}
