//! Programs of the operator's: the helper processes that run them, because the daemon behind its
//! walls can execute nothing, and the running of one until its end or its deadline.

pub(crate) mod child;
pub(crate) mod helper;
