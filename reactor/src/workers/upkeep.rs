//! What homes need from time to time: to be counted, swept and closed. A count is done at once where
//! changes or the operator wait for it, else at a low priority.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::setpriority_process;
use skiff_vfs::{Counted, Home, VfsError, Worker};

use super::holdings::tell_holdings;
use super::jobs::Services;
use super::observation::{Asker, Observation};
use super::work_item::Outcome;
use crate::accounts::store::UserHome;
use crate::control::command::{Answer, Who};

/// The nice value of a recount: a tenth of the share of others, and a low priority at the disk too
/// (ioprio_set(2) says how the one follows from the other). Not the lowest, as it takes the locks
/// of homes.
const NICE: i32 = 10;

/// How long the operator's count waits for one that is under way.
const PATIENCE: Duration = Duration::from_secs(600);
/// Time between two attempts meanwhile.
const RETRY_EVERY: Duration = Duration::from_millis(50);

/// Something to be done for homes, for no session.
pub(crate) enum Upkeep {
    /// Counts the bytes and entries of a home, if that is due.
    Count(Arc<Home>),
    /// Counts homes at the operator's command.
    Recount {
        services: Arc<Services>,
        who: Who,
        answer: Answer,
    },
    /// Looks at what metrics tell beside the counters, for one who asks.
    Observe {
        services: Arc<Services>,
        asker: Asker,
    },
    /// Says what homes hold, at the operator's command.
    Holdings {
        services: Arc<Services>,
        user: Option<String>,
        from: usize,
        answer: Answer,
    },
    /// Removes stages older than their time to live.
    Sweep(Arc<Home>),
    /// Removes the files that were kept long enough, also in homes that nobody uses.
    Expire(Arc<Services>),
    /// Gives open homes, and then sessions, what the accounts have now.
    RefreshAccounts(Arc<Services>),
    /// Closes homes that no session has used for `idle`.
    CloseIdle {
        services: Arc<Services>,
        idle: Duration,
    },
}

impl Upkeep {
    pub(super) fn run(self, worker: &Worker) -> Outcome {
        match self {
            Self::Count(home) => return count_if_due(worker, &home),
            Self::Sweep(home) => {
                if let Err(error) = home.sweep(worker) {
                    log::warn!("old stages could not be swept: {error}");
                }
            }
            Self::Expire(services) => expire(worker, &services),
            Self::RefreshAccounts(services) => {
                refresh_rules(worker, &services);
                let now = services.accounts.now(worker);
                return now.map_or(Outcome::Nothing, |now| Outcome::Accounts(Box::new(now)));
            }
            Self::CloseIdle { services, idle } => {
                services.homes.close_idle(worker, idle);
            }
            Self::Observe { services, asker } => {
                let observed = Box::new(Observation::of(worker, &services.homes));
                return Outcome::Observed(asker, observed);
            }
            Self::Holdings {
                services,
                user,
                from,
                answer,
            } => {
                tell_holdings(worker, &services, user.as_deref(), from, answer);
                return Outcome::HomesOpened;
            }
            Self::Recount {
                services,
                who,
                answer,
            } => {
                recount_for_operator(worker, &services, &who, answer);
                return Outcome::HomesOpened;
            }
        }
        Outcome::Nothing
    }
}

fn expire(worker: &Worker, services: &Services) {
    for home in services.accounts.expiring_homes(worker) {
        let UserHome { user, .. } = &home;
        let opened = home.open(worker, &services.homes, &services.accounts.config());
        let counted = opened.and_then(|home| {
            count_if_due(worker, &home);
            home.expire(worker)
        });
        if let Err(error) = counted {
            log::warn!("old files of {user} could not be removed: {error}");
        }
    }
}

fn refresh_rules(worker: &Worker, services: &Services) {
    // SIGHUP may have named another store.
    watch_store(services);
    let accounts = &services.accounts;
    services
        .homes
        .refresh_rules(worker, |user| accounts.rules(worker, user));
}

/// Watches the user store; may block.
pub(crate) fn watch_store(services: &Services) {
    let store = services.accounts.path();
    let watched = services
        .watch
        .as_ref()
        .map_or(Ok(()), |watch| watch.watch(&store));
    if let Err(error) = watched {
        let store = store.display();
        log::warn!(
            "{store}: changes hold from the next login on, as nothing tells of them: {error}"
        );
    }
}

/// Counts `home`, unless another one has counted it meanwhile.
fn count_if_due(worker: &Worker, home: &Arc<Home>) -> Outcome {
    if !home.needs_scan() {
        return Outcome::Nothing;
    }
    let counted = match home.is_uncounted() {
        true => home.scan(worker),
        false => recount(worker, home),
    };
    match counted {
        Ok(Counted { before: None, .. }) => {}
        Ok(Counted {
            used,
            before: Some(before),
            ..
        }) => return Outcome::Recounted(used.bytes.abs_diff(before.bytes)),
        // The daemon stops, or another count has begun.
        Err(VfsError::Stopped | VfsError::Scanning) => {}
        Err(error) => log::error!("a home could not be counted: {error}"),
    }
    Outcome::Nothing
}

/// Counts `home` on a thread of its own: a low priority cannot be raised again.
fn recount(worker: &Worker, home: &Arc<Home>) -> Result<Counted, VfsError> {
    let counted = Arc::clone(home);
    let counting = Worker::spawn("recount", move |worker| {
        if let Err(error) = setpriority_process(None, NICE) {
            log::debug!("a recount has the usual priority: {error}");
        }
        counted.scan(worker)
    });
    match counting.map(std::thread::JoinHandle::join) {
        Ok(Ok(counted)) => counted,
        Ok(Err(_)) => Err(VfsError::Stopped),
        Err(error) => {
            log::debug!("no thread for a recount: {error}");
            home.scan(worker)
        }
    }
}

/// Counts the homes of `who` and answers with a line for each.
fn recount_for_operator(worker: &Worker, services: &Services, who: &Who, answer: Answer) {
    let user = match who {
        Who::All => None,
        Who::User(user) => Some(user.as_str()),
    };
    let homes = services.accounts.homes(worker, user);
    if let (Some(user), true) = (user, homes.is_empty()) {
        answer.fail(format!("there is no user {user}"));
    }
    for home in homes {
        let user = &home.user;
        let is_heard = match recount_home(worker, services, &home) {
            Ok(counted) => answer.say(format!("{user}: {}", told(counted))),
            Err(error) => answer.fail(format!("{user}: {}: {error}", home.root.display())),
        };
        if !is_heard {
            return;
        }
    }
    answer.done();
}

fn recount_home(
    worker: &Worker,
    services: &Services,
    home: &UserHome,
) -> Result<Counted, VfsError> {
    let home = home.open(worker, &services.homes, &services.accounts.config())?;
    let until = Instant::now() + PATIENCE;
    loop {
        match home.scan(worker) {
            Err(VfsError::Scanning) if Instant::now() < until => std::thread::sleep(RETRY_EVERY),
            other => return other,
        }
    }
}

/// What a count has found, for people.
fn told(counted: Counted) -> String {
    let Counted {
        used,
        before,
        unread,
    } = counted;
    let found = match before {
        Some(before) if before == used => format!("{used}, as the ledger says"),
        Some(before) => format!("{used}; the ledger had {before}, and is right now"),
        None => format!("{used}, counted for the first time since the start"),
    };
    match unread {
        0 => found,
        1 => format!("{found}; one directory could not be read, see the log"),
        many => format!("{found}; {many} directories could not be read, see the log"),
    }
}
