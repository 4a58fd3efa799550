//! x

pub(crate) mod channel;
pub(crate) mod ids;
