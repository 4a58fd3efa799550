//! The socket of one peer, as connections and workers both hold it: a channel in clear or under
//! TLS, and the ids by which the poll and the workers name it. What is said over the channel, and
//! when, does not belong here.

pub(crate) mod channel;
pub(crate) mod ids;
