//! What all connections share on the reactor thread, and what the loop itself needs: the timer,
//! deadlines, signals, listeners, proxies, admission and bans, notifications to the service manager. State
//! of one connection does not belong here, nor anything that may block.

pub(crate) mod account_numbers;
pub(crate) mod admission;
pub(crate) mod counters;
pub(crate) mod deadlines;
mod inquiries;
pub(crate) mod listener;
pub(crate) mod named;
pub(crate) mod proxied;
pub(crate) mod rates;
pub(crate) mod sd_notify;
pub(crate) mod shared;
pub(crate) mod signals;
pub(crate) mod timer_fd;
mod tls;
pub(crate) mod waiting_logins;
