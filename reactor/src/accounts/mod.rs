//! x

pub(crate) mod folder;
pub(crate) mod password_cache;
pub(crate) mod secret;
pub(crate) mod store;
