//! Who may log in and with what: the user store, the cache of proven passwords, the server's
//! secret, users whom a program knows, and the making of home folders. What a session does with an account does not belong
//! here, nor the commands that edit the store.

pub(crate) mod client_certificate;
mod clock;
pub(crate) mod elsewhere;
pub(crate) mod folder;
mod ftp_login;
mod hashes;
pub(crate) mod json_account;
pub(crate) mod lock;
pub(crate) mod mounts;
pub(crate) mod owners;
pub(crate) mod password_cache;
pub(crate) mod secret;
pub(crate) mod shared_folders;
pub(crate) mod store;
pub(crate) mod terms;
pub(crate) mod verdict;
pub(crate) mod watch;
