//! Counts homes: at once where changes wait for it, else at a low priority.

use std::sync::Arc;

use rustix::process::setpriority_process;
use skiff_vfs::{Counted, Home, VfsError, Worker};

/// The nice value of a recount: a tenth of the share of others, and a low priority at the disk too
/// (ioprio_set(2) says how the one follows from the other). Not the lowest, as it takes the locks
/// of homes.
const NICE: i32 = 10;

/// Counts `home`, unless another one has counted it meanwhile.
pub(super) fn count_if_due(worker: &Worker, home: &Arc<Home>) {
    if !home.needs_scan() {
        return;
    }
    let counted = match home.is_uncounted() {
        true => home.scan(worker),
        false => recount(worker, home),
    };
    match counted {
        // The daemon stops, or another count has begun.
        Ok(_) | Err(VfsError::Stopped | VfsError::Scanning) => {}
        Err(error) => log::error!("a home could not be counted: {error}"),
    }
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
