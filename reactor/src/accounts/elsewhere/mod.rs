//! Users whom the store does not have: a program of the operator's, the authenticator, says who they
//! are.
//!
//! The daemon itself can execute nothing, once its walls are up. So before that it starts its own
//! program again as a helper ([`helper`]), which runs the one program of the settings and nothing
//! else, and keeps one end of a socket pair. For each question a worker hands the helper a
//! connection of its own over that socket (SCM_RIGHTS), writes the question, and reads the answer:
//! no two questions share bytes, and whatever ends badly ends one connection. Whoever takes the
//! daemon over can have that program run with a question of his choice, which is what every client
//! can; he cannot choose the program, its arguments or its environment. The helper has the daemon's
//! user, after `run_as`, but none of its walls: what the program needs, a directory server or the
//! helpers of PAM, no wall could know.
//!
//! An answer becomes an [`Account`] by the grammar of `users.ron` ([`answer`]), and holds for the
//! session that asked, for as long as that goes on, and for the next logins with the same password
//! for the time of `cache`. An account of the store always goes first.

pub(super) mod answer;
mod broker;
pub(crate) mod helper;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde::Serialize;
use skiff_conf::{Account, FtpAccess, UserName};
use skiff_sessions::server::Standing;
use skiff_sessions::wire::reply::Refusal;
use skiff_vfs::Worker;

use self::answer::Answer;
pub(crate) use self::broker::Broker;
use super::client_certificate::{MaybeShown, admits};
use super::store::{Accounts, LoginKey};

/// Above this number, accounts go that no session has and whose password is not cached any more.
const KEPT: usize = 1024;

/// The most accounts that are remembered: more than sessions are.
const KEPT_MAX: usize = 65_536;

/// Marks the tags of passwords that the authenticator has proven.
const PROVEN_ELSEWHERE: LoginKey = [0; 32];

/// The authenticator, and what it has said.
pub(super) struct Elsewhere {
    broker: Broker,
    cache: Duration,
    /// How long an answer may take, with the wait for its turn.
    deadline: Duration,
    known: Mutex<HashMap<UserName, Known>>,
}

/// A user whom the authenticator has let in.
struct Known {
    account: Arc<Account>,
    key: LoginKey,
    until: Instant,
}

/// An account that the authenticator has described, and what its login was proven by.
#[derive(Clone)]
pub(crate) struct Described {
    pub(super) name: UserName,
    pub(super) account: Arc<Account>,
    pub(super) key: LoginKey,
}

/// Who wants to log in.
pub(crate) struct Inquiry<'a> {
    pub(crate) user: &'a str,
    pub(crate) password: &'a [u8],
    pub(crate) caller: Caller<'a>,
    pub(crate) came_by: CameBy,
    /// Since when it waits.
    pub(crate) since: Instant,
}

/// From where somebody wants to log in, and with what besides the password.
#[derive(Clone, Copy)]
pub(crate) struct Caller<'a> {
    pub(crate) from: IpAddr,
    pub(crate) shown: MaybeShown<'a>,
}

/// How the password came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum CameBy {
    Clear,
    Tls,
}

/// What the program reads.
#[derive(Serialize)]
struct Question<'a> {
    user: &'a str,
    password: &'a str,
    address: String,
    tls: bool,
}

impl Elsewhere {
    fn is_fresh(&self, name: &str, key: &LoginKey) -> bool {
        let known = self.known.lock();
        let known = known.get(name);
        known.is_some_and(|known| known.key == *key && Instant::now() < known.until)
    }

    fn remember(&self, name: UserName, account: Account, key: LoginKey) -> bool {
        let mut known = self.known.lock();
        if known.len() >= KEPT {
            let now = Instant::now();
            known.retain(|_, known| now < known.until || Arc::strong_count(&known.account) > 1);
        }
        let has_room = known.len() < KEPT_MAX;
        if has_room {
            let until = Instant::now() + self.cache;
            let account = Arc::new(account);
            known.insert(
                name,
                Known {
                    account,
                    key,
                    until,
                },
            );
        }
        has_room
    }

    pub(super) fn find(&self, user: &str) -> Option<Described> {
        let known = self.known.lock();
        let (name, known) = known.get_key_value(user)?;
        Some(Described {
            name: name.clone(),
            account: Arc::clone(&known.account),
            key: known.key,
        })
    }

    pub(super) fn all(&self) -> Vec<(UserName, Arc<Account>)> {
        let known = self.known.lock();
        let each = known.iter();
        each.map(|(name, known)| (name.clone(), Arc::clone(&known.account)))
            .collect()
    }
}

