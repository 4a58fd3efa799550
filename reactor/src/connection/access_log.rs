//! What a connection writes to the access log.

use std::io;
use std::time::Instant;

use rustls::ProtocolVersion;
use skiff_sessions::conversation::LogLine;
use skiff_sessions::server::job::Evidence;

use super::{Connection, Origin, Stage};
use crate::accesslog::MAX_USER;
use crate::accesslog::client::{Client, TlsVersion};
use crate::accesslog::notice::Notice;
use crate::accesslog::record::Record;
use crate::accounts::elsewhere::CameBy;
use crate::event_loop::shared::Shared;

impl Connection {
    /// As the log names it.
    pub(crate) fn logged_as(&self) -> Client {
        let origin = Origin {
            peer: self.peer,
            protocol: self.protocol,
            proxy: None,
            tls: self.policy,
            number: self.number,
        };
        Client {
            tls: self.tls,
            ..origin.client()
        }
    }

    /// Notes what the control connection is under, once its handshake is done.
    /// How what the client says comes.
    pub(super) fn came_by(&self) -> CameBy {
        match self.tls {
            TlsVersion::Clear => CameBy::Clear,
            TlsVersion::Tls12 | TlsVersion::Tls13 => CameBy::Tls,
        }
    }

    pub(super) fn note_tls(&mut self) {
        let version = self
            .channel
            .as_ref()
            .and_then(|channel| channel.tls_version());
        self.tls = match version {
            None => TlsVersion::Clear,
            Some(ProtocolVersion::TLSv1_2) => TlsVersion::Tls12,
            Some(_) => TlsVersion::Tls13,
        };
    }

    pub(super) fn log_line(&self, line: &LogLine, shared: &mut Shared, now: Instant) {
        let record = Record::of_command(self.logged_as(), &self.user, line, now);
        if let Some(transfer) = &record.transfer {
            shared
                .counters
                .transfer_ended(record.client.dialect, transfer);
        }
        shared.log.record(&record);
    }

    /// Logs the command that the end has cut off, with the bytes that were moved.
    pub(super) fn log_last_line(&mut self, shared: &mut Shared) {
        let moved = self.transfer.as_ref().map_or(0, |task| task.moved());
        if let Stage::Conversing(conversation) = &mut self.stage
            && let Some(line) = conversation.take_unanswered(moved)
        {
            self.log_line(&line, shared, Instant::now());
        }
    }

    pub(super) fn log_login_failed(&self, user: &str, shared: &Shared) {
        let notice = Notice::LoginFailed(self.logged_as(), name(user));
        shared.log.notice(&notice);
    }

    pub(super) fn log_login_needs_tls(&self, user: &str, shared: &Shared) {
        let notice = Notice::LoginNeedsTls(self.logged_as(), name(user));
        shared.log.notice(&notice);
    }

    pub(super) fn log_no_handshake(&self, error: &io::Error, shared: &Shared) {
        let cause = match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => {
                "the peer has closed the connection".to_owned()
            }
            io::ErrorKind::TimedOut => "it took longer than limits.login".to_owned(),
            _ => error.to_string(),
        };
        let notice = Notice::HandshakeFailed(self.logged_as(), &cause);
        shared.log.notice(&notice);
    }

    pub(super) fn log_no_close_notify(&self, evidence: Evidence) {
        let (level, why) = match evidence {
            Evidence::AnnouncedSize => (log::Level::Info, "it has the size that ALLO announced"),
            Evidence::LiveControl => (
                log::Level::Info,
                "its client is still there (ftp.data_close_notify: Prefer)",
            ),
            Evidence::None => (log::Level::Warn, "so says ftp.data_close_notify: Warn"),
        };
        let (peer, user) = (self.peer, &self.user);
        log::log!(
            level,
            "{peer}: an upload of {user} ended without TLS close_notify and is stored: {why}"
        );
    }
}

/// What of a user's name is logged: a peer may send as much as a line holds.
fn name(user: &str) -> &[u8] {
    &user.as_bytes()[..user.floor_char_boundary(MAX_USER)]
}
