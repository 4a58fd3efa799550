//! Logins: by what a client proves itself, when its turn comes, and what is noted of one that has
//! succeeded.

use std::sync::Arc;
use std::time::Instant;

use skiff_sessions::server::{self, Completion, JobId};

use super::account_changes::{LoginProof, note_timing};
use super::{Connection, Stage};
use crate::event_loop::admission::{LoginTurn, Place};
use crate::event_loop::counters::LoginResult;
use crate::event_loop::shared::Shared;
use crate::event_loop::waiting_logins::Login;
use crate::tls::clients::ClientCertificate;
use crate::workers::jobs::{JobRequest, OpenHome};

impl Connection {
    pub(super) fn begin_login(&mut self, user: &str, proof: LoginProof) {
        user.clone_into(&mut self.user);
        self.standing.begins(proof);
    }

    /// Keeps the certificate that the client has shown in the handshake of its control connection.
    pub(super) fn note_certificate(&mut self) {
        let tls = self.channel.as_mut().and_then(|channel| channel.tls());
        let Some(shown) = tls.and_then(|tls| ClientCertificate::of(tls)) else {
            return;
        };
        if let Some(resumption) = &self.data.resumption {
            resumption.has_certificate(shown.fingerprint);
        }
        self.certificate = Some(Arc::new(shown));
    }

    pub(super) fn shown_certificate(&self) -> server::ClientCertificate {
        match self.certificate {
            Some(_) => server::ClientCertificate::Shown,
            None => server::ClientCertificate::None,
        }
    }

    /// Has a worker do a step of a login, when its turn has come.
    pub(super) fn submit_login(
        &mut self,
        id: JobId,
        request: JobRequest,
        shared: &mut Shared,
        now: Instant,
    ) {
        let address = self.peer.ip();
        let turn = shared.admission.take_turn(address, &self.user, now);
        let login = Login {
            connection: self.id,
            id,
            request,
            address,
        };
        match turn {
            LoginTurn::Now => shared.submit_login(login, now),
            LoginTurn::NotBefore(at) => shared.waiting_logins.push(at, login),
            LoginTurn::Never(reason) => shared.expelled.push((self.id, reason)),
        }
    }

    pub(super) fn note_open_home(
        &mut self,
        open_home: Option<OpenHome>,
        completion: &Completion,
        shared: &mut Shared,
        now: Instant,
    ) {
        match (&self.stage, open_home) {
            (_, Some(open_home)) => {
                shared.counters.login(LoginResult::Accepted);
                shared.note_open_home(&open_home, self.account, now);
                note_timing(open_home.timing, shared, now);
                self.standing.proven_by(open_home.key);
                self.open_home = Some(open_home);
            }
            (Stage::Conversing(conversation), None)
                if self.place == Place::LoggedIn
                    && conversation.session().account().is_none()
                    && matches!(completion, Completion::Refused(_)) =>
            {
                shared.counters.login(LoginResult::NoHome);
                shared.forget_home_device(self.account);
                self.withdraw(shared);
            }
            _ => {}
        }
    }
}
