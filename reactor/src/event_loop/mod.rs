//! x

pub(crate) mod admission;
pub(crate) mod deadlines;
pub(crate) mod listener;
pub(crate) mod sd_notify;
pub(crate) mod shared;
pub(crate) mod signals;
pub(crate) mod timer_fd;