impl Accounts {
    /// Has users whom the store does not have be known by the authenticator.
    pub(crate) fn with_authenticator(mut self, broker: Option<Broker>) -> Self {
        let config = self.config();
        let said = config.authenticator.as_ref();
        self.elsewhere = broker.zip(said).map(|(broker, said)| Elsewhere {
            broker,
            cache: said.cache.unwrap_or_default(),
            deadline: said.deadline,
            known: Mutex::default(),
        });
        self
    }

    /// Whether only the authenticator can check the password of `user`.
    pub(crate) fn asks_elsewhere(&self, worker: &Worker, user: &str, password: &[u8]) -> bool {
        let Some(elsewhere) = &self.elsewhere else {
            return false;
        };
        let store = self.store(worker);
        let is_ours = store.is_none_or(|store| store.get(user).is_some());
        // What is no name of ours is nobody's.
        let is_name = user.parse::<UserName>().is_ok();
        !is_ours && is_name && !elsewhere.is_fresh(user, &self.proven_elsewhere(user, password))
    }

    /// Whether the authenticator has proven this password of a user whom the store does not have, a
    /// moment ago, and the account is open to the caller.
    pub(super) fn is_known_elsewhere(
        &self,
        worker: &Worker,
        user: &str,
        password: &[u8],
        caller: Caller<'_>,
    ) -> bool {
        let key = || self.proven_elsewhere(user, password);
        let elsewhere = self.elsewhere.as_ref();
        let is_proven = elsewhere.is_some_and(|elsewhere| elsewhere.is_fresh(user, &key()));
        // What its group says may have changed since. One whose group is gone is told so later.
        let may_come = || {
            let told =
                self.with_account(worker, user, |_, account| may_come(user, account, caller));
            told.unwrap_or(true)
        };
        is_proven && may_come()
    }

    fn proven_elsewhere(&self, user: &str, password: &[u8]) -> LoginKey {
        let tag = self.password_cache.tag(user, &PROVEN_ELSEWHERE, password);
        tag.into_bytes()
    }

    /// Asks the authenticator. What it does wrong costs its own users this login, which is answered
    /// 421 and counts for nothing; the log says what it was.
    pub(crate) fn ask_elsewhere(
        &self,
        worker: &Worker,
        inquiry: &Inquiry<'_>,
    ) -> Result<Standing, Refusal> {
        let user = inquiry.user;
        let elsewhere = self.elsewhere.as_ref().ok_or(Refusal::NoAccounts)?;
        let fail = |why: &str| {
            log::error!("authenticator: {why}; {user} cannot log in");
            Refusal::NoAccounts
        };
        // A right password of another login may have come meanwhile.
        if self.is_known_elsewhere(worker, user, inquiry.password, inquiry.caller) {
            return Ok(Standing::Known);
        }
        // The wait for a turn is of the same time.
        let left = elsewhere.deadline.checked_sub(inquiry.since.elapsed());
        let left = left.filter(|left| !left.is_zero());
        let left =
            left.ok_or_else(|| fail("as many as may are running, and none came free in time"))?;
        let (Ok(password), Ok(name)) = (std::str::from_utf8(inquiry.password), user.parse()) else {
            return Ok(Standing::Decoy);
        };
        let question = Question {
            user,
            password,
            address: inquiry.caller.from.to_canonical().to_string(),
            tls: inquiry.came_by == CameBy::Tls,
        };
        let said = elsewhere.broker.ask(worker, &question, left);
        let said = said.map_err(|why| fail(&why))?;
        let account = match answer::read(&said).map_err(|why| fail(&why))? {
            Answer::Known(account) => *account,
            Answer::Unknown => return Ok(Standing::Decoy),
        };
        let store = self.store(worker).ok_or(Refusal::NoAccounts)?;
        let whole = store.whole(&account).map_err(|why| fail(&why))?;
        if !may_come(user, &whole, inquiry.caller) {
            return Ok(Standing::Decoy);
        }
        let key = self.proven_elsewhere(user, inquiry.password);
        match elsewhere.remember(name, account, key) {
            true => Ok(Standing::Known),
            false => Err(fail("it has let in more users than can be remembered")),
        }
    }
}

/// Whether a user whom the store does not have may log in, which only FTP can do.
fn may_come(user: &str, account: &Account, caller: Caller<'_>) -> bool {
    let Caller { from, shown } = caller;
    let by_ftp = account.ftp() == FtpAccess::Allowed;
    if !by_ftp {
        log::info!(
            "{user} may not log in by FTP (ftp), the only way for who is not in the user store"
        );
    } else if !account.admits(from) {
        log::info!("{user} may not log in from {from} (allow, deny)");
    }
    by_ftp && account.admits(from) && admits(account, user, shown)
}
