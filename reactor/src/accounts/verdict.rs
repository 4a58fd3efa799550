//! What becomes of a session whose account may have changed.

use std::net::IpAddr;
use std::sync::Arc;

use skiff_conf::{Account, AccountStatus, FtpAccess, Server, UserStore, WallClock};
use skiff_sessions::server::Terms;

use super::client_certificate::{MaybeShown, admits, stands_for_password};
use super::shared_folders::{FolderPlace, places};
use super::store::LoginKey;
use super::terms::terms;

/// All accounts at one time.
pub(crate) struct AccountsNow {
    store: Arc<UserStore>,
    config: Arc<Server>,
    clock: WallClock,
}

/// What becomes of a session whose account may have changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    /// It goes on, with these terms.
    Stays {
        terms: Terms,
        timing: Timing,
        folders: Vec<FolderPlace>,
    },
    /// Its login would not succeed any more.
    Ends,
}

/// Whether an account may close by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Timing {
    Always,
    /// It has hours, or a last day.
    Limited,
}

impl Timing {
    pub(super) fn of(account: &Account) -> Self {
        match account.is_timed() {
            true => Self::Limited,
            false => Self::Always,
        }
    }
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
    pub(super) fn new(store: Arc<UserStore>, config: Arc<Server>, clock: WallClock) -> Self {
        Self {
            store,
            config,
            clock,
        }
    }

    /// What becomes of a session of `user` from the address `from` that was proven by one of `keys`.
    pub(crate) fn judge(
        &self,
        user: &str,
        from: IpAddr,
        keys: &[LoginKey],
        by: LoginBy<'_>,
    ) -> Verdict {
        let has_password = |account: &Account| keys.contains(&account.scram.stored_key);
        let found = self.store.find(user).filter(|(_, account)| {
            let may_use_ftp = account.ftp() == FtpAccess::Allowed;
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
                && account.admits(from)
                && account.is_open_at(&self.clock)
        });
        match found {
            Some((name, account)) => Verdict::Stays {
                terms: terms(&self.config, name, account),
                timing: Timing::of(account),
                folders: places(&self.config, &self.store, name, account),
            },
            None => Verdict::Ends,
        }
    }
}
