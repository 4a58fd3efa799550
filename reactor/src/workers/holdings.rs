//! Says what homes hold, for the operator.

use skiff_conf::{ByteQuota, EntryQuota};
use skiff_vfs::{Holdings, VfsError, Worker};

use super::jobs::Services;
use crate::accounts::store::UserHome;
use crate::control::answer::{Line, QuotaRow};
use crate::control::command::Answer;

/// Homes in one piece of an answer, which are open together: each holds some descriptors.
const PIECE: usize = 64;

/// Says what the homes of `user`, or of all from the one of this number on, hold.
pub(super) fn tell_holdings(
    worker: &Worker,
    services: &Services,
    user: Option<&str>,
    from: usize,
    answer: Answer,
) {
    let homes = services.accounts.homes(worker, user);
    if let (Some(user), true) = (user, homes.is_empty()) {
        answer.fail(format!("there is no user {user}"));
    }
    for home in homes.iter().skip(from).take(PIECE) {
        let is_heard = match holdings(worker, services, home) {
            Ok(holdings) => answer.line(Line::Quota(row(home, holdings))),
            Err(error) => {
                let UserHome { user, root, .. } = home;
                answer.fail(format!("{user}: {}: {error}", root.display()))
            }
        };
        if !is_heard {
            return;
        }
    }
    match from.saturating_add(PIECE) {
        next if next < homes.len() => {
            services.homes.close_idle(worker, std::time::Duration::ZERO);
            answer.more(next);
        }
        _ => answer.done(),
    }
}

/// `None` before the home is counted.
fn holdings(
    worker: &Worker,
    services: &Services,
    home: &UserHome,
) -> Result<Option<Holdings>, VfsError> {
    let home = home.open(worker, &services.homes, &services.accounts.config())?;
    home.holdings(worker)
}

fn row(UserHome { user, rules, .. }: &UserHome, holdings: Option<Holdings>) -> QuotaRow {
    let limit = rules.limit;
    QuotaRow {
        user: user.clone(),
        used: holdings.map(|found| found.usage.used.bytes),
        staged: holdings.map(|found| found.staged),
        reserved: holdings.map(|found| found.usage.reserved.bytes),
        free: holdings.map(|found| found.free),
        limit: (limit.bytes < ByteQuota::UNLIMITED.get()).then_some(limit.bytes),
        entries: holdings.map(|found| found.usage.used.entries),
        entries_limit: (limit.entries < EntryQuota::UNLIMITED.get()).then_some(limit.entries),
    }
}
