//! Makes the TLS of an FTP session's data connections, and the rule by which they are judged: whether
//! one must resume the TLS of its session (RFC 4217 section 10.2 asks that it be the same client's).

use rustls::Connection as TlsConnection;
use skiff_conf::Resumption;
use skiff_sessions::server::Direction;

use super::Connection;
use crate::event_loop::shared::Shared;
use crate::tls::ftp::{SessionResumption, Tickets};

/// What a data connection gets TLS by.
pub(super) struct DataTls {
    pub(super) connection: TlsConnection,
    /// What it will be judged by.
    pub(super) rule: Resumption,
    pub(super) session: SessionResumption,
}

impl Connection {
    /// TLS for the data connection.
    pub(super) fn data_tls(
        &self,
        direction: Direction,
        shared: &Shared,
    ) -> Result<DataTls, String> {
        let ftp = shared.ftp.as_ref();
        let tls = ftp.and_then(|ftp| Some((ftp.tls.as_ref()?, ftp.resumption)));
        let (Some((tls, resumption)), Some(own)) = (tls, &self.data.resumption) else {
            return Err("there is no tls".to_owned());
        };
        let tickets = match (resumption, direction) {
            (Resumption::Off, _) | (_, Direction::FromPeer) => Tickets::None,
            (_, Direction::ToPeer) => Tickets::One,
        };
        let connection = match resumption {
            // There is nothing to resume in a session that was never given out.
            Resumption::Off => {
                let unused = SessionResumption::new().map_err(|error| error.to_string())?;
                tls.data(&unused, tickets)
            }
            Resumption::Prefer | Resumption::Require => tls.data(own, tickets),
        };
        Ok(DataTls {
            connection: connection.map_err(|error| error.to_string())?,
            rule: resumption,
            session: own.clone(),
        })
    }

    /// Logs once for each user and address that the client does not resume TLS: its data connections
    /// cannot be told from those of others at its address.
    pub(super) fn name_if_unproven(&mut self, shared: &mut Shared) {
        let resumption = self.data.resumption.as_ref();
        let is_offered = shared.ftp.as_ref().map(|ftp| ftp.resumption) == Some(Resumption::Prefer);
        if is_offered && resumption.is_some_and(SessionResumption::never_resumes) {
            let client = (self.user.clone(), self.peer.ip());
            if shared.unproven_clients.add(client) {
                let (peer, user) = (self.peer, &self.user);
                log::info!(
                    "{peer}: the client of {user} does not resume TLS for its data connections, so \
                     that others at its address could take them (ftp.data_tls_resumption: Prefer)"
                );
            }
        }
    }
}
