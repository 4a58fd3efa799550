//! Makes the TLS of an FTP session's data connections, and the rule by which they are judged: whether
//! one must resume the TLS of its session (RFC 4217 section 10.2 asks that it be the same client's).

use rustls::{Connection as TlsConnection, ProtocolVersion};
use skiff_conf::Resumption;
use skiff_sessions::server::Direction;

use super::Connection;
use super::candidates::{self, Began, News, Wait};
use crate::event_loop::shared::Shared;
use crate::tls::ftp::{TicketGate, Tickets};
use crate::transport::channel::Channel;

/// What a data connection gets TLS by.
pub(super) struct DataTls {
    pub(super) connection: TlsConnection,
    pub(super) gate: TicketGate,
    /// What it will be judged by.
    pub(super) rule: Resumption,
}

impl Connection {
    /// TLS for a data connection.
    pub(super) fn data_tls(
        &self,
        direction: Direction,
        shared: &Shared,
    ) -> Result<DataTls, String> {
        let ftp = shared.ftp.as_ref();
        let tls = ftp.and_then(|ftp| Some((ftp.tls.as_ref()?, ftp.resumption)));
        let (Some((tls, rule)), Some(own)) = (tls, &self.data.resumption) else {
            return Err("there is no tls".to_owned());
        };
        let tickets = match (rule, direction) {
            (Resumption::Off, _) | (_, Direction::FromPeer) => Tickets::None,
            (_, Direction::ToPeer) => Tickets::One,
        };
        let made = match rule {
            // There is nothing to resume in a session that was never given out.
            Resumption::Off => {
                let unused = own.apart().map_err(|error| error.to_string())?;
                tls.data(&unused, tickets)
            }
            Resumption::Prefer | Resumption::Require => tls.data(own, tickets),
        };
        let (connection, gate) = made.map_err(|error| error.to_string())?;
        Ok(DataTls {
            connection,
            gate,
            rule,
        })
    }

    /// Whether a data connection that resumes can be expected, where one has come that does not.
    pub(super) fn resuming_wait(&self, shared: &Shared) -> Wait {
        let Some(ftp) = &shared.ftp else {
            return Wait::No;
        };
        let habit = &self.data.habit;
        let is_expected = match (ftp.resumption, habit.began()) {
            (Resumption::Off, _) => false,
            (Resumption::Require, _) => true,
            // It costs each client that never resumes one wait, and no more with its next session.
            (Resumption::Prefer, Began::Nothing) => {
                !shared.unproven_clients.contains(&self.client())
            }
            (Resumption::Prefer, Began::Resumed) => {
                let given = ftp.tls.as_ref().map_or(0, |tls| tls.control_tickets());
                habit.has_tickets(given)
            }
            (Resumption::Prefer, Began::NeverResumed | Began::AtTimes) => false,
        };
        match is_expected {
            true => Wait::Yes,
            false => Wait::No,
        }
    }

    /// Notes how a data connection began that is used. Logs once for each user and address that the
    /// client does not resume TLS: its data connections cannot be told from those of others at its
    /// address.
    pub(super) fn note_data_handshake(
        &mut self,
        channel: &Channel,
        direction: Direction,
        shared: &mut Shared,
    ) {
        let tickets = match channel.tls_version() {
            Some(ProtocolVersion::TLSv1_3) => candidates::Tickets::Once,
            _ => candidates::Tickets::Many,
        };
        let news = match channel.is_resumed() {
            true => self.data.habit.resumed(direction, tickets),
            false => self.data.habit.did_not_resume(),
        };
        let is_offered = shared.ftp.as_ref().map(|ftp| ftp.resumption) == Some(Resumption::Prefer);
        match news {
            News::Resumes => shared.unproven_clients.forget(&self.client()),
            News::DoesNotResume if is_offered => self.name_unproven(shared),
            News::DoesNotResume | News::Nothing => {}
        }
    }

    fn name_unproven(&self, shared: &mut Shared) {
        shared.unproven_clients.add(self.client());
        if shared.named_clients.add(self.client()) {
            let (peer, user) = (self.peer, &self.user);
            log::info!(
                "{peer}: the client of {user} does not resume TLS for its data connections, so \
                 that others at its address could take them (ftp.data_tls_resumption: Prefer)"
            );
        }
    }

    fn client(&self) -> (String, std::net::IpAddr) {
        (self.user.clone(), self.peer.ip())
    }
}
