//! The threads that may block, what runs on them, and what can be answered without them: the pool
//! and its schedule, work items, jobs performed on vfs and accounts, bursts of transfers.
//! Readiness, deadlines and sessions do not belong here: a worker never waits for a peer longer
//! than a few milliseconds and never touches a session.

pub(crate) mod burst;
mod client_watch;
pub(crate) mod folders;
mod holdings;
pub(crate) mod hooked;
pub(crate) mod in_home;
pub(crate) mod inline;
pub(crate) mod inquiry;
pub(crate) mod jobs;
pub(crate) mod kept_part;
mod listing_text;
pub(crate) mod observation;
mod on_file;
pub(crate) mod open_file;
mod open_listing;
mod open_upload;
pub(crate) mod opening;
pub(crate) mod parking;
pub(crate) mod password_check;
pub(crate) mod plain_names;
pub(crate) mod pool;
mod refusal;
pub(crate) mod schedule;
pub(crate) mod sendfile_pacer;
mod short_upload;
mod small_file;
pub(crate) mod upkeep;
pub(crate) mod work_item;
pub(crate) mod yielding;
