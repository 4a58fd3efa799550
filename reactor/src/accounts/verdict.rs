//! What becomes of a session whose account may have changed.

use std::sync::Arc;

use skiff_conf::{Account, AccountStatus, FtpAccess, Server, UserStore};
use skiff_sessions::server::{Access, Rights};

use super::client_certificate::{MaybeShown, admits, stands_for_password};
use super::store::{LoginKey, allowed};

/// All accounts at one time.
pub(crate) struct AccountsNow {
    store: Arc<UserStore>,
    config: Arc<Server>,
}

/// What becomes of a session whose account may have changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    /// It goes on, with these.
    Stays(Access, Rights),
    /// Its login would not succeed any more.
    Ends,
}

/// How a session has logged in.
#[derive(Clone, Copy)]
pub(crate) enum LoginBy<'a> {
    Scram,
    /// By FTP's USER and PASS, which an account may be closed to.
    Password(MaybeShown<'a>),
    /// By FTP's USER alone.
    Certificate(MaybeShown<'a>),
}

impl AccountsNow {
    pub(super) fn new(store: Arc<UserStore>, config: Arc<Server>) -> Self {
        Self { store, config }
    }

    /// What becomes of a session of `user` that was proven by one of `keys`.
    pub(crate) fn judge(&self, user: &str, keys: &[LoginKey], by: LoginBy<'_>) -> Verdict {
        let has_password = |account: &Account| keys.contains(&account.scram.stored_key);
        let account = self.store.get(user).filter(|account| {
            let may_use_ftp = account.ftp == FtpAccess::Allowed;
            let may = match by {
                LoginBy::Scram => admits(account, user, None) && has_password(account),
                LoginBy::Password(shown) => {
                    may_use_ftp && admits(account, user, shown) && has_password(account)
                }
                LoginBy::Certificate(shown) => {
                    may_use_ftp && stands_for_password(account, user, shown)
                }
            };
            may && account.standing == AccountStatus::Enabled
        });
        match account.map(|account| allowed(&self.config, account)) {
            Some((access, rights)) => Verdict::Stays(access, rights),
            None => Verdict::Ends,
        }
    }
}
