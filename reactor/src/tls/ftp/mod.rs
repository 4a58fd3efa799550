//! TLS of the FTP dialect (RFC 4217): a data connection that resumes the TLS session of its control
//! connection was made by the same client.

mod fallback;
#[cfg(test)]
mod tests;
mod tickets;

use std::sync::Arc;

use rustls::version::TLS12;
use rustls::{Connection, HandshakeKind, ServerConfig, ServerConnection, SupportedProtocolVersion};
use skiff_conf::Resumption;

pub(crate) use self::fallback::Tls13Fallback;
use self::tickets::TicketKeys;
pub(crate) use self::tickets::{Offered, SessionResumption, TicketGate};
use super::served::{Served, ServedAs};
use super::{ServerIdentity, TlsError};

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
    served: Arc<Served>,
    control: ServerConfig,
    data: ServerConfig,
    data_without_tickets: ServerConfig,
    /// For clients that have TLS 1.2, where data connections must resume.
    tls12: Option<Tls12>,
}

struct Tls12 {
    control: ServerConfig,
    data: ServerConfig,
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
        let versions = identity.versions;
        let speaks_tls12 = versions.iter().any(|one| one.version == TLS12.version);
        let prefers_tls12 = resumption == Resumption::Require && speaks_tls12;
        let tls12 = || {
            Ok::<_, TlsError>(Tls12 {
                control: config(identity, &[&TLS12], CONTROL_ALPN, 0)?,
                data: config(identity, &[&TLS12], DATA_ALPN, 0)?,
            })
        };
        let keys = match before {
            Some(before) => before.0.keys.clone(),
            None => TicketKeys::random()?,
        };
        Ok(Self(Arc::new(Parts {
            keys,
            served: Arc::clone(&identity.served),
            control: config(identity, versions, CONTROL_ALPN, control_tickets)?,
            data: config(identity, versions, DATA_ALPN, 1)?,
            data_without_tickets: config(identity, versions, DATA_ALPN, 0)?,
            tls12: prefers_tls12.then(tls12).transpose()?,
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
        let (config, fallback) = match &self.0.tls12 {
            Some(tls12) => (
                self.of_session(&tls12.control, session),
                Some(Tls13Fallback::new(config, session.clone())),
            ),
            None => (config, None),
        };
        Ok((ServerConnection::new(config)?.into(), fallback))
    }

    /// TLS of a data connection of this session. The gate is to be told how its handshake goes.
    pub(crate) fn data(
        &self,
        session: &SessionResumption,
        tickets: Tickets,
    ) -> Result<(Connection, TicketGate), TlsError> {
        // A data connection of TLS 1.3 would not resume its control connection's TLS 1.2.
        let tls12 = self.0.tls12.as_ref();
        let base = match (tls12.filter(|_| !session.is_without_tls12()), tickets) {
            (Some(tls12), _) => &tls12.data,
            (None, Tickets::One) => &self.0.data,
            (None, Tickets::None) => &self.0.data_without_tickets,
        };
        let gate = session.gate();
        let mut config = self.as_host_of(session, base);
        config.ticketer = self.0.keys.of_data(session, &gate);
        config.session_storage = session.known_session_ids(&gate);
        Ok((ServerConnection::new(Arc::new(config))?.into(), gate))
    }

    /// How many tickets of TLS 1.3 a control connection gives.
    pub(crate) fn control_tickets(&self) -> usize {
        self.0.control.send_tls13_tickets
    }

    /// rustls asks the ticketer and the storage of the configuration, hence one configuration for
    /// each connection; it is freed when the handshake is done.
    fn of_session(&self, base: &ServerConfig, session: &SessionResumption) -> Arc<ServerConfig> {
        let mut config = self.as_host_of(session, base);
        config.ticketer = self.0.keys.of_session(session);
        config.session_storage = session.session_ids();
        Arc::new(config)
    }

    /// With the certificate of the host that the session's client has named.
    fn as_host_of(&self, session: &SessionResumption, base: &ServerConfig) -> ServerConfig {
        let mut config = base.clone();
        if let Some(host) = session.host() {
            config.cert_resolver = Arc::new(ServedAs {
                served: Arc::clone(&self.0.served),
                host: Arc::clone(host),
            });
        }
        config
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
    let mut config = identity.config(versions, identity.clients.as_ref())?;
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    config.send_tls13_tickets = tickets;
    // Whatever number the client requests (RFC 9149).
    config.max_tls13_tickets = 0;
    Ok(config)
}
