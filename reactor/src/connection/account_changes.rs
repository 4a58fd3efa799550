//! What a session does when the operator has changed its account.

use std::time::Instant;

use skiff_sessions::server::Event;
use skiff_sessions::wire::reply::CloseReason;

use super::Connection;
use crate::accounts::store::{AccountsNow, LoginBy, LoginKey, Verdict};
use crate::event_loop::listener::Protocol;
use crate::event_loop::shared::Shared;

/// By what a session may stay when the accounts change.
#[derive(Default)]
pub(super) struct Standing {
    /// What it was proven by, and what its own user has changed that to.
    keys: Vec<LoginKey>,
    when_revoked: WhenRevoked,
}

/// What becomes of the session when its login would not succeed any more.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum WhenRevoked {
    #[default]
    Ends,
    /// The operator wants it to stay.
    Stays,
}

impl Standing {
    pub(super) fn proven_by(key: LoginKey) -> Self {
        Self {
            keys: vec![key],
            when_revoked: WhenRevoked::Ends,
        }
    }

    /// The session's own user is changing the password.
    pub(super) fn changes_to(&mut self, key: LoginKey) {
        // One more is changing at a time; the last one holds.
        self.keys.truncate(4);
        self.keys.push(key);
    }
}

impl Connection {
    /// Goes on with what the account may do now, or ends as the operator wants.
    pub(crate) fn accounts_changed(
        &mut self,
        accounts: &AccountsNow,
        shared: &mut Shared,
        now: Instant,
    ) {
        if self.open_home.is_none() {
            return;
        }
        let by = match self.protocol {
            Protocol::Native => LoginBy::Scram,
            Protocol::Ftp | Protocol::FtpOverTls => LoginBy::Password,
        };
        match accounts.judge(&self.user, &self.standing.keys, by) {
            Verdict::Stays(access, rights) => {
                self.on_event(Event::AccountChanged(access, rights), shared, now);
            }
            Verdict::Ends if shared.keeps_sessions_of(&self.user, now) => {
                self.standing.when_revoked = WhenRevoked::Stays;
            }
            Verdict::Ends if self.standing.when_revoked == WhenRevoked::Stays => {}
            Verdict::Ends => {
                log::info!(
                    "{}: a session of {} ends: its account was changed",
                    self.peer,
                    self.user
                );
                self.on_event(Event::Leave(CloseReason::AccountChanged), shared, now);
                self.on_event(Event::Stop, shared, now);
            }
        }
    }
}
