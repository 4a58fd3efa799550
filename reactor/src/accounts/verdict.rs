//! What becomes of a session whose account may have changed.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use skiff_conf::{Account, AccountStatus, FtpAccess, Server, UserStore, WallClock};
use skiff_sessions::server::Terms;

use super::client_certificate::{MaybeShown, admits, stands_for_password};
use super::elsewhere::Described;
use super::ftp_login::{KeptHashes, login_key};
use super::shared_folders::{FolderPlace, places};
use super::store::LoginKey;
use super::terms::terms;

/// All accounts at one time.
pub(crate) struct AccountsNow {
    store: Arc<UserStore>,
    config: Arc<Server>,
    clock: WallClock,
    kept: KeptHashes,
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

/// By what a session has logged in.
#[derive(Clone, Copy)]
pub(crate) struct Proven<'a> {
    pub(crate) keys: &'a [LoginKey],
    /// Its account where it is none of the store's.
    pub(crate) elsewhere: Option<&'a Described>,
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
    pub(super) fn new(
        store: Arc<UserStore>,
        config: Arc<Server>,
        clock: WallClock,
        kept: KeptHashes,
    ) -> Self {
        Self {
            store,
            config,
            clock,
            kept,
        }
    }

    /// What becomes of a session of `user` from the address `from` that was proven by one of `keys`,
    /// or whose account the authenticator has described.
    pub(crate) fn judge(
        &self,
        user: &str,
        from: IpAddr,
        proven: Proven<'_>,
        by: LoginBy<'_>,
    ) -> Verdict {
        let found = match (self.store.find(user), proven.elsewhere) {
            (Some((name, account)), _) => {
                let key = account.proof().map(login_key);
                let has_password =
                    key.is_some_and(|key| self.kept.is_proven(user, proven.keys, &key));
                let is_proven = has_password || matches!(by, LoginBy::Certificate(_));
                is_proven.then_some((name, Cow::Borrowed(account)))
            }
            // The store need not know it; its group may be gone.
            (None, Some(described)) => {
                let account = self.store.whole(&described.account).ok();
                account.map(|account| (&described.name, Cow::Owned(account)))
            }
            (None, None) => None,
        };
        match found.filter(|(_, account)| self.stays(user, account, from, by)) {
            Some((name, account)) => Verdict::Stays {
                terms: terms(&self.config, name, &account),
                timing: Timing::of(&account),
                folders: places(&self.config, &self.store, name, &account),
            },
            None => Verdict::Ends,
        }
    }

    /// Whether who has proven the password may be logged in, or whose certificate stands for it.
    fn stays(&self, user: &str, account: &Account, from: IpAddr, by: LoginBy<'_>) -> bool {
        let may_use_ftp = account.ftp() == FtpAccess::Allowed;
        let may = match by {
            LoginBy::Scram => admits(account, user, None),
            LoginBy::Password(shown) => may_use_ftp && admits(account, user, shown),
            LoginBy::Certificate(shown) => may_use_ftp && stands_for_password(account, user, shown),
        };
        may && account.standing == AccountStatus::Enabled
            && account.admits(from)
            && account.is_open_at(&self.clock)
    }
}
