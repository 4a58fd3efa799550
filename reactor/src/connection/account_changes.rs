//! What a session does when the operator has changed its account.

use std::sync::Arc;
use std::time::Instant;

use skiff_sessions::server::Event;
use skiff_sessions::wire::reply::CloseReason;

use super::Connection;
use crate::accounts::store::LoginKey;
use crate::accounts::verdict::{AccountsNow, LoginBy, Proven, Timing, Verdict};
use crate::event_loop::listener::Protocol;
use crate::event_loop::shared::Shared;
use crate::workers::opening::shown;

/// Passwords of one session that are remembered: more than may be wrong one after the other.
const KEYS_MAX: usize = 8;

/// By what a session may stay when the accounts change.
#[derive(Default)]
pub(super) struct Standing {
    /// What it was proven by, and what its own user has changed that to.
    keys: Vec<LoginKey>,
    proof: LoginProof,
    when_revoked: WhenRevoked,
}

/// What FTP's login is proven by.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum LoginProof {
    #[default]
    Password,
    Certificate,
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
    pub(super) fn begins(&mut self, proof: LoginProof) {
        self.proof = proof;
    }

    pub(super) fn proven_by(&mut self, key: LoginKey) {
        self.keys = vec![key];
        self.when_revoked = WhenRevoked::Ends;
    }

    /// The session's own user is changing the password.
    pub(super) fn changes_to(&mut self, key: LoginKey) {
        // The change may be refused: then one of those before holds.
        if self.keys.len() == KEYS_MAX {
            self.keys.remove(0);
        }
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
        let Some(open_home) = &self.open_home else {
            return;
        };
        let proven = Proven {
            keys: &self.standing.keys,
            elsewhere: open_home.elsewhere.as_ref(),
        };
        let shown = shown(self.certificate.as_ref());
        let by = match (self.protocol, self.standing.proof) {
            (Protocol::Native, _) => LoginBy::Scram,
            (_, LoginProof::Password) => LoginBy::Password(shown),
            (_, LoginProof::Certificate) => LoginBy::Certificate(shown),
        };
        match accounts.judge(&self.user, self.peer.ip(), proven, by) {
            Verdict::Stays {
                terms,
                timing,
                folders,
            } => {
                self.change_folders(folders);
                note_timing(timing, shared, now);
                self.on_event(Event::AccountChanged(Arc::new(terms)), shared, now);
                self.refresh_rates(shared, now);
                self.drive(shared, now);
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
                self.send_away(CloseReason::AccountChanged, shared, now);
            }
        }
    }
}

/// Has the account looked at again soon, if it may close by itself.
pub(super) fn note_timing(timing: Timing, shared: &mut Shared, now: Instant) {
    match timing {
        Timing::Limited => shared.watch_accounts(now),
        Timing::Always => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_passwords_are_known_however_many_there_were() {
        let mut standing = Standing::default();
        standing.proven_by([0; 32]);
        for number in 1..=40 {
            standing.changes_to([number; 32]);
            assert!(standing.keys.contains(&[number; 32]));
            assert!(standing.keys.contains(&[number - 1; 32]));
        }
        assert_eq!(standing.keys.len(), KEYS_MAX);
    }
}
