//! The threads that may block, what runs on them, and what can be answered without them: the pool
//! and its schedule, work items, jobs performed on vfs and accounts, bursts of transfers.
//! Readiness, deadlines and sessions do not belong here: a worker never waits for a peer longer
//! than a few milliseconds and never touches a session.

pub(crate) mod burst;
mod client_watch;
mod holdings;
pub(crate) mod inline;
pub(crate) mod jobs;
pub(crate) mod kept_part;
mod listing_text;
pub(crate) mod login_jobs;
pub(crate) mod observation;
pub(crate) mod open_file;
mod open_listing;
pub(crate) mod parking;
pub(crate) mod password_check;
pub(crate) mod pool;
mod refusal;
pub(crate) mod schedule;
pub(crate) mod sendfile_pacer;
mod short_upload;
mod small_file;
pub(crate) mod upkeep;
pub(crate) mod work_item;
pub(crate) mod yielding;
